import EvidenceModel
import MediaForms

extension FuzzEntry.Parser {
    func run(_ input: [UInt8], isSparse: Bool) {
        // A photo of gigabytes would be read for 64 MiB, which is slow and finds nothing.
        let source = isSparse && self != .jpeg ? Self.sparse(input) : ByteSource(input)
        switch self {
        case .boxes: Self.boxes(source)
        case .riff: Self.riff(source)
        case .jpeg: Self.jpeg(source)
        case .png: Self.png(source)
        case .bmp: if let found = BMPStructure.walk(source) { precondition(found.missingBytes >= 0) }
        case .matroska: Self.matroska(source)
        case .transportStream: Self.transportStream(source)
        case .exif: Self.exif(input)
        case .sidecar: Self.sidecar(input)
        case .place: if let place = ISO6709.point(String(decoding: input, as: UTF8.self)) { Self.check([place]) }
        case .zeros: Self.zeros(source, input)
        case .names: Self.names(input)
        case .mounts: Self.mounts(input)
        case .answers: Self.answers(input)
        case .signs: _ = EncryptionSign.of(input)
        }
    }

    /// The input, and zero bytes up to a size that needs more than 32 bits.
    private static func sparse(_ input: [UInt8]) -> ByteSource {
        let size = Int64(5) << 30 + Int64(input.count)
        return ByteSource(size: size) { span in
            let length = Int(min(span.length, size - span.offset))
            guard span.offset < Int64(input.count) else { return [UInt8](repeating: 0, count: length) }
            let part = input[Int(span.offset)...].prefix(length)
            return Array(part) + [UInt8](repeating: 0, count: length - part.count)
        }
    }

    private static func check(_ spans: [ByteSpan], within size: Int64) {
        for span in spans { precondition(span.offset >= 0 && span.length >= 0 && span.end <= size) }
    }

    private static func check(_ seconds: Double?) {
        if let seconds { precondition(seconds.isFinite) }
    }

    private static func check(_ places: [GeoPoint]) {
        precondition(places.count <= 100_000)
        for place in places {
            precondition((-90...90).contains(place.latitude) && (-180...180).contains(place.longitude))
        }
    }

    private static func boxes(_ source: ByteSource) {
        guard let found = MP4Structure.walk(source) else { return }
        precondition(found.boxes.count <= 256 && found.mediaSpans.count <= 64 && found.missingBytes >= 0)
        check(found.mediaSpans, within: source.size)
        // Each begins where the one before ends.
        var end: Int64 = 0
        for box in found.boxes {
            precondition(box.span.offset == end && box.type.utf8.count == 4)
            end = box.span.end
        }
        if let place = found.brokenAt { precondition((0..<source.size).contains(place) && found.missingBytes == 0) }
        check(found.fragmentsEndSeconds)
    }

    private static func riff(_ source: ByteSource) {
        guard let found = RIFFStructure.walk(source) else { return }
        precondition(found.missingBytes >= 0 && (found.promisedDataBytes ?? 0) >= 0)
        precondition(!found.isOpenEnded || found.missingBytes == 0)
        check(found.dataSpan.map { [$0] } ?? [], within: source.size)
    }

    private static func jpeg(_ source: ByteSource) {
        guard let found = JPEGStructure.walk(source) else { return }
        precondition(found.hasEnd == (found.end != nil))
        if let end = found.end { precondition(end <= source.size && end + found.trailingBytes == source.size) }
        if let bytes = found.exif { exif(bytes) }
    }

    private static func png(_ source: ByteSource) {
        guard let found = PNGStructure.walk(source) else { return }
        precondition(found.missingBytes >= 0 && !(found.hasEnd && found.missingBytes > 0))
        if let bytes = found.exif { exif(bytes) }
    }

    private static func exif(_ bytes: [UInt8]) {
        guard let found = ExifReading.read(bytes) else { return }
        precondition(found.rotationDegrees.map { [90, 180, 270].contains($0) } ?? true)
        // Bytes that are no UTF-8 may each become a replacement character of three.
        for text in [found.make, found.model].compactMap({ $0 }) { precondition(text.utf8.count <= 64 * 3) }
        if let time = found.creationTime { precondition(WallTime(rfc3339: time) != nil, time) }
        if let place = found.position { check([place]) }
    }

    private static func matroska(_ source: ByteSource) {
        guard let found = MatroskaStructure.walk(source) else { return }
        precondition(found.missingBytes >= 0)
        check(found.lastClusterSeconds)
        check(found.lastBlockSeconds)
    }

    private static func transportStream(_ source: ByteSource) {
        guard let found = TransportStreamStructure.walk(source) else { return }
        precondition([188, 192, 204].contains(found.packetBytes))
        precondition((0..<Int64(found.packetBytes)).contains(found.cutBytes))
        if let lost = found.firstLostSync { precondition((0..<source.size).contains(lost)) }
    }

    private static func sidecar(_ input: [UInt8]) {
        guard let found = SidecarReading.read(input) else { return }
        check(found.positions)
        check(Track.thinned(found.positions, to: 7))
        precondition(Track.thinned(found.positions, to: 7).count == min(7, found.positions.count))
    }

    /// Of a file that is whole in memory, what is found can be held against every byte.
    private static func zeros(_ source: ByteSource, _ input: [UInt8]) {
        let tail = ZeroSearch.tail(source, least: 1)
        check(tail.map { [$0] } ?? [], within: source.size)
        precondition(tail.map { $0.end == source.size } ?? true)
        let spans = [ByteSpan(offset: 0, length: source.size), ByteSpan(offset: 5, length: .max - 5)]
        let holes = ZeroSearch.holes(source, in: spans, samples: 16)
        check(holes, within: source.size)
        guard source.size == Int64(input.count), input.count <= 1 << 20 else { return }
        let zeroBytes = input.reversed().prefix { $0 == 0 }.count
        precondition(zeroBytes == Int(tail?.length ?? 0))
        for hole in holes where hole.length <= 8 << 10 {
            precondition(input[Int(hole.offset)..<Int(hole.end)].allSatisfy { $0 == 0 })
        }
    }
}
