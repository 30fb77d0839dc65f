import EvidenceModel
import GRDB
import MediaIndex

/// When recordings started: evidence, clocks, sidecars and takes, in the transaction of what they follow from.
extension Station {
    func evidenceRule(of recording: Recording) -> EvidenceRule {
        EvidenceRule(clocks: profiles.clocks(of: recording.marks.profile), station: configuration.station.zone)
    }

    /// The recording with the start that its evidence and its device's clock give now, and with who had the device then.
    func choosingStart(_ recording: Recording, in database: Database) throws -> Recording {
        let rule = StartRule(
            order: profiles.clocks(of: recording.marks.profile).order, offset: recording.clockOffset,
            collectedAt: recording.collectedAt)
        var chosen = recording
        (chosen.startedAt, chosen.startedAtBasis) = rule.start(recording.evidence)
        return try resolvingOfficer(chosen, in: database)
    }

    /// Writes a description: with all evidence of the start, that of sidecars too, and the take. A sidecar may move the
    /// start of the recording it belongs to; the key of that one's copies stays what it is.
    ///
    /// - Returns: the recording as it was written.
    func describe(_ described: Recording, at now: WallTime, in database: Database) throws -> Recording {
        guard let facts = described.facts else { preconditionFailure("a description has facts") }
        var recording = described
        // The clock may have been measured since the recording was read.
        let stored = try catalogue.recording(described.id, in: database) ?? described
        recording.clockOffset = stored.clockOffset
        let rule = evidenceRule(of: recording)
        recording.evidence = stored.evidence.filter { $0.basis == .fileName }
        recording.evidence += rule.evidence(of: facts, fileTime: recording.fileTime)
        let companions = try catalogue.companions(of: recording.id, in: database)
        if facts.kind.isMedia {
            for sidecar in companions where sidecar.facts?.kind == .sidecar {
                recording.evidence += sidecarEvidence(sidecar, rule)
            }
        }
        recording = try choosingStart(recording, in: database)
        try catalogue.describe(recording, at: now, in: database)
        try catalogue.retake(recording.id, in: database)
        if facts.kind == .sidecar {
            for medium in companions where medium.facts?.kind.isMedia == true {
                try add(recording, to: medium, in: database)
            }
        }
        return recording
    }

    private func sidecarEvidence(_ sidecar: Recording, _ rule: EvidenceRule) -> [TimeEvidence] {
        sidecar.facts.map { rule.evidence(fromSidecar: $0, named: sidecar.fileName) } ?? []
    }

    private func add(_ sidecar: Recording, to medium: Recording, in database: Database) throws {
        var medium = medium
        let news = sidecarEvidence(sidecar, evidenceRule(of: medium)).filter { !medium.evidence.contains($0) }
        if news.isEmpty { return }
        medium.evidence += news
        try catalogue.setStart(of: choosingStart(medium, in: database), in: database)
        try catalogue.retake(medium.id, in: database)
    }

    /// A docked device's clock was measured: what this docking brought before gets its correction.
    func correct(_ offset: ClockOffset, broughtBy docking: Int64, in database: Database) throws {
        let recordings = try catalogue.uncorrected(broughtBy: docking, in: database)
        for recording in recordings {
            var recording = recording
            recording.clockOffset = offset
            try catalogue.setStart(of: choosingStart(recording, in: database), in: database)
        }
        for recording in recordings { try catalogue.retake(recording.id, in: database) }
    }
}

extension MediaKind {
    /// What a sidecar may belong to.
    fileprivate var isMedia: Bool {
        switch self {
        case .video, .audio, .photo: true
        case .sidecar, .unknown: false
        }
    }
}
