package import EvidenceModel

/// Places as text (ISO 6709:2008, annex H): `+34.3625+107.2370+615.000/`, degrees with minutes and seconds too.
package enum ISO6709 {
    /// Longer text is no place.
    private static let longest = 128

    package static func point(_ text: String) -> GeoPoint? {
        let bytes = Array(text.utf8.prefix(longest + 1))
        guard bytes.count <= longest else { return nil }
        let trimmed = bytes.drop { $0 == 0x20 }
        var scanner = TextScanner(trimmed)
        guard let latitude = angle(&scanner, degreeDigits: 2), let longitude = angle(&scanner, degreeDigits: 3) else {
            return nil
        }
        var altitude: Double?
        if let first = scanner.rest.first, first == UInt8(ascii: "+") || first == UInt8(ascii: "-") {
            guard let value = scanner.decimal() else { return nil }
            altitude = value
        }
        // The name of the reference system may follow, then "/". Some cameras leave both out.
        let end = scanner.rest.drop { $0 == 0x20 || $0 == 0 }
        guard end.isEmpty || end.starts(with: "CRS".utf8) || end.first == UInt8(ascii: "/") else { return nil }
        return GeoPoint(latitude: latitude, longitude: longitude, altitudeMetres: altitude)
    }

    /// Degrees: a sign, then as many digits as tell whether minutes and seconds follow the degrees without a mark.
    private static func angle(_ scanner: inout TextScanner, degreeDigits: Int) -> Double? {
        guard let sign = scanner.take(anyOf: "+-") else { return nil }
        let whole = scanner.digits()
        let fraction = scanner.take(".") ? scanner.digits() : []
        let value: Double
        switch whole.count - degreeDigits {
        case ...0 where !whole.isEmpty:
            value = TextScanner.decimal(whole, fraction)
        case 2:
            let minutes = TextScanner.decimal(whole.suffix(2), fraction)
            guard minutes < 60 else { return nil }
            value = Double(TextScanner.value(whole.prefix(degreeDigits))) + minutes / 60
        case 4:
            let minutes = TextScanner.value(whole.dropFirst(degreeDigits).prefix(2))
            let seconds = TextScanner.decimal(whole.suffix(2), fraction)
            guard minutes < 60, seconds < 60 else { return nil }
            let degrees = Double(TextScanner.value(whole.prefix(degreeDigits)))
            value = degrees + Double(minutes) / 60 + seconds / 3600
        default:
            return nil
        }
        return sign == UInt8(ascii: "-") ? -value : value
    }
}
