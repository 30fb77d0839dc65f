extension WallTime {
    /// RFC 3339 text in a zone `offsetSeconds` east of UTC; with milliseconds only where they are not 0.
    package func rfc3339(offsetSeconds: Int = 0) -> String {
        let time = CalendarTime(self, offsetSeconds: offsetSeconds)
        let milliseconds = Int(millisecondsSince1970 - millisecondsSince1970.flooredDivision(by: 1000) * 1000)
        let date = "\(padded(time.year, 4))-\(padded(time.month, 2))-\(padded(time.day, 2))"
        let clock = "\(padded(time.hour, 2)):\(padded(time.minute, 2)):\(padded(time.second, 2))"
        let fraction = milliseconds == 0 ? "" : "." + padded(milliseconds, 3)
        return "\(date)T\(clock)\(fraction)\(offsetSeconds == 0 ? "Z" : zone(offsetSeconds))"
    }

    private func zone(_ offsetSeconds: Int) -> String {
        let minutes = abs(offsetSeconds) / 60
        return "\(offsetSeconds < 0 ? "-" : "+")\(padded(minutes / 60, 2)):\(padded(minutes % 60, 2))"
    }

    private func padded(_ number: Int, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    /// Reads RFC 3339 text, `2026-11-22T09:30:00.5+08:00`; a lone date means its first second. Where the text has no
    /// offset, `assumedOffsetSeconds` is it. Nothing when the text is no such time.
    package init?(rfc3339 text: some StringProtocol, assumedOffsetSeconds: Int = 0) {
        guard let match = text.description.wholeMatch(of: Self.pattern) else { return nil }
        func number(_ part: Substring?) -> Int { part.flatMap { Int($0) } ?? 0 }
        let parts = match.output
        guard
            let time = CalendarTime(
                year: number(parts.1), month: number(parts.2), day: number(parts.3), hour: number(parts.4),
                minute: number(parts.5), second: number(parts.6))
        else { return nil }
        let milliseconds = parts.7.flatMap { Double("0." + $0) }.map { Int64($0 * 1000) } ?? 0
        let whole = time.wallTime(offsetSeconds: parts.8.map(Self.offset) ?? assumedOffsetSeconds)
        self.init(millisecondsSince1970: whole.millisecondsSince1970 + milliseconds)
    }

    private static var pattern:
        Regex<(Substring, Substring, Substring, Substring, Substring?, Substring?, Substring?, Substring?, Substring?)>
    {
        /(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)?)?/
    }

    private static func offset(_ zone: Substring) -> Int {
        guard zone.count == 6, let hours = Int(zone.dropFirst().prefix(2)), let minutes = Int(zone.suffix(2)) else {
            return 0
        }
        return (zone.first == "-" ? -1 : 1) * (hours * 3600 + minutes * 60)
    }
}
