extension WallTime {
    /// RFC 3339 text in a zone `offsetSeconds` east of UTC; with milliseconds only where they are not 0.
    package func rfc3339(offsetSeconds: Int = 0) -> String {
        // The text has whole minutes of offset; zones had odd seconds until 1901 and later.
        let offset = offsetSeconds / 60 * 60
        let time = CalendarTime(self, offsetSeconds: offset)
        let remainder = Int(millisecondsSince1970 % 1000)
        let milliseconds = remainder < 0 ? remainder + 1000 : remainder
        let date = "\(time.year.padded(4))-\(time.month.padded(2))-\(time.day.padded(2))"
        let clock = "\(time.hour.padded(2)):\(time.minute.padded(2)):\(time.second.padded(2))"
        let fraction = milliseconds == 0 ? "" : "." + milliseconds.padded(3)
        return "\(date)T\(clock)\(fraction)\(offset == 0 ? "Z" : zone(offset))"
    }

    private func zone(_ offsetSeconds: Int) -> String {
        let minutes = abs(offsetSeconds) / 60
        return "\(offsetSeconds < 0 ? "-" : "+")\((minutes / 60).padded(2)):\((minutes % 60).padded(2))"
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
        guard let offset = parts.8.map(Self.offset) ?? assumedOffsetSeconds else { return nil }
        let milliseconds = parts.7.flatMap { Double("0." + $0) }.map { Int64($0 * 1000) } ?? 0
        let whole = time.wallTime(offsetSeconds: offset)
        self.init(millisecondsSince1970: whole.millisecondsSince1970 + milliseconds)
    }

    private static var pattern:
        Regex<(Substring, Substring, Substring, Substring, Substring?, Substring?, Substring?, Substring?, Substring?)>
    {
        /(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)?)?/.asciiOnlyDigits()
    }

    /// Nothing when it is more than RFC 3339 allows, 23:59.
    private static func offset(_ zone: Substring) -> Int? {
        guard zone.count == 6, let hours = Int(zone.dropFirst().prefix(2)), let minutes = Int(zone.suffix(2)) else {
            return 0
        }
        guard hours < 24, minutes < 60 else { return nil }
        return (zone.first == "-" ? -1 : 1) * (hours * 3600 + minutes * 60)
    }
}

extension Int {
    /// Decimal, with zeros in front up to `width` digits.
    func padded(_ width: Int) -> String {
        let digits = String(self)
        return String(repeating: "0", count: Swift.max(0, width - digits.count)) + digits
    }
}
