/// A recording's link to an item of the list, and who or which rule made it.
package struct Tag: Sendable, Hashable, Codable {
    package var item: String
    package var stage: String?
    package var caseNumber: String?
    /// `rule:<id>` or `user:<name>`.
    package var by: String
    /// 0 to 1.
    package var confidence: Double
    package var at: WallTime
    /// The version of the item list it was made under.
    package var listVersion: String

    package init(
        item: String, stage: String? = nil, caseNumber: String? = nil, by: String, confidence: Double, at: WallTime,
        listVersion: String
    ) {
        self.item = item
        self.stage = stage
        self.caseNumber = caseNumber
        self.by = by
        self.confidence = confidence
        self.at = at
        self.listVersion = listVersion
    }

    package enum CodingKeys: String, CodingKey {
        case item, stage, by, confidence, at
        case caseNumber = "case"
        case listVersion = "list_version"
    }
}

/// What told when a recording starts.
package enum StartBasis: String, Sendable, Hashable, Codable {
    case embedded, sidecar, gps, `operator`, unknown
    case fileName = "file_name"
    case fileTime = "file_time"
}

/// What told whose a recording is.
package enum OfficerBasis: String, Sendable, Hashable, Codable {
    /// A name on the device.
    case name
    /// The device register: a person's word.
    case register
}

/// Where a recording is on its way.
package enum RecordingState: String, Sendable, Hashable, Codable, CaseIterable {
    case growing, collecting, collected, uploading, verified, parked
}

/// One recording as the catalogue holds it.
package struct Recording: Sendable, Hashable {
    package var id: RecordingID
    package var station: String
    package var content: StoredContent
    package var place: ContentPlace
    package var fileName: RawPath
    package var source: String
    /// Path below the source's root.
    package var sourcePath: RawPath
    package var device: String?
    package var officer: String?
    package var startedAt: WallTime?
    package var startedAtBasis: StartBasis
    /// The file's modification time as its file system had it.
    package var fileTime: WallTime
    package var collectedAt: WallTime
    /// What the probe found; none until it has looked.
    package var facts: MediaFacts?
    package var tags: [Tag]
    package var state: RecordingState
    package var marks = RecordingMarks()
    /// Everything that tells when it started, with the originals.
    package var evidence: [TimeEvidence] = []
    /// How wrong the device's clock was, where that was measured; `startedAt` is corrected by it.
    package var clockOffset: ClockOffset?
    /// None for a recording that stands alone.
    package var take: Take?
    /// None where the officer is not known.
    package var officerBasis: OfficerBasis?
    /// The officer's number as names on the device have it, whoever the officer is.
    package var namedOfficer: String?
    /// What could not be read from its device; zeros stand there.
    package var unreadable: [ByteSpan] = []

    package init(
        id: RecordingID, station: String, content: StoredContent, place: ContentPlace, fileName: RawPath,
        source: String,
        sourcePath: RawPath, device: String? = nil, officer: String? = nil, startedAt: WallTime? = nil,
        startedAtBasis: StartBasis = .unknown, fileTime: WallTime, collectedAt: WallTime, facts: MediaFacts? = nil,
        tags: [Tag] = [],
        state: RecordingState = .collected
    ) {
        self.id = id
        self.station = station
        self.content = content
        self.place = place
        self.fileName = fileName
        self.source = source
        self.sourcePath = sourcePath
        self.device = device
        self.officer = officer
        officerBasis = officer.map { _ in .name }
        namedOfficer = officer
        self.startedAt = startedAt
        self.startedAtBasis = startedAtBasis
        self.fileTime = fileTime
        self.collectedAt = collectedAt
        self.facts = facts
        self.tags = tags
        self.state = state
    }
}

extension WallTime: Codable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let time = try Self(rfc3339: container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not an RFC 3339 time")
        }
        self = time
    }

    /// UTC; a writer that knows a zone writes the text itself.
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(rfc3339())
    }
}
