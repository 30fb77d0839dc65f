import EvidenceModel

/// Sentences of a satellite receiver (NMEA 0183, RMC and GGA of any talker), among lines that may be anything.
struct NMEATrack {
    private var positions: [GeoPoint] = []
    private var startedAt: WallTime?
    private var date: (year: Int, month: Int, day: Int)?
    /// The time of day of the last position: RMC and GGA of one fix become one place.
    private var lastTime: ArraySlice<UInt8>?

    private static let linesBeforeGivingUp = 64
    private static let mostFields = 24

    static func read(_ bytes: ArraySlice<UInt8>) -> SidecarReading? {
        var (track, lines, sentences) = (NMEATrack(), 0, 0)
        for line in TextLines(bytes) {
            lines += 1
            if lines > linesBeforeGivingUp, sentences == 0 { return nil }
            if track.positions.count == SidecarReading.mostPositions { break }
            if let fields = fields(line), track.read(fields) { sentences += 1 }
        }
        guard sentences > 0 else { return nil }
        return SidecarReading(form: .nmea, positions: track.positions, startedAt: track.startedAt)
    }

    /// The fields of the sentence in a line, its name first; nothing where there is none, or its check value disagrees.
    private static func fields(_ line: ArraySlice<UInt8>) -> [ArraySlice<UInt8>]? {
        guard let start = line.firstIndex(of: UInt8(ascii: "$")) else { return nil }
        let sentence = line[(start + 1)...]
        let body = sentence.prefix { $0 != UInt8(ascii: "*") }
        if body.endIndex < sentence.endIndex {
            // Two hexadecimal digits: the exclusive or of everything between "$" and "*".
            let digits = String(decoding: sentence[body.endIndex...].dropFirst().prefix(2), as: UTF8.self)
            guard UInt8(digits, radix: 16) == body.reduce(0, ^) else { return nil }
        }
        let fields = body.split(separator: UInt8(ascii: ","), maxSplits: mostFields, omittingEmptySubsequences: false)
        return fields[0].count == 5 ? fields : nil
    }

    /// - Returns: whether it is a sentence of the two kinds, with a fix or without.
    private mutating func read(_ fields: [ArraySlice<UInt8>]) -> Bool {
        let kind = fields[0].suffix(3)
        if kind.elementsEqual("RMC".utf8), fields.count >= 10 {
            readMinimum(fields)
            return true
        }
        if kind.elementsEqual("GGA".utf8), fields.count >= 10 {
            readFix(fields)
            return true
        }
        return false
    }

    /// RMC: time, status, latitude, longitude, speed, course, date.
    private mutating func readMinimum(_ fields: [ArraySlice<UInt8>]) {
        // Status V: the receiver warns, its place and often its date are not to be had.
        guard fields[2].elementsEqual("A".utf8) else { return }
        var scanner = TextScanner(fields[9])
        if let day = scanner.number(2), let month = scanner.number(2), let year = scanner.number(2) {
            date = (year < 80 ? 2000 + year : 1900 + year, month, day)
        }
        let moment = moment(fields[1])
        if startedAt == nil { startedAt = moment }
        add(Self.place(fields[3...6]), nil, moment, fields[1])
    }

    /// GGA: time, latitude, longitude, quality, satellites, dilution, altitude.
    private mutating func readFix(_ fields: [ArraySlice<UInt8>]) {
        guard !fields[6].isEmpty, !fields[6].elementsEqual("0".utf8) else { return }
        var scanner = TextScanner(fields[9])
        add(Self.place(fields[2...5]), scanner.decimal(), moment(fields[1]), fields[1])
    }

    private mutating func add(
        _ place: (latitude: Double, longitude: Double)?, _ altitude: Double?, _ moment: WallTime?,
        _ time: ArraySlice<UInt8>
    ) {
        guard let place else { return }
        let isSame = lastTime.map { !time.isEmpty && $0.elementsEqual(time) } ?? false
        let before = isSame ? positions.last : nil
        let point = GeoPoint(
            latitude: place.latitude, longitude: place.longitude, altitudeMetres: altitude ?? before?.altitudeMetres,
            at: moment ?? before?.at)
        guard let point else { return }
        if before != nil { positions.removeLast() }
        positions.append(point)
        lastTime = time
    }

    /// `hhmmss.ss` of the day of the last RMC.
    private func moment(_ field: ArraySlice<UInt8>) -> WallTime? {
        var scanner = TextScanner(field)
        guard let date, let hour = scanner.number(2), let minute = scanner.number(2), let second = scanner.number(2),
            let time = CalendarTime(
                year: date.year, month: date.month, day: date.day, hour: hour, minute: minute, second: second)
        else { return nil }
        let fraction = scanner.take(".") ? scanner.digits() : []
        return time.wallTime(offsetSeconds: 0).adding(seconds: TextScanner.decimal([], fraction))
    }

    /// `llll.ll`, N or S, `yyyyy.yy`, E or W.
    private static func place(_ fields: ArraySlice<ArraySlice<UInt8>>) -> (latitude: Double, longitude: Double)? {
        let fields = Array(fields)
        guard fields.count == 4, let latitude = angle(fields[0], degreeDigits: 2),
            let longitude = angle(fields[2], degreeDigits: 3), let north = fields[1].first, let east = fields[3].first,
            "NS".utf8.contains(north), "EW".utf8.contains(east)
        else { return nil }
        return (
            north == UInt8(ascii: "S") ? -latitude : latitude, east == UInt8(ascii: "W") ? -longitude : longitude
        )
    }

    /// Degrees and minutes without a mark between them.
    private static func angle(_ field: ArraySlice<UInt8>, degreeDigits: Int) -> Double? {
        var scanner = TextScanner(field)
        guard let degrees = scanner.number(degreeDigits), let minutes = scanner.decimal(), (0..<60).contains(minutes),
            scanner.isAtEnd
        else { return nil }
        return Double(degrees) + minutes / 60
    }
}
