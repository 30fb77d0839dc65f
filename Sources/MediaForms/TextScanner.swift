import EvidenceModel

/// Reads numbers and fixed text from the front of bytes; what does not match is left where it is.
struct TextScanner {
    private(set) var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    var isAtEnd: Bool { rest.isEmpty }

    /// A byte that stands next.
    mutating func take(_ byte: Unicode.Scalar) -> Bool {
        guard let value = UInt8(exactly: byte.value), rest.first == value else { return false }
        rest = rest.dropFirst()
        return true
    }

    mutating func take(anyOf bytes: StaticString) -> UInt8? {
        guard let first = rest.first, bytes.withUTF8Buffer({ $0.contains(first) }) else { return nil }
        rest = rest.dropFirst()
        return first
    }

    mutating func skipBlanks() { rest = rest.drop { $0 == 0x20 || $0 == 0x09 } }

    /// The digits that stand next, 18 at most.
    mutating func digits() -> ArraySlice<UInt8> {
        let found = rest.prefix { (0x30...0x39).contains($0) }.prefix(18)
        rest = rest.dropFirst(found.count)
        return found
    }

    /// A number of exactly `width` digits.
    mutating func number(_ width: Int) -> Int? {
        let found = rest.prefix(width)
        guard found.count == width, found.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        rest = rest.dropFirst(width)
        return Self.value(found)
    }

    /// A decimal number: sign, digits, fraction; no exponent.
    mutating func decimal() -> Double? {
        let before = rest
        let sign = take(anyOf: "+-")
        let whole = digits()
        let fraction = take(".") ? digits() : []
        guard !whole.isEmpty || !fraction.isEmpty else {
            rest = before
            return nil
        }
        // Digits of no weight are passed over, so that the next thing is behind the number.
        rest = rest.drop { (0x30...0x39).contains($0) }
        let value = Self.decimal(whole, fraction)
        return sign == UInt8(ascii: "-") ? -value : value
    }

    /// At most 18 digits.
    static func value(_ digits: ArraySlice<UInt8>) -> Int { digits.reduce(0) { $0 &* 10 &+ Int($1 &- 0x30) } }

    static func decimal(_ whole: ArraySlice<UInt8>, _ fraction: ArraySlice<UInt8>) -> Double {
        let text = String(decoding: whole, as: UTF8.self) + "." + String(decoding: fraction, as: UTF8.self) + "0"
        return Double("0" + text) ?? 0
    }

    /// Year, month and day with `separator` between them.
    mutating func date(_ separators: StaticString) -> (year: Int, month: Int, day: Int)? {
        let before = rest
        guard let year = number(4), take(anyOf: separators) != nil, let month = number(2),
            take(anyOf: separators) != nil, let day = number(2)
        else {
            rest = before
            return nil
        }
        return (year, month, day)
    }

    /// Hour, minute, second with ":" between them.
    mutating func clock() -> (hour: Int, minute: Int, second: Int)? {
        let before = rest
        guard let hour = number(2), take(":"), let minute = number(2), take(":"), let second = number(2) else {
            rest = before
            return nil
        }
        return (hour, minute, second)
    }

    /// RFC 3339 with any offset; no offset counts as UTC, which is what GPX means. Quicker than a regular expression:
    /// a track has a hundred thousand of them.
    mutating func moment() -> WallTime? {
        guard let date = date("-"), take(anyOf: "Tt ") != nil, let clock = clock(),
            let time = CalendarTime(
                year: date.year, month: date.month, day: date.day, hour: clock.hour, minute: clock.minute,
                second: clock.second)
        else { return nil }
        var milliseconds: Int64 = 0
        if take(".") {
            let fraction = digits()
            milliseconds = Int64(Self.decimal([], fraction) * 1000)
        }
        var offset = 0
        if let sign = take(anyOf: "+-") {
            let hours = number(2)
            _ = take(":")
            guard let hours, let minutes = number(2), hours < 24, minutes < 60 else { return nil }
            offset = (sign == UInt8(ascii: "-") ? -1 : 1) * (hours * 3600 + minutes * 60)
        }
        let whole = time.wallTime(offsetSeconds: offset)
        return WallTime(millisecondsSince1970: whole.millisecondsSince1970 + milliseconds)
    }
}
