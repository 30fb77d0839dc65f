/// What the elements of a Matroska or WebM file say of its bytes (RFC 9559, RFC 8794).
///
/// Reads the first MiB and the last 4 MiB.
package struct MatroskaStructure: Sendable, Hashable {
    /// Bytes that a Segment of known size promises beyond the end of the file; 0 where there are none.
    package var missingBytes: Int64 = 0
    /// A track has a ContentEncoding of type 1, encryption (RFC 9559, 5.1.4.1.31).
    package var isEncrypted = false
    /// Seconds at which the last Cluster begins that is found in the last 4 MiB.
    package var lastClusterSeconds: Double?
    /// Seconds of the latest block in that cluster that lies in the file whole.
    package var lastBlockSeconds: Double?

    private static let headLength: Int64 = 1 << 20
    private static let tailLength: Int64 = 4 << 20
    private static let mostElements = 100_000

    package init() {}

    /// Nothing where the file does not begin with an EBML header that names `matroska` or `webm`.
    package static func walk(_ source: ByteSource) -> MatroskaStructure? {
        let head = source.bytes(at: 0, headLength)
        guard let start = EBMLElement(head, at: 0), start.id == ID.header, start.isWhole(head.count),
            EBMLList(head, in: start, limit: head.count).contains(where: { isDocType($0, head) })
        else { return nil }
        var found = MatroskaStructure()
        let place = start.end(head.count)
        guard let segment = EBMLElement(head, at: place), segment.id == ID.segment else { return found }
        if let length = segment.length {
            found.missingBytes = max(0, Int64(segment.payload).adding(clamped: length) - source.size)
        }
        let scale = found.readHead(head, segment)
        found.readTail(source, scale)
        return found
    }

    private static func isDocType(_ element: EBMLElement, _ bytes: [UInt8]) -> Bool {
        element.id == ID.docType
            && (bytes.holds("matroska", at: element.payload) || bytes.holds("webm", at: element.payload))
    }

    /// Info and Tracks, which stand before the first cluster; the nanoseconds of a tick.
    private mutating func readHead(_ head: [UInt8], _ segment: EBMLElement) -> UInt64 {
        var scale: UInt64 = 1_000_000
        for element in EBMLList(head, in: segment, limit: head.count).prefix(Self.mostElements) {
            switch element.id {
            case ID.info:
                for child in EBMLList(head, in: element, limit: head.count) where child.id == ID.timestampScale {
                    if let value = child.unsigned(head), value > 0 { scale = value }
                }
            case ID.tracks:
                isEncrypted = isEncrypted || Self.hasEncryption(head, element)
            case ID.cluster where element.length == nil:
                return scale
            default:
                break
            }
        }
        return scale
    }

    private static func hasEncryption(_ head: [UInt8], _ tracks: EBMLElement) -> Bool {
        /// Of every element named, one level below the other, the last one's number.
        func numbers(_ path: ArraySlice<UInt64>, _ element: EBMLElement) -> [UInt64] {
            guard let id = path.first else { return element.unsigned(head).map { [$0] } ?? [] }
            return EBMLList(head, in: element, limit: head.count).filter { $0.id == id }
                .flatMap { numbers(path.dropFirst(), $0) }
        }
        let path = [ID.trackEntry, ID.contentEncodings, ID.contentEncoding, ID.contentEncodingType]
        return numbers(path[...], tracks).contains(1)
    }

    private mutating func readTail(_ source: ByteSource, _ scale: UInt64) {
        let tail = source.bytes(at: max(0, source.size - Self.tailLength), Self.tailLength)
        guard let (cluster, ticks) = Self.lastCluster(tail) else { return }
        let seconds = Double(scale) / 1e9
        lastClusterSeconds = Double(ticks) * seconds
        var latest: Int?
        for element in EBMLList(tail, in: cluster, limit: tail.count) {
            // In a cluster of unknown size, the next of the same level ends it (RFC 8794, 6.2).
            if element.id == ID.cluster || element.id == ID.cues || element.id == ID.tags { break }
            guard element.isWhole(tail.count) else { continue }
            if element.id == ID.simpleBlock, let time = Self.relativeTime(tail, element) {
                latest = max(latest ?? time, time)
            } else if element.id == ID.blockGroup {
                for block in EBMLList(tail, in: element, limit: tail.count) where block.id == ID.block {
                    if let time = Self.relativeTime(tail, block) { latest = max(latest ?? time, time) }
                }
            }
        }
        lastBlockSeconds = latest.map { (Double(ticks) + Double($0)) * seconds }
    }

    /// The last place at which a cluster's id stands and its Timestamp follows, behind a check value at most: the id
    /// may stand in a picture by chance.
    private static func lastCluster(_ tail: [UInt8]) -> (EBMLElement, ticks: UInt64)? {
        var index = tail.count - 4
        while index >= 0 {
            if tail[index] == 0x1F, tail.big(index, 4) == ID.cluster, let cluster = EBMLElement(tail, at: index) {
                for child in EBMLList(tail, in: cluster, limit: tail.count).prefix(3) {
                    if child.id == ID.timestamp, let ticks = child.unsigned(tail) { return (cluster, ticks) }
                    if child.id != ID.checksum, child.id != ID.void { break }
                }
            }
            index -= 1
        }
        return nil
    }

    /// Ticks behind the cluster's: a signed number of 16 bits behind the track's number (RFC 9559, 10.1).
    private static func relativeTime(_ bytes: [UInt8], _ block: EBMLElement) -> Int? {
        guard let (_, width) = EBMLElement.number(bytes, block.payload, keepsMarker: false, widest: 8),
            let ticks = bytes.big(block.payload + width, 2)
        else { return nil }
        return Int(Int16(truncatingIfNeeded: ticks))
    }

    /// RFC 9559, 5.1, and RFC 8794, 11.
    private enum ID {
        static let header: UInt64 = 0x1A45_DFA3, docType: UInt64 = 0x4282
        static let segment: UInt64 = 0x1853_8067, info: UInt64 = 0x1549_A966, timestampScale: UInt64 = 0x2AD7B1
        static let tracks: UInt64 = 0x1654_AE6B, trackEntry: UInt64 = 0xAE, contentEncodings: UInt64 = 0x6D80
        static let contentEncoding: UInt64 = 0x6240, contentEncodingType: UInt64 = 0x5033
        static let cluster: UInt64 = 0x1F43_B675, timestamp: UInt64 = 0xE7, simpleBlock: UInt64 = 0xA3
        static let blockGroup: UInt64 = 0xA0, block: UInt64 = 0xA1
        static let cues: UInt64 = 0x1C53_BB6B, tags: UInt64 = 0x1254_C367
        static let checksum: UInt64 = 0xBF, void: UInt64 = 0xEC
    }
}
