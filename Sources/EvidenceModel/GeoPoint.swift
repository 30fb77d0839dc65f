/// A place on earth, and when the device was there, as a satellite receiver or a camera wrote it.
package struct GeoPoint: Sendable, Hashable, Codable {
    /// Degrees north of the equator, -90 to 90 (WGS 84).
    package let latitude: Double
    /// Degrees east of Greenwich, -180 to 180.
    package let longitude: Double
    /// Metres above the ellipsoid or the sea, as the device meant it.
    package let altitudeMetres: Double?
    /// By the receiver's clock, which is UTC; none where the file gives none.
    package let at: WallTime?

    /// Nothing when the numbers name no place. 0°, 0° is none either: receivers without a fix write it.
    package init?(latitude: Double, longitude: Double, altitudeMetres: Double? = nil, at: WallTime? = nil) {
        guard (-90...90).contains(latitude), (-180...180).contains(longitude), latitude != 0 || longitude != 0 else {
            return nil
        }
        self.latitude = latitude
        self.longitude = longitude
        self.altitudeMetres = altitudeMetres.flatMap { $0.isFinite && abs($0) < 100_000 ? $0 : nil }
        self.at = at
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let point = Self(
            latitude: try container.decode(Double.self, forKey: .latitude),
            longitude: try container.decode(Double.self, forKey: .longitude),
            altitudeMetres: try container.decodeIfPresent(Double.self, forKey: .altitudeMetres),
            at: try container.decodeIfPresent(WallTime.self, forKey: .at))
        guard let point else {
            throw DecodingError.dataCorruptedError(forKey: .latitude, in: container, debugDescription: "no place")
        }
        self = point
    }

    package enum CodingKeys: String, CodingKey {
        case latitude, longitude, at
        case altitudeMetres = "altitude_m"
    }
}
