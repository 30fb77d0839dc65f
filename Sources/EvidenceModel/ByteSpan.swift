/// A range of bytes of a recording: from `offset`, `length` bytes.
package struct ByteSpan: Sendable, Hashable {
    /// First byte, counted from 0.
    package let offset: Int64
    /// Bytes; 0 is an empty span.
    package let length: Int64

    package init(offset: Int64, length: Int64) {
        precondition(offset >= 0 && length >= 0, "a span has no negative side")
        self.offset = offset
        self.length = length
    }

    /// The byte after the last one.
    package var end: Int64 { offset + length }
}

extension ByteSpan {
    /// The same bytes in ascending order, spans that touch made one; where more than `most` are left, those behind are
    /// joined with the last, so that nothing damaged is ever called good.
    package static func joined(_ spans: [ByteSpan], most: Int) -> [ByteSpan] {
        var joined: [ByteSpan] = []
        for span in spans.sorted(by: { ($0.offset, $0.length) < ($1.offset, $1.length) }) where span.length > 0 {
            if let last = joined.last, span.offset <= last.end || joined.count >= most {
                let end = max(last.end, span.end)
                joined[joined.count - 1] = ByteSpan(offset: last.offset, length: end - last.offset)
            } else {
                joined.append(span)
            }
        }
        return joined
    }
}

extension ByteSpan: Codable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let offset = try container.decode(Int64.self, forKey: .offset)
        let length = try container.decode(Int64.self, forKey: .length)
        guard offset >= 0, length >= 0, offset <= .max - length else {
            throw DecodingError.dataCorruptedError(forKey: .offset, in: container, debugDescription: "no span")
        }
        self.init(offset: offset, length: length)
    }

    private enum CodingKeys: String, CodingKey { case offset, length }
}

/// How a recording is cut into parts: uniform parts from byte 0, the last one shorter. Every target of a recording
/// uses the same parts, so that one reading of the source hashes them all.
package struct PartLayout: Sendable, Hashable {
    /// Bytes of the recording.
    package let size: Int64
    /// Bytes of every part but the last.
    package let partSize: Int64

    package init(size: Int64, partSize: Int64) {
        precondition(size >= 0 && partSize > 0, "a layout has a size and parts")
        self.size = size
        self.partSize = partSize
    }

    /// The layout for a file of `size` bytes: parts of 8 MiB; larger ones, in whole MiB, where 9,500 of those would
    /// not hold it (S3 takes 10,000 parts; 500 are kept in reserve).
    package init(fileOfSize size: Int64) {
        let mebibyte: Int64 = 1 << 20
        let least = 8 * mebibyte
        let needed = size.dividedRoundingUp(by: Self.mostParts)
        let rounded = needed.dividedRoundingUp(by: mebibyte) * mebibyte
        self.init(size: size, partSize: max(least, rounded))
    }

    private static let mostParts: Int64 = 9_500

    /// Number of parts; an empty recording has none.
    package var count: Int { Int(size.dividedRoundingUp(by: partSize)) }

    /// The bytes of part `number`, which counts from 1 as S3 does.
    package func span(ofPart number: Int) -> ByteSpan {
        precondition(number >= 1 && number <= count, "part \(number) of \(count)")
        let offset = Int64(number - 1) * partSize
        return ByteSpan(offset: offset, length: min(partSize, size - offset))
    }
}

extension Int64 {
    /// Without a sum that a size as large as a damaged card can claim would overflow.
    fileprivate func dividedRoundingUp(by divisor: Int64) -> Int64 { self / divisor + (self % divisor == 0 ? 0 : 1) }
}
