import CustodyLedger
import EvidenceModel
import GRDB
import MediaIndex
import SyncEngine

/// A recording as programs and people read it: the JSON object of the contract, in which every key is there, with null
/// where nothing is known.
struct RecordingReport: Encodable {
    struct Copy: Encodable {
        var target: String
        var key: String
        var versionID: String?
        var state: CopyState
        var etag: String?
        var verifiedAt: String?

        private enum CodingKeys: String, CodingKey {
            case target, key, state, etag
            case versionID = "version_id"
            case verifiedAt = "verified_at"
            case lockedUntil = "locked_until"
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(target, forKey: .target)
            try container.encode(key, forKey: .key)
            try container.encode(versionID, forKey: .versionID)
            try container.encode(state, forKey: .state)
            try container.encode(etag, forKey: .etag)
            try container.encode(verifiedAt, forKey: .verifiedAt)
            // This version sets no object lock.
            try container.encodeNil(forKey: .lockedUntil)
        }
    }

    let recording: Recording
    let copies: [CopyStatus]
    let ledgerIndexes: [Int64]
    let configuration: AgentConfiguration

    /// Collects what is known of `recording`.
    init(_ recording: Recording, of view: StationView, in database: Database) throws {
        self.recording = recording
        copies = try view.journal.copies(of: recording.id, in: database)
        ledgerIndexes = try view.ledger.indexes(of: recording.id, in: database)
        configuration = view.configuration
    }

    var kind: MediaKind { recording.facts?.kind ?? .unknown }

    /// The moment after which the default retention no longer holds the recording.
    var retainUntil: WallTime {
        (recording.startedAt ?? recording.collectedAt).adding(seconds: Double(configuration.retentionDays) * 86_400)
    }

    func time(_ time: WallTime?) -> String? { time.map(configuration.station.zone.text) }

    private enum CodingKeys: String, CodingKey {
        case id, station, sha256, kind, source, device, officer, container, health, streams, tags, state, holds, copies
        case sizeBytes = "size_bytes"
        case fileName = "file_name"
        case sourcePath = "source_path"
        case startedAt = "started_at"
        case startedAtBasis = "started_at_basis"
        case clockOffsetSeconds = "clock_offset_seconds"
        case durationSeconds = "duration_seconds"
        case healthDetails = "health_details"
        case retainUntil = "retain_until"
        case retainBasis = "retain_basis"
        case ledgerIndexes = "ledger_indexes"
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(recording.id, forKey: .id)
        try container.encode(recording.station, forKey: .station)
        try container.encode(recording.content.digest, forKey: .sha256)
        try container.encode(recording.content.size, forKey: .sizeBytes)
        try container.encode(kind, forKey: .kind)
        try container.encode(recording.fileName.display, forKey: .fileName)
        try container.encode(recording.source, forKey: .source)
        try container.encode(recording.sourcePath.display, forKey: .sourcePath)
        try container.encode(recording.device, forKey: .device)
        try container.encode(recording.officer, forKey: .officer)
        try container.encode(time(recording.startedAt), forKey: .startedAt)
        try container.encode(recording.startedAtBasis, forKey: .startedAtBasis)
        // This version does not measure the clocks of devices.
        try container.encodeNil(forKey: .clockOffsetSeconds)
        try container.encode(recording.facts?.durationSeconds, forKey: .durationSeconds)
        try container.encode(recording.facts?.container, forKey: .container)
        try container.encode(recording.facts?.health, forKey: .health)
        try container.encode(recording.facts?.healthDetails ?? [], forKey: .healthDetails)
        try container.encode(recording.facts?.streams ?? [], forKey: .streams)
        try container.encode(recording.tags, forKey: .tags)
        try container.encode(recording.state, forKey: .state)
        try container.encode(time(retainUntil), forKey: .retainUntil)
        try container.encode("default", forKey: .retainBasis)
        try container.encode([String](), forKey: .holds)
        try container.encode(copies.map(copy), forKey: .copies)
        try container.encode(ledgerIndexes, forKey: .ledgerIndexes)
    }

    private func copy(_ copy: CopyStatus) -> Copy {
        Copy(
            target: copy.target, key: copy.key, versionID: copy.versionID, state: copy.state, etag: copy.tag,
            verifiedAt: time(copy.verifiedAt))
    }
}

/// A page of recordings as JSON.
struct RecordingListReport: Encodable {
    var recordings: [RecordingReport]
    var next: String?

    private enum CodingKeys: String, CodingKey { case recordings, next }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(recordings, forKey: .recordings)
        try container.encode(next, forKey: .next)
    }
}

extension RecordingReport {
    /// The lines of `recordings list`.
    static func table(_ reports: [RecordingReport]) -> String {
        var table = TextTable("ID", "STARTED", "DEVICE", "OFFICER", "KIND", "LENGTH", "SIZE", "ITEM", "STATE", "FILE")
        for report in reports {
            let recording = report.recording
            table.add(
                recording.id.text, report.time(recording.startedAt), recording.device, recording.officer,
                report.kind.rawValue, recording.facts?.durationSeconds.map { Text.duration(seconds: $0) },
                Text.bytes(recording.content.size), recording.tags.first?.item, recording.state.rawValue,
                recording.fileName.display)
        }
        return table.text
    }
}
