package import EvidenceModel

/// What a photo says of its making (CIPA DC-008, Exif 2.32). Tags are given as the standard numbers them.
package struct ExifReading: Sendable, Hashable {
    package var make: String?
    package var model: String?
    /// RFC 3339, by the camera's clock; with an offset only where the camera wrote one.
    package var creationTime: String?
    package var position: GeoPoint?
    /// Degrees clockwise by which the picture is to be turned: 90, 180 or 270; none where it stands upright.
    package var rotationDegrees: Int?

    /// Nothing where the bytes hold no Exif entry.
    /// - Parameter exif: from "Exif\0\0" on.
    package static func read(_ exif: [UInt8]) -> ExifReading? {
        guard exif.holds("Exif\0\0"), let entries = ExifEntries(exif) else { return nil }
        var reading = ExifReading()
        reading.make = entries.text(.image, 0x010F)
        reading.model = entries.text(.image, 0x0110)
        reading.creationTime = creationTime(entries)
        reading.position = position(entries)
        reading.rotationDegrees = entries.unsigned(.image, 0x0112).flatMap { rotations[$0] }
        return reading
    }

    package init() {}

    /// Orientation (4.6.4 A); mirrored pictures come from no camera.
    private static let rotations: [UInt64: Int] = [3: 180, 6: 90, 8: 270]

    /// DateTimeOriginal, DateTimeDigitized, DateTime, each with its parts of a second and its offset: the first that is
    /// a time (4.6.5 F). Cameras without a clock write blanks or zeros.
    private static func creationTime(_ entries: borrowing ExifEntries) -> String? {
        let original = time(entries.text(.exif, 0x9003), entries.text(.exif, 0x9291), entries.text(.exif, 0x9011))
        if let original { return original }
        let digitized = time(entries.text(.exif, 0x9004), entries.text(.exif, 0x9292), entries.text(.exif, 0x9012))
        if let digitized { return digitized }
        return time(entries.text(.image, 0x0132), entries.text(.exif, 0x9290), entries.text(.exif, 0x9010))
    }

    /// `2026:11:22 09:30:00`, `123`, `+08:00`.
    private static func time(_ text: String?, _ fraction: String?, _ offset: String?) -> String? {
        guard let text else { return nil }
        var scanner = TextScanner(Array(text.utf8)[...])
        // Some cameras write the date as ISO 8601 has it.
        guard let date = scanner.date(":-/"), scanner.take(anyOf: " T") != nil, let clock = scanner.clock(),
            let moment = CalendarTime(
                year: date.year, month: date.month, day: date.day, hour: clock.hour, minute: clock.minute,
                second: clock.second)
        else { return nil }
        let parts = fraction.map { $0.utf8.prefix(9) } ?? "".utf8.prefix(0)
        let digits = parts.allSatisfy { (0x30...0x39).contains($0) } ? String(decoding: parts, as: UTF8.self) : ""
        return moment.text + (digits.isEmpty ? "" : "." + digits) + (offset.flatMap(zone) ?? "")
    }

    /// `+08:00`, or nothing where it is no offset that RFC 3339 has.
    private static func zone(_ text: String) -> String? {
        var scanner = TextScanner(Array(text.utf8)[...])
        if scanner.take("Z") { return "Z" }
        guard scanner.take(anyOf: "+-") != nil, let hours = scanner.number(2), scanner.take(":"),
            let minutes = scanner.number(2), scanner.isAtEnd, hours < 24, minutes < 60
        else { return nil }
        return text
    }

    /// The GPS directory (4.6.6): degrees, minutes and seconds with the half of the earth in a tag of its own.
    private static func position(_ entries: borrowing ExifEntries) -> GeoPoint? {
        guard let latitude = angle(entries, half: 0x0001, value: 0x0002, negative: "S", positive: "N"),
            let longitude = angle(entries, half: 0x0003, value: 0x0004, negative: "W", positive: "E")
        else { return nil }
        let isBelowSea = entries.unsigned(.gps, 0x0005) == 1
        let height = entries.rationals(.gps, 0x0006, count: 1)?.first
        return GeoPoint(
            latitude: latitude, longitude: longitude, altitudeMetres: height.map { isBelowSea ? -$0 : $0 },
            at: fixTime(entries))
    }

    private static func angle(
        _ entries: borrowing ExifEntries, half: UInt32, value: UInt32, negative: String, positive: String
    ) -> Double? {
        guard let parts = entries.rationals(.gps, value, count: 3), parts.allSatisfy({ $0 >= 0 }),
            let side = entries.text(.gps, half)?.prefix(1).uppercased(), side == negative || side == positive
        else { return nil }
        let degrees = parts[0] + parts[1] / 60 + parts[2] / 3600
        return side == negative ? -degrees : degrees
    }

    /// GPSDateStamp and GPSTimeStamp, which are UTC.
    private static func fixTime(_ entries: borrowing ExifEntries) -> WallTime? {
        guard let stamp = entries.text(.gps, 0x001D), let clock = entries.rationals(.gps, 0x0007, count: 3),
            clock.allSatisfy({ (0..<60).contains($0) })
        else { return nil }
        var scanner = TextScanner(Array(stamp.utf8)[...])
        guard let date = scanner.date(":-/") else { return nil }
        let time = CalendarTime(
            year: date.year, month: date.month, day: date.day, hour: Int(clock[0]), minute: Int(clock[1]),
            second: Int(clock[2]))
        return time?.wallTime(offsetSeconds: 0).adding(seconds: clock[2] - clock[2].rounded(.down))
    }
}

extension CalendarTime {
    /// RFC 3339 without an offset.
    fileprivate var text: String {
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let year = String(repeating: "0", count: max(0, 4 - String(year).count)) + String(year)
        return "\(year)-\(two(month))-\(two(day))T\(two(hour)):\(two(minute)):\(two(second))"
    }
}
