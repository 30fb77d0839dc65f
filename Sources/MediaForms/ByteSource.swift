package import EvidenceModel

/// Bytes of a file that are read where they are asked for: what the walks of this module look at, so that they need
/// neither a descriptor nor a whole file in memory.
package struct ByteSource {
    /// Bytes.
    package let size: Int64
    private let reading: (ByteSpan) -> [UInt8]

    /// - Parameter reading: the bytes of a span; fewer, or none, where the file ends or cannot be read.
    package init(size: Int64, reading: @escaping (ByteSpan) -> [UInt8]) {
        self.size = size
        self.reading = reading
    }

    package init(_ bytes: [UInt8]) {
        self.init(size: Int64(bytes.count)) { span in
            let start = min(Int(span.offset), bytes.count)
            return Array(bytes[start..<min(start + Int(min(span.length, Int64(bytes.count))), bytes.count)])
        }
    }

    /// The bytes of `span`; fewer where the file ends before, or cannot be read.
    package func bytes(_ span: ByteSpan) -> [UInt8] {
        guard span.offset < size, span.length > 0 else { return [] }
        return reading(ByteSpan(offset: span.offset, length: min(span.length, size - span.offset)))
    }
}
