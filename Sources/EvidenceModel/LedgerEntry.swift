/// What the ledger tells about.
package enum LedgerEventKind: String, Sendable, Hashable, Codable, CaseIterable {
    case docked, collected, tagged, untagged, held, released, uploaded, verified, differs, wiped, viewed, exported
    case stationStarted = "station_started"
    case listPublished = "list_published"
    case keyChanged = "key_changed"
}

/// One thing that happened, as it goes into the ledger.
package struct LedgerEvent: Sendable, Hashable {
    package var kind: LedgerEventKind
    package var at: WallTime
    package var station: String
    package var recording: RecordingID?
    package var digest: ContentDigest?
    /// Further fields by their names in the entry; none may be called as one of the above.
    package var details: [String: Detail]

    /// The few kinds of values that have one canonical form. Fractions have none, so they are not among them.
    package enum Detail: Sendable, Hashable {
        case text(String)
        case number(Int64)
    }

    package init(
        kind: LedgerEventKind, at: WallTime, station: String, recording: RecordingID? = nil,
        digest: ContentDigest? = nil, details: [String: Detail] = [:]
    ) {
        self.kind = kind
        self.at = at
        self.station = station
        self.recording = recording
        self.digest = digest
        self.details = details
    }
}
