/// One `moof` (ISO/IEC 14496-12, 8.8.4 to 8.8.8): what it adds to each track, and up to where its samples reach.
struct MovieFragment: Sendable, Hashable {
    struct Run: Sendable, Hashable {
        var track: UInt32
        /// Decode time of the first sample, in the track's units; none without a `tfdt`.
        var start: Double?
        /// The sum of its samples' durations, in the track's units.
        var duration: Double
    }

    private(set) var runs: [Run] = []
    /// The byte behind the last sample, as the tables say.
    private(set) var dataEnd: Int64 = 0
    private(set) var isEncrypted = false

    private static let mostTracks = 256

    /// - Parameters:
    ///   - bytes: the payload of the box, whole.
    ///   - offset: of the box in the file.
    init(_ bytes: [UInt8], at offset: Int64, _ movie: MovieIndex) {
        var implicitBase = offset
        for box in BoxList(bytes, 0..<bytes.count) {
            if box.type == "pssh" { isEncrypted = true }
            guard box.type == "traf", runs.count < Self.mostTracks,
                let run = TrackRun(bytes, box.payload, moof: offset, implicitBase: implicitBase, movie)
            else { continue }
            runs.append(Run(track: run.track, start: run.start, duration: run.duration))
            implicitBase = run.position
            dataEnd = max(dataEnd, run.dataEnd)
        }
    }
}

/// One `traf`: header, decode time and the sums over its `trun` boxes.
private struct TrackRun {
    var track: UInt32 = 0
    var start: Double?
    var duration = 0.0
    var dataEnd: Int64 = 0
    /// Where samples of the next run lie when nothing else is said.
    var position: Int64 = 0
    private var base: Int64 = 0
    private var sampleDuration: UInt64 = 0
    private var sampleSize: UInt64 = 0

    /// Flags of `tfhd` (8.8.7) and `trun` (8.8.8).
    private enum Flag {
        static let baseOffset: UInt64 = 0x1, description: UInt64 = 0x2, baseIsMoof: UInt64 = 0x20000
        static let defaultDuration: UInt64 = 0x8, defaultSize: UInt64 = 0x10
        static let dataOffset: UInt64 = 0x1, firstFlags: UInt64 = 0x4
        static let duration: UInt64 = 0x100, size: UInt64 = 0x200, flags: UInt64 = 0x400, composition: UInt64 = 0x800
    }

    init?(_ bytes: [UInt8], _ range: Range<Int>, moof: Int64, implicitBase: Int64, _ movie: MovieIndex) {
        var hasHeader = false
        for box in BoxList(bytes, range) {
            let payload = Array(bytes[box.payload])
            switch box.type {
            case "tfhd":
                hasHeader = readHeader(payload, moof: moof, implicitBase: implicitBase, movie)
                position = base
            case "tfdt":
                start = payload.big(4, payload.first == 1 ? 8 : 4).map { Double($0) }
            case "trun" where hasHeader:
                readRun(payload)
            default: break
            }
        }
        guard hasHeader else { return nil }
    }

    private mutating func readHeader(
        _ bytes: [UInt8], moof: Int64, implicitBase: Int64, _ movie: MovieIndex
    ) -> Bool {
        guard let flags = bytes.big(1, 3), let id = bytes.big(4, 4) else { return false }
        track = UInt32(truncatingIfNeeded: id)
        let defaults = movie.tracks[track] ?? MovieIndex.TrackDefaults()
        (sampleDuration, sampleSize) = (UInt64(defaults.sampleDuration), UInt64(defaults.sampleSize))
        var index = 8
        base = flags & Flag.baseIsMoof != 0 ? moof : implicitBase
        if flags & Flag.baseOffset != 0 {
            guard let value = bytes.big(index, 8) else { return false }
            base = Int64(clamping: value)
            index += 8
        }
        if flags & Flag.description != 0 { index += 4 }
        if flags & Flag.defaultDuration != 0 {
            guard let value = bytes.big(index, 4) else { return false }
            sampleDuration = value
            index += 4
        }
        if flags & Flag.defaultSize != 0 {
            guard let value = bytes.big(index, 4) else { return false }
            sampleSize = value
        }
        return true
    }

    private mutating func readRun(_ bytes: [UInt8]) {
        guard let flags = bytes.big(1, 3), let count = bytes.big(4, 4) else { return }
        var index = 8
        if flags & Flag.dataOffset != 0 {
            guard let value = bytes.big(index, 4) else { return }
            // Counted from the base, and signed.
            position = base.addingClamped(Int64(Int32(truncatingIfNeeded: value)))
            index += 4
        }
        if flags & Flag.firstFlags != 0 { index += 4 }
        let columns = [Flag.duration, Flag.size, Flag.flags, Flag.composition].filter { flags & $0 != 0 }
        var sums = (duration: UInt64(0), size: UInt64(0))
        if columns.contains(Flag.duration) || columns.contains(Flag.size) {
            // A table that is shorter than its count is read as far as it goes.
            let rows = min(Int(count), max(0, bytes.count - index) / (4 * columns.count))
            for _ in 0..<rows {
                for column in columns {
                    let value = bytes.big(index, 4) ?? 0
                    if column == Flag.duration { sums.duration += value }
                    if column == Flag.size { sums.size += value }
                    index += 4
                }
            }
        }
        if !columns.contains(Flag.duration) { sums.duration = count * sampleDuration }
        if !columns.contains(Flag.size) { sums.size = count * sampleSize }
        duration += Double(sums.duration)
        position = position.adding(clamped: sums.size)
        dataEnd = max(dataEnd, position)
    }
}

extension Int64 {
    fileprivate func addingClamped(_ other: Int64) -> Int64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? (other < 0 ? .min : .max) : sum
    }
}
