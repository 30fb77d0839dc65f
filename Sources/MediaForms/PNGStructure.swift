/// What the chunks of a PNG file say of its bytes (ISO/IEC 15948, 5.3 and 11.3.5; eXIf: PNG third edition, 11.3.3.4).
///
/// Reads 8 bytes for each of at most 200,000 chunks, and 1 MiB of Exif data.
package struct PNGStructure: Sendable, Hashable {
    /// The chain of chunks reaches IEND, which lies in the file whole.
    package var hasEnd = false
    /// The least number of bytes that are missing at the end: those of a chunk that was cut, or those of IEND.
    package var missingBytes: Int64 = 0
    /// The chunk eXIf, with "Exif\0\0" before it as in a JPEG file.
    package var exif: [UInt8]?

    private static let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
    private static let mostChunks = 200_000
    private static let mostExif: Int64 = 1 << 20
    /// Length, type and check value around the data of a chunk.
    private static let frame: Int64 = 12

    package init() {}

    /// Nothing where the file does not begin with PNG's signature.
    package static func walk(_ source: ByteSource) -> PNGStructure? {
        guard source.bytes(at: 0, 8) == signature else { return nil }
        var found = PNGStructure()
        var offset: Int64 = 8
        for _ in 0..<mostChunks {
            let head = source.bytes(at: offset, 8)
            guard let length = head.big(0, 4), head.count == 8 else {
                // At least IEND belongs here.
                found.missingBytes = max(0, frame - max(0, source.size - offset))
                return found
            }
            guard length < 1 << 31, head[4...].allSatisfy({ (0x41...0x5A).contains($0 & 0xDF) }) else { return found }
            let next = offset + frame + Int64(length)
            guard next <= source.size else {
                found.missingBytes = next - source.size
                return found
            }
            if head.holds("eXIf", at: 4), found.exif == nil, Int64(length) <= mostExif {
                found.exif = Array("Exif\0\0".utf8) + source.bytes(at: offset + 8, Int64(length))
            }
            if head.holds("IEND", at: 4) {
                found.hasEnd = true
                return found
            }
            offset = next
        }
        return found
    }
}
