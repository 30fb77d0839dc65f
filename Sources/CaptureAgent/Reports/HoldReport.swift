import EvidenceModel
import MediaIndex

/// A hold as JSON; times in the station's zone.
struct HoldReport: Codable, Sendable {
    var id: Int64
    var reason: String
    var by: String
    var at: String
    var releasedBy: String?
    var releasedAt: String?

    private enum CodingKeys: String, CodingKey {
        case id, reason, by, at
        case releasedBy = "released_by"
        case releasedAt = "released_at"
    }

    init(_ hold: Hold, _ zone: StationZone) {
        (id, reason, by, at) = (hold.number, hold.reason, hold.by, zone.text(hold.at))
        (releasedBy, releasedAt) = (hold.releasedBy, hold.releasedAt.map(zone.text))
    }
}

/// What `recordings hold` and `recordings release` came to.
struct HeldReport: Codable, Sendable {
    var recording: RecordingID
    var hold: HoldReport
}
