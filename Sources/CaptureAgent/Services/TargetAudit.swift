import CurlTransport
import CustodyLedger
import EvidenceModel
import MediaIndex
import SyncEngine

/// Asks targets again about copies that are verified, and records what they say.
struct TargetAudit: Sendable {
    enum Result: String, Sendable, Encodable {
        case matches
        case differs
        /// The object is not there; where the audit is recorded, it is uploaded again.
        case missing
        /// The copy was not verified before; it is the agent's business.
        case unverified
        /// The target could not be asked.
        case unanswered
    }

    struct Finding: Sendable, Encodable {
        var recording: RecordingID
        var target: String
        var key: String
        var result: Result
        /// What was compared, or what is wrong.
        var detail: String
    }

    struct Report: Encodable {
        var copies: [Finding]

        init(_ findings: [Finding]) {
            copies = findings
        }
    }

    let view: StationView
    /// The station where this process works on it: findings are then recorded.
    let station: Station?
    /// Who works on the station instead.
    let holder: String?

    /// - Parameter recording: nothing for every recording with a verified copy.
    func run(_ recording: RecordingID?, target: String?, isDeep: Bool) async throws -> [Finding] {
        guard let database = view.database else { return [] }
        let journal = view.journal
        let uploads = try await database.read {
            try journal.uploads(of: recording, target: target, in: $0)
        }
        var findings: [Finding] = []
        for configured in view.configuration.targets {
            let opened = ConfiguredTarget(
                configured, retentionDays: view.configuration.retentionDays,
                memory: StationCapabilities(view: view, station: station))
            for upload in uploads where upload.plan.target == configured.name {
                findings.append(try await audit(upload, opened.target, isDeep: isDeep))
            }
            opened.transport?.close()
        }
        return findings
    }

    /// Asks `target` about one copy.
    func audit(
        _ upload: JournaledUpload, _ target: any StorageTarget, isDeep: Bool
    ) async throws -> Finding {
        let plan = upload.plan
        func finding(_ result: Result, _ detail: String) -> Finding {
            Finding(recording: plan.recording, target: plan.target, key: plan.key, result: result, detail: detail)
        }
        guard case .completed(let tag) = upload.progress else {
            return finding(.unverified, "not verified yet: the running agent sees to it")
        }
        do throws(TargetFailure) {
            guard let found = try await target.examine(plan, tag: tag) else {
                try await record(.lost, plan, differs: "the object is missing")
                return finding(.missing, "the object is not there")
            }
            let object = found.object
            var verdict = try await locked(found, plan)
            var code = ""
            let isReadBack = try await wasFoundToDiffer(plan)
            // What was read back just now need not be once more.
            if case .matches(let method) = verdict, isDeep || isReadBack, method != Self.readBackMethod {
                verdict = try await target.readBack(plan)
                code = Self.readBackCode
            }
            switch verdict {
            case .matches(let method):
                try await record(.verified(object, method: method), plan, differs: nil)
                return finding(.matches, method)
            case .differs(let differences):
                let sentence = differences.joined(separator: "; ")
                try await record(
                    .parked(TargetFailure(kind: .differs, sentence: sentence, code: code)), plan, differs: nil)
                return finding(.differs, sentence)
            }
        } catch {
            return finding(.unanswered, error.sentence)
        }
    }

    /// `UploadJournal.due` leaves copies alone that are parked with it: only reading back can clear them.
    private static let readBackCode = "read_back"
    private static let readBackMethod = "read_back"

    /// What was found, held against the lock that the target told of when the copy was verified.
    private func locked(_ found: Examination, _ plan: UploadPlan) async throws(TargetFailure) -> CopyVerdict {
        guard case .matches = found.verdict, let database = view.database else { return found.verdict }
        let journal = view.journal
        let promised: WallTime?
        do {
            promised = try await database.read { try journal.lockedUntil(of: plan.upload, in: $0) }
        } catch {
            throw TargetFailure(kind: .stationFault, sentence: "the journal cannot be read: \(error)")
        }
        guard let promised, promised > Station.now() else { return found.verdict }
        if let lock = found.object.lock, lock.until >= promised { return found.verdict }
        let now = found.object.lock.map { "ends \($0.until.rfc3339())" } ?? "is gone"
        return .differs(["the lock of \(plan.key), which was to end \(promised.rfc3339()), \(now)"])
    }

    private func wasFoundToDiffer(_ plan: UploadPlan) async throws(TargetFailure) -> Bool {
        guard let database = view.database else { return false }
        let journal = view.journal
        do {
            return try await database.read { try journal.parkedCode(of: plan.upload, in: $0) } == Self.readBackCode
        } catch {
            throw TargetFailure(kind: .stationFault, sentence: "the journal cannot be read: \(error)")
        }
    }

    /// Writes what was found into journal, ledger and catalogue, where this process works on the station.
    private func record(_ entry: JournalEntry, _ plan: UploadPlan, differs: String?) async throws(TargetFailure) {
        guard let station else { return }
        do {
            try await StationStore(station: station).write(entry, for: plan)
            guard let differs else { return }
            try await station.database.write(durable: true) { database in
                let event = station.event(
                    .differs, at: Station.now(), recording: plan.recording, digest: plan.content.digest,
                    details: ["target": .text(plan.target), "key": .text(plan.key), "difference": .text(differs)])
                try station.ledger.append(event, in: database)
            }
        } catch {
            throw TargetFailure(kind: .stationFault, sentence: "the finding cannot be recorded: \(error)")
        }
    }

    static func table(_ findings: [Finding]) -> String {
        var table = TextTable("RECORDING", "TARGET", "RESULT", "DETAIL")
        for finding in findings {
            table.add(finding.recording.text, finding.target, finding.result.rawValue, finding.detail)
        }
        return table.text
    }
}
