/// Names of objects in a target. They are chosen once, when the recording is described, and never change.
package enum ObjectKey {
    /// `recordings/<station>/<YYYY>/<MM>/<DD>/<device>/<id>/<file name>`; `unknown` where date or device are not known.
    ///
    /// - Parameter offsetSeconds: the station's zone, east of UTC, for the date.
    package static func recording(
        station: String, startedAt: WallTime?, offsetSeconds: Int, device: String?, id: RecordingID, fileName: RawPath
    ) -> String {
        let date =
            startedAt.map { folders(CalendarTime($0, offsetSeconds: offsetSeconds)) }
            ?? Array(repeating: unknown, count: 3)
        let owner = device.map { component(RawPath($0)) } ?? unknown
        return (["recordings", station] + date + [owner, id.text, component(fileName)]).joined(separator: "/")
    }

    private static let unknown = "unknown"

    private static func folders(_ date: CalendarTime) -> [String] {
        [date.year.padded(4), date.month.padded(2), date.day.padded(2)]
    }

    /// Bytes in one component: NAME_MAX of Linux, so that a directory can hold every key.
    private static let longest = 255

    /// One component: ASCII letters, digits, `.`, `_`, `-` and other scripts' letters stay, every other byte becomes
    /// `%XX`. A component that would be too long loses its middle and keeps its ending; `.` and `..` are encoded whole.
    package static func component(_ name: RawPath) -> String {
        if name.bytes == [46] { return "%2E" }
        if name.bytes == [46, 46] { return "%2E%2E" }
        let pieces = name.text.map { $0.unicodeScalars.map(encode) } ?? name.bytes.map { encode(byte: $0) }
        if pieces.isEmpty { return unknown }
        return shortened(pieces)
    }

    private static func encode(_ scalar: Unicode.Scalar) -> String {
        if scalar.isASCII { return encode(byte: UInt8(scalar.value)) }
        if scalar.properties.isAlphabetic { return String(scalar) }
        return String(scalar).utf8.map { percent($0) }.joined()
    }

    private static func encode(byte: UInt8) -> String {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
            String(Unicode.Scalar(byte))
        default: percent(byte)
        }
    }

    private static func percent(_ byte: UInt8) -> String { "%" + Hexadecimal.encode([byte]).uppercased() }

    private static func shortened(_ pieces: [String]) -> String {
        guard pieces.reduce(0, { $0 + $1.utf8.count }) > longest else { return pieces.joined() }
        let ending = fitting(pieces.reversed(), bytes: 32).reversed().joined()
        let beginning = fitting(pieces, bytes: longest - 33).joined()
        return beginning + "_" + ending
    }

    private static func fitting(_ pieces: some Sequence<String>, bytes: Int) -> [String] {
        var left = bytes
        return Array(
            pieces.prefix { piece in
                left -= piece.utf8.count
                return left >= 0
            })
    }
}
