import Collector
import CustodyLedger
import EvidenceModel
import FileAccess
import GRDB
import Logging
import MediaIndex
import SyncEngine

/// Carries what the uploads come to into the database: journal, ledger and catalogue in one transaction.
struct StationStore: UploadStore {
    private let station: Station

    init(station: Station) {
        self.station = station
    }

    func due(target: String, except running: Set<String>, ofEachShare limit: Int) async throws -> [JournaledUpload] {
        let (journal, now) = (station.journal, Station.now())
        let pressing = now.adding(seconds: -0.75 * station.deadlineSeconds)
        return try await station.database.read {
            try journal.due(
                target: target, at: now, except: running, ofEachShare: limit, pressing: pressing, in: $0)
        }
    }

    func write(_ entry: JournalEntry, for plan: UploadPlan) async throws {
        let (station, now) = (station, Station.now())
        try await station.database.write(durable: entry.isDurable) { database in
            let before = try station.journal.parkedReason(of: plan.upload, in: database)
            try station.journal.write(entry, for: plan, at: now, in: database)
            // A difference that is found again, each time a parked copy is looked at, is told once.
            let isTold = try before != nil && before == station.journal.parkedReason(of: plan.upload, in: database)
            if !isTold, let event = station.event(entry, plan, now) {
                try station.ledger.append(event, in: database)
            }
            if entry.changesState {
                try station.refreshState(of: plan.recording, in: database)
                let moved = station.transfers.take(target: plan.target)
                try station.journal.add(moved, target: plan.target, in: database)
            }
        }
        if case .parked(let failure) = entry { await collectAgain(plan.recording, failure.kind) }
    }

    /// A copy in the spool that is broken, as after a power cut, or lost: where its device is docked, it is read again;
    /// else at the next docking, since a copy that is not there is missed then. A broken one stays as `<id>.damaged`.
    ///
    /// What fails here is the spool's trouble, and none of the upload's: the entry is written.
    private func collectAgain(_ id: RecordingID, _ kind: TargetFailure.Kind) async {
        guard kind == .sourceChanged || kind == .sourceUnavailable else { return }
        let station = station
        do {
            let places = try await station.database.read { database in
                // What lies where a recorder wrote it is not the spool's to mend.
                switch try station.catalogue.recording(id, in: database)?.place {
                case .direct, nil: return [DockLog.Place]()
                case .spool, .targets: return try station.docks.places(of: id, in: database)
                }
            }
            let spool = station.spool
            if kind == .sourceChanged {
                try await Self.lane.run { () throws(FileAccessError) in try spool.setAside(id) }
            }
            for place in places {
                station.roots.entry(at: place.root, fileSystem: place.fileSystem)?.recollect(place.path)
            }
        } catch {
            station.logger.error(
                "a broken copy cannot be set aside", metadata: ["recording.id": "\(id)", "error": "\(error)"])
        }
    }

    private static let lane = IOLane(label: "spool repair")

    func show(_ status: TargetStatus) async {
        let (journal, transfers) = (station.journal, station.transfers)
        do {
            try await station.database.write(durable: false) { database in
                try journal.save(status, in: database)
                try journal.add(transfers.take(target: status.name), target: status.name, in: database)
            }
        } catch {
            station.logger.error("a target's state cannot be saved", metadata: ["error": "\(error)"])
        }
    }
}

extension JournalEntry {
    /// Whether the recording's own state may be another one afterwards.
    fileprivate var changesState: Bool {
        switch self {
        case .creating, .verified, .lost, .parked: true
        case .opened, .acknowledged, .forgotten, .sealed, .completed: false
        }
    }
}

extension Station {
    /// What the ledger is told of a journal entry.
    fileprivate func event(_ entry: JournalEntry, _ plan: UploadPlan, _ time: WallTime) -> LedgerEvent? {
        let common: [String: LedgerEvent.Detail] = ["target": .text(plan.target), "key": .text(plan.key)]
        func event(_ kind: LedgerEventKind, _ details: [String: LedgerEvent.Detail]) -> LedgerEvent {
            self.event(
                kind, at: time, recording: plan.recording, digest: plan.content.digest,
                details: common.merging(details) { $1 })
        }
        switch entry {
        case .completed(let tag): return event(.uploaded, ["tag": .text(tag)])
        case .verified(let object, let method):
            var details: [String: LedgerEvent.Detail] = [
                "tag": .text(object.tag), "size_bytes": .number(object.size), "method": .text(method),
            ]
            details["version_id"] = object.versionID.map { .text($0) }
            return event(.verified, details)
        case .parked(let failure) where failure.kind == .differs:
            return event(.differs, ["difference": .text(String(failure.sentence.prefix(2000)))])
        case .creating, .opened, .acknowledged, .forgotten, .sealed, .lost, .parked: return nil
        }
    }

    /// Derives the recording's state from its copies on the targets that are configured now.
    func refreshState(of recording: RecordingID, in database: Database) throws {
        let copies = try journal.copyStates(
            of: recording, targets: configuration.targetNames, in: database)
        try catalogue.setState(Self.state(of: copies), of: recording, in: database)
    }

    /// Targets may have gone since the agent last ran: what only they kept from being verified is verified now. What a
    /// new target asks for is planned, and shown, by `DescribeService`.
    func refreshStates(in database: Database) throws {
        let open = try String.fetchAll(
            database,
            sql: "SELECT id FROM recording WHERE described_at_ms IS NOT NULL AND state <> 'verified'")
        for id in open.compactMap({ RecordingID($0) }) { try refreshState(of: id, in: database) }
    }

    static func state(of copies: [CopyState]) -> RecordingState {
        if copies.isEmpty { return .collected }
        if copies.allSatisfy({ $0 == .verified }) { return .verified }
        if copies.contains(.parked) || copies.contains(.missing) { return .parked }
        return copies.allSatisfy({ $0 == .waiting }) ? .collected : .uploading
    }
}
