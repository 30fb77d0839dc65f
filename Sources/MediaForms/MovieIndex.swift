/// What this module needs of a `moov` box (ISO/IEC 14496-12, 8.2 to 8.8).
struct MovieIndex: Sendable, Hashable {
    struct TrackDefaults: Sendable, Hashable {
        /// Units a second (`mdhd`, 8.4.2).
        var timescale: UInt32?
        /// In those units, from `trex` (8.8.3).
        var sampleDuration: UInt32 = 0
        /// Bytes, from `trex`.
        var sampleSize: UInt32 = 0
    }

    /// By track id. More than `mostTracks` are left out.
    private(set) var tracks: [UInt32: TrackDefaults] = [:]
    private(set) var isEncrypted = false

    private static let mostTracks = 256
    /// Types of sample entries whose samples are encrypted (8.12, and ISO/IEC 23001-7).
    private static let encryptedEntries: Set<String> = ["encv", "enca", "enct", "encs", "encm", "drms", "drmi"]

    init() {}

    /// - Parameter bytes: the payload of a `moov`; where it is cut, what is there counts.
    init(_ bytes: [UInt8]) {
        for box in BoxList(bytes, 0..<bytes.count) {
            switch box.type {
            case "trak": readTrack(bytes, box.payload)
            case "mvex": readExtends(bytes, box.payload)
            case "pssh": isEncrypted = true
            default: break
            }
        }
    }

    private mutating func readTrack(_ bytes: [UInt8], _ range: Range<Int>) {
        var (id, timescale): (UInt32?, UInt32?) = (nil, nil)
        for box in BoxList(bytes, range) {
            switch box.type {
            case "tkhd": id = Self.field(bytes, box.payload, short: 12, long: 20)
            case "mdia":
                for inner in BoxList(bytes, box.payload) {
                    if inner.type == "mdhd" { timescale = Self.field(bytes, inner.payload, short: 12, long: 20) }
                    if inner.type == "minf" { readSampleEntries(bytes, inner.payload) }
                }
            default: break
            }
        }
        guard let id, tracks.count < Self.mostTracks || tracks[id] != nil else { return }
        tracks[id, default: TrackDefaults()].timescale = timescale
    }

    /// A number of 32 bits at one of two places, by the version of a full box.
    private static func field(_ bytes: [UInt8], _ range: Range<Int>, short: Int, long: Int) -> UInt32? {
        guard let version = bytes.big(range.lowerBound, 1) else { return nil }
        let index = range.lowerBound + (version == 1 ? long : short)
        guard index + 4 <= range.upperBound else { return nil }
        return bytes.big(index, 4).map { UInt32(truncatingIfNeeded: $0) }
    }

    /// `stbl`/`stsd` (8.5.2) below `minf`.
    private mutating func readSampleEntries(_ bytes: [UInt8], _ range: Range<Int>) {
        for table in BoxList(bytes, range) where table.type == "stbl" {
            for box in BoxList(bytes, table.payload) where box.type == "stsd" && box.payload.count >= 8 {
                let entries = (box.payload.lowerBound + 8)..<box.payload.upperBound
                if BoxList(bytes, entries).contains(where: { Self.encryptedEntries.contains($0.type) }) {
                    isEncrypted = true
                }
            }
        }
    }

    private mutating func readExtends(_ bytes: [UInt8], _ range: Range<Int>) {
        for box in BoxList(bytes, range) where box.type == "trex" && box.payload.count >= 20 {
            let start = box.payload.lowerBound
            guard let id = bytes.big(start + 4, 4).map({ UInt32(truncatingIfNeeded: $0) }),
                let duration = bytes.big(start + 12, 4), let size = bytes.big(start + 16, 4),
                tracks.count < Self.mostTracks || tracks[id] != nil
            else { continue }
            tracks[id, default: TrackDefaults()].sampleDuration = UInt32(truncatingIfNeeded: duration)
            tracks[id, default: TrackDefaults()].sampleSize = UInt32(truncatingIfNeeded: size)
        }
    }
}
