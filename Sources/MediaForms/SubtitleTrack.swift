import EvidenceModel

/// Subtitles (SubRip) into which a drone or a dash camera writes where it is, and when.
struct SubtitleTrack {
    private var positions: [GeoPoint] = []
    private var localStart: CalendarTime?
    /// Seconds from the beginning at which the current cue appears.
    private var cueStart = 0.0

    /// Date and time count from the first lines only: later ones would be the same clock, later.
    private static let linesWithStart = 64

    static func read(_ bytes: ArraySlice<UInt8>) -> SidecarReading? {
        var lines = TextLines(bytes)
        var first = lines.next()
        while let line = first, line.allSatisfy({ $0 == 0x20 }) { first = lines.next() }
        // The number of the first cue, then its times.
        guard let first, isNumber(first), let times = lines.next(), let start = cueTime(times) else { return nil }
        var track = SubtitleTrack(cueStart: start)
        var count = 2
        while let line = lines.next(), track.positions.count < SidecarReading.mostPositions {
            count += 1
            if let start = cueTime(line) {
                track.cueStart = start
                continue
            }
            if track.localStart == nil, count <= linesWithStart { track.findStart(line) }
            if let point = point(line) { track.positions.append(point) }
        }
        return SidecarReading(form: .srt, positions: track.positions, localStart: track.localStart)
    }

    private init(cueStart: Double) { self.cueStart = cueStart }

    private static func isNumber(_ line: ArraySlice<UInt8>) -> Bool {
        var scanner = TextScanner(line)
        let digits = scanner.digits()
        scanner.skipBlanks()
        return !digits.isEmpty && scanner.isAtEnd
    }

    /// Seconds of the left side of `00:00:00,000 --> 00:00:01,000`.
    private static func cueTime(_ line: ArraySlice<UInt8>) -> Double? {
        var scanner = TextScanner(line)
        scanner.skipBlanks()
        guard let clock = scanner.clock(), scanner.take(anyOf: ",.") != nil, let thousandths = scanner.number(3) else {
            return nil
        }
        scanner.skipBlanks()
        guard scanner.take("-"), scanner.take("-"), scanner.take(">") else { return nil }
        return Double(clock.hour * 3600 + clock.minute * 60 + clock.second) + Double(thousandths) / 1000
    }

    /// `2026-11-22 09:30:00` anywhere in the line, also with "/" or ".": less the time at which the cue appears.
    private mutating func findStart(_ line: ArraySlice<UInt8>) {
        for index in line.indices where (0x31...0x39).contains(line[index]) {
            var scanner = TextScanner(line[index...])
            guard let date = scanner.date("-/."), scanner.take(anyOf: " T_") != nil, let clock = scanner.clock(),
                let time = CalendarTime(
                    year: date.year, month: date.month, day: date.day, hour: clock.hour, minute: clock.minute,
                    second: clock.second)
            else { continue }
            let start = time.wallTime(offsetSeconds: 0).adding(seconds: -cueStart.rounded(.down))
            let first = CalendarTime(start, offsetSeconds: 0)
            // Before the year 1 there is no calendar.
            if first.year >= 1 { localStart = first }
            return
        }
    }

    private static func point(_ line: ArraySlice<UInt8>) -> GeoPoint? {
        bracketed(line) ?? called(line) ?? lettered(line)
    }

    /// `[latitude: 34.3] [longitude: 107.2] [altitude: 20.1]`; one maker spells it "longtitude", another writes
    /// `[rel_alt: 1.3 abs_alt: 122.1]`.
    private static func bracketed(_ line: ArraySlice<UInt8>) -> GeoPoint? {
        guard let latitude = number(behind: "latitude", line),
            let longitude = number(behind: "longitude", line) ?? number(behind: "longtitude", line)
        else { return nil }
        let altitude = number(behind: "abs_alt", line) ?? number(behind: "[altitude", line)
        return GeoPoint(latitude: latitude, longitude: longitude, altitudeMetres: altitude)
    }

    /// `GPS(107.2,34.3,15)`: longitude first, and the third number is satellites on one model and metres on another.
    /// Where the second cannot be a latitude, the first is.
    private static func called(_ line: ArraySlice<UInt8>) -> GeoPoint? {
        guard let start = end(of: "GPS", in: line) else { return nil }
        var scanner = TextScanner(line[start...])
        scanner.skipBlanks()
        guard scanner.take("(") else { return nil }
        scanner.skipBlanks()
        guard let first = scanner.decimal(), scanner.take(",") else { return nil }
        scanner.skipBlanks()
        guard let second = scanner.decimal() else { return nil }
        return abs(second) > 90
            ? GeoPoint(latitude: first, longitude: second) : GeoPoint(latitude: second, longitude: first)
    }

    /// `N:34.36 E:107.23`, or with S and W.
    private static func lettered(_ line: ArraySlice<UInt8>) -> GeoPoint? {
        let latitude = number(behind: "N", line) ?? number(behind: "S", line).map { -$0 }
        let longitude = number(behind: "E", line) ?? number(behind: "W", line).map { -$0 }
        guard let latitude, let longitude else { return nil }
        return GeoPoint(latitude: latitude, longitude: longitude)
    }

    /// The number behind the name and ":", the first time both stand together.
    private static func number(behind name: StaticString, _ line: ArraySlice<UInt8>) -> Double? {
        var rest = line
        while let place = end(of: name, in: rest) {
            var scanner = TextScanner(rest[place...])
            scanner.skipBlanks()
            if scanner.take(":") {
                scanner.skipBlanks()
                if let value = scanner.decimal() { return value }
            }
            rest = rest[place...]
        }
        return nil
    }

    /// The place behind the first `text`, which begins no earlier than a word does.
    private static func end(of text: StaticString, in line: ArraySlice<UInt8>) -> Int? {
        text.withUTF8Buffer { name in
            var index = line.startIndex
            while index <= line.endIndex - name.count {
                let follows = index > line.startIndex && isLetter(line[index - 1])
                if !follows, line[index..<index + name.count].elementsEqual(name) { return index + name.count }
                index += 1
            }
            return nil
        }
    }

    private static func isLetter(_ byte: UInt8) -> Bool { (0x41...0x5A).contains(byte & 0xDF) || byte == 0x5F }
}
