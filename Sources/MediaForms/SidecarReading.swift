package import EvidenceModel

/// What a file beside a recording says of places and times: a GPX track, sentences of a receiver, subtitles of a drone
/// or a dash camera. Recognised by its content alone.
package struct SidecarReading: Sendable, Hashable {
    package enum Form: String, Sendable, Hashable, CaseIterable {
        case gpx, nmea, srt
    }

    package var form: Form
    /// In the file's order, at most 100,000.
    package var positions: [GeoPoint]
    /// UTC: of the first point of a GPX track, or of the first fix in the sentences, that has a time.
    package var startedAt: WallTime?
    /// By the camera's clock, whose zone the file does not tell: subtitles that carry date and time.
    package var localStart: CalendarTime?

    static let mostPositions = 100_000

    package init(
        form: Form, positions: [GeoPoint] = [], startedAt: WallTime? = nil, localStart: CalendarTime? = nil
    ) {
        self.form = form
        self.positions = positions
        self.startedAt = startedAt
        self.localStart = localStart
    }

    /// Nothing where the bytes are none of the three.
    package static func read(_ bytes: [UInt8]) -> SidecarReading? {
        // A byte order mark before UTF-8 is common on cards written for Windows.
        let text = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? bytes[3...] : bytes[...]
        return GPXTrack.read(text) ?? SubtitleTrack.read(text) ?? NMEATrack.read(text)
    }
}

/// Lines without their ends (LF, CR LF, CR), one after the other; of a longer one, the first 1,024 bytes.
struct TextLines: Sequence, IteratorProtocol {
    private var rest: ArraySlice<UInt8>

    private static let longest = 1024

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    mutating func next() -> ArraySlice<UInt8>? {
        guard !rest.isEmpty else { return nil }
        let end = rest.firstIndex { $0 == 0x0A || $0 == 0x0D } ?? rest.endIndex
        let line = rest[..<end]
        var next = end
        if next < rest.endIndex { next += 1 }
        if end < rest.endIndex, rest[end] == 0x0D, next < rest.endIndex, rest[next] == 0x0A { next += 1 }
        rest = rest[next...]
        return line.prefix(Self.longest)
    }
}
