/// What the markers of a JPEG file say of its bytes (ISO/IEC 10918-1, annex B).
///
/// Reads at most 64 MiB, in pieces of 256 KiB; of a larger file, the last 64 KiB for its end.
package struct JPEGStructure: Sendable, Hashable {
    /// The main picture ends with EOI. Thumbnails in its segments do not count.
    package var hasEnd = false
    /// The byte behind that EOI.
    package var end: Int64?
    /// Bytes behind the main picture: further pictures, a film clip, padding; 0 where it has no end.
    package var trailingBytes: Int64 = 0
    /// The payload of APP1 from "Exif\0\0" on.
    package var exif: [UInt8]?
    /// Pixels, by the first frame header.
    package var width: Int?
    package var height: Int?

    private static let mostRead: Int64 = 64 << 20
    private static let tail: Int64 = 64 << 10
    /// SOF0 to SOF15 without DHT, JPG and DAC, which lie between them (table B.1).
    private static let frames: Set<UInt8> = Set(0xC0...0xCF).subtracting([0xC4, 0xC8, 0xCC])

    package init() {}

    /// Nothing where the file does not begin with SOI and a marker.
    package static func walk(_ source: ByteSource) -> JPEGStructure? {
        let head = source.bytes(at: 0, 3)
        guard head.count >= 2, head[0] == 0xFF, head[1] == 0xD8, head.count == 2 || head[2] == 0xFF else { return nil }
        var found = JPEGStructure()
        var reader = PieceReader(source, limit: mostRead)
        var offset: Int64 = 2
        while let (marker, next) = self.marker(&reader, from: offset) {
            offset = next
            // TEM and SOI stand alone, the others but EOI have a length.
            if marker == 0x01 || marker == 0xD8 { continue }
            if marker == 0xD9 {
                found.setEnd(next, source)
                return found
            }
            guard let high = reader.byte(next), let low = reader.byte(next + 1) else { break }
            let length = Int64(high) << 8 | Int64(low)
            guard length >= 2 else { return found }
            found.read(marker, source, at: next + 2, length - 2)
            offset = next + length
        }
        if source.size > mostRead, offset < source.size { found.lookAtTail(source) }
        return found
    }

    /// The next marker from `offset` on, and the byte behind it. Entropy-coded data lies between: there FF 00 is a byte
    /// of the picture, and RST0 to RST7 belong to it (B.1.1.5). What lies between segments is passed over likewise.
    private static func marker(_ reader: inout PieceReader, from offset: Int64) -> (UInt8, Int64)? {
        var place = offset
        while let start = reader.find(0xFF, from: place) {
            guard let code = reader.byte(start + 1) else { return nil }
            switch code {
            case 0xFF: place = start + 1
            case 0x00, 0xD0...0xD7: place = start + 2
            default: return (code, start + 2)
            }
        }
        return nil
    }

    private mutating func setEnd(_ place: Int64, _ source: ByteSource) {
        (hasEnd, end, trailingBytes) = (true, place, source.size - place)
    }

    private mutating func read(_ marker: UInt8, _ source: ByteSource, at offset: Int64, _ length: Int64) {
        if marker == 0xE1, exif == nil, length > 6 {
            let bytes = source.bytes(at: offset, length)
            if bytes.holds("Exif\0\0") { exif = bytes }
        } else if Self.frames.contains(marker), width == nil {
            // Precision, then lines and samples a line (B.2.2).
            let bytes = source.bytes(at: offset, min(length, 5))
            if let lines = bytes.big(1, 2), let samples = bytes.big(3, 2) {
                (width, height) = (Int(samples), Int(lines))
            }
        }
    }

    /// For a picture that is larger than what is read: the last EOI near the end of the file.
    private mutating func lookAtTail(_ source: ByteSource) {
        let start = max(0, source.size - Self.tail)
        let bytes = source.bytes(at: start, Self.tail)
        guard bytes.count >= 2 else { return }
        let last = (0..<bytes.count - 1).last { bytes[$0] == 0xFF && bytes[$0 + 1] == 0xD9 }
        if let last { setEnd(start + Int64(last) + 2, source) }
    }
}
