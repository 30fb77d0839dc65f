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
        var lockedUntil: String?

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
            try container.encode(lockedUntil, forKey: .lockedUntil)
        }
    }

    let recording: Recording
    let copies: [CopyStatus]
    let ledgerIndexes: [Int64]
    /// Those that are not released.
    let holds: [HoldReport]
    let configuration: AgentConfiguration

    /// Collects what is known of `recording`.
    init(_ recording: Recording, of view: StationView, in database: Database) throws {
        self.recording = recording
        copies = try view.journal.copies(of: recording.id, in: database)
        ledgerIndexes = try view.ledger.indexes(of: recording.id, in: database)
        configuration = view.configuration
        let zone = view.configuration.station.zone
        holds = try view.catalogue.holds(of: recording.id, in: database).filter { $0.releasedAt == nil }
            .map { HoldReport($0, zone) }
    }

    var kind: MediaKind { recording.facts?.kind ?? .unknown }

    /// The moment after which the default retention no longer holds the recording.
    var retainUntil: WallTime {
        (recording.startedAt ?? recording.collectedAt).adding(seconds: Double(configuration.retentionDays) * 86_400)
    }

    func time(_ time: WallTime?) -> String? { time.map(configuration.station.zone.text) }

    private enum CodingKeys: String, CodingKey {
        case id, station, sha256, kind, source, device, officer, container, health, streams, tags, state, holds, copies
        case make, model, positions, important, profile, camera, take
        case officerBasis = "officer_by"
        case namedOfficer = "named_officer"
        case sizeBytes = "size_bytes"
        case fileName = "file_name"
        case sourcePath = "source_path"
        case startedAt = "started_at"
        case startedAtBasis = "started_at_basis"
        case clockOffsetSeconds = "clock_offset_seconds"
        case clockOffsetMethod = "clock_offset_method"
        case timeEvidence = "time_evidence"
        case partNumber = "part_number"
        case durationSeconds = "duration_seconds"
        case durationBasis = "duration_basis"
        case playableSeconds = "playable_seconds"
        case bitRate = "bit_rate"
        case creationTime = "creation_time"
        case healthDetails = "health_details"
        case damagedBytes = "damaged_bytes"
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
        try container.encode(recording.officerBasis, forKey: .officerBasis)
        try container.encode(recording.namedOfficer, forKey: .namedOfficer)
        try encodeTimes(&container)
        try encodeFacts(&container)
        try container.encode(recording.tags, forKey: .tags)
        try container.encode(recording.state, forKey: .state)
        try container.encode(time(retainUntil), forKey: .retainUntil)
        try container.encode("default", forKey: .retainBasis)
        try container.encode(holds, forKey: .holds)
        try container.encode(copies.map(copy), forKey: .copies)
        try container.encode(ledgerIndexes, forKey: .ledgerIndexes)
    }

    private func encodeTimes(_ container: inout KeyedEncodingContainer<CodingKeys>) throws {
        try container.encode(time(recording.startedAt), forKey: .startedAt)
        try container.encode(recording.startedAtBasis, forKey: .startedAtBasis)
        try container.encode(recording.clockOffset?.seconds, forKey: .clockOffsetSeconds)
        try container.encode(recording.clockOffset?.method, forKey: .clockOffsetMethod)
        let zone = configuration.station.zone
        try container.encode(recording.evidence.map { EvidenceReport($0, zone) }, forKey: .timeEvidence)
        try container.encode(recording.marks.profile, forKey: .profile)
        try container.encode(recording.marks.part, forKey: .partNumber)
        try container.encode(recording.marks.camera, forKey: .camera)
        try container.encode(recording.marks.isImportant, forKey: .important)
        try container.encode(recording.take.map(TakeReport.init), forKey: .take)
    }

    private func encodeFacts(_ container: inout KeyedEncodingContainer<CodingKeys>) throws {
        let facts = recording.facts
        try container.encode(facts?.durationSeconds, forKey: .durationSeconds)
        try container.encode(facts?.durationBasis, forKey: .durationBasis)
        try container.encode(facts?.playableSeconds, forKey: .playableSeconds)
        try container.encode(facts?.bitRate, forKey: .bitRate)
        try container.encode(facts?.container, forKey: .container)
        try container.encode(facts?.creationTime, forKey: .creationTime)
        try container.encode(facts?.make, forKey: .make)
        try container.encode(facts?.model, forKey: .model)
        try container.encode(facts?.positions ?? [], forKey: .positions)
        try container.encode(facts?.health, forKey: .health)
        try container.encode(facts?.healthDetails ?? [], forKey: .healthDetails)
        try container.encode(facts?.damagedSpans ?? [], forKey: .damagedBytes)
        try container.encode(facts?.streams ?? [], forKey: .streams)
    }

    private func copy(_ copy: CopyStatus) -> Copy {
        Copy(
            target: copy.target, key: copy.key, versionID: copy.versionID, state: copy.state, etag: copy.tag,
            verifiedAt: time(copy.verifiedAt), lockedUntil: time(copy.lockedUntil))
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
