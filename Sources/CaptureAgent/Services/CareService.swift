import EvidenceModel
import GRDB
import Logging
import MediaIndex
import ServiceLifecycle
import SyncEngine
import Synchronization

/// Takes care of what is at the targets: stores manifests beside verified media, asks about copies again, gives orphaned
/// uploads up. Each target has a loop of its own that makes one request at a time; `CareMachine` says which.
struct CareService: Service {
    private let station: Station
    private let targets: [(target: any StorageTarget, turns: UploadDispatcher)]
    private let wishes: ManifestWishes
    private let bells: [String: Bell]

    /// - Parameter targets: each with who gives it the requests that uploads leave room for.
    init(station: Station, targets: [(target: any StorageTarget, turns: UploadDispatcher)]) {
        self.station = station
        self.targets = targets
        let bells = Dictionary(targets.map { ($0.target.name, Bell()) }) { $1 }
        self.bells = bells
        wishes = ManifestWishes { for bell in bells.values { bell.ring() } }
    }

    func run() async throws {
        station.database.observe(wishes)
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                for (target, turns) in targets {
                    guard let bell = bells[target.name] else { continue }
                    group.addTask { await care(TargetCare(station: station, target: target, turns: turns), bell) }
                }
            }
        }
    }

    /// Looks when the bell rings, and now and then; works until nothing is left that may be done now.
    private func care(_ care: TargetCare, _ bell: Bell) async {
        var machine = CareMachine(at: Station.now())
        await withDiscardingTaskGroup { group in
            group.addTask {
                repeat { bell.ring() } while (try? await Task.sleep(for: .seconds(CareMachine.lookSeconds))) != nil
            }
            for await _ in bell.rings {
                while !Task.isCancelled, await step(care, &machine) {}
            }
            group.cancelAll()
        }
    }

    /// One look and what follows from it; whether there may be more to do at once.
    private func step(_ care: TargetCare, _ machine: inout CareMachine) async -> Bool {
        do {
            let now = Station.now()
            guard case .perform(let work) = machine.looked(try await care.facts(at: now), at: now) else { return false }
            try await care.perform(work)
            machine.done(work, at: Station.now())
            return true
        } catch {
            if Task.isCancelled { return false }
            let failure =
                error as? TargetFailure
                ?? TargetFailure(kind: .stationFault, sentence: "the station's database: \(error)")
            machine.failed(failure, at: Station.now(), jitter: Double.random(in: 0...1))
            station.logger.warning(
                "a target's upkeep waits", metadata: ["target": "\(care.target.name)", "reason": "\(failure.sentence)"])
            return false
        }
    }
}

/// What is done for one target.
struct TargetCare: Sendable {
    let station: Station
    let target: any StorageTarget
    let turns: any SpareRequests

    private var pace: CheckPace { station.configuration.verify }

    func facts(at now: WallTime) async throws -> CareMachine.Facts {
        let (station, name, pace) = (station, target.name, pace)
        return try await station.database.read { database in
            let journal = station.journal
            let isUp = try journal.targets(in: database).first { $0.name == name }?.state != "waiting"
            let due = try journal.dueManifest(target: name, at: now, in: database)
            let wished = try journal.wishedManifest(target: name, in: database)
            let counted = try journal.passCounted(target: name, in: database)
            let checkDueAt = try journal.leastChecked(target: name, in: database).map { least in
                pace.dueAt(
                    counted: counted ?? least.at, copies: try journal.verifiedCount(target: name, in: database),
                    leastCheckedAt: least.at, now: now)
            }
            return CareMachine.Facts(isUp: isUp, hasManifest: due != nil || wished != nil, checkDueAt: checkDueAt)
        }
    }

    func perform(_ work: CareMachine.Work) async throws {
        switch work {
        case .manifest: try await bringManifest()
        case .check: try await check()
        case .sweep: try await sweep()
        }
    }

    private func bringManifest() async throws {
        guard let manifest = try await station.nextManifest(target: target.name) else { return }
        let (station, journal) = (station, station.journal)
        let ending = try await ManifestDelivery(target: target, turns: turns).run(manifest) {
            (outcome) async throws(TargetFailure) in
            do {
                try await station.database.write(durable: false) {
                    try journal.write(outcome, of: manifest, at: Station.now(), in: $0)
                }
            } catch {
                throw TargetFailure(kind: .stationFault, sentence: "the journal cannot be written: \(error)")
            }
        }
        try await station.write(ending, of: manifest)
        guard ending != .verified else { return }
        station.logger.warning(
            "a manifest waits", metadata: ["target": "\(target.name)", "key": "\(manifest.plan.key)"])
    }

    /// Asks about the copy whose turn it is, as `verify` does, and reads it back where it is of the sample.
    private func check() async throws {
        let (station, name, pace) = (station, target.name, pace)
        let least = try await station.database.read { try station.journal.leastChecked(target: name, in: $0) }
        guard let (upload, passes, checkedAt) = least else { return }
        let isDeep = pace.isReadBack(upload.plan.recording, pass: passes)
        let audit = TargetAudit(view: StationView(station), station: station, holder: nil)
        let finding = try await turns.spare(bytes: isDeep ? upload.plan.content.size : 0) {
            [target] () async throws(TargetFailure) -> TargetAudit.Finding in
            do {
                return try await audit.audit(upload, target, isDeep: isDeep)
            } catch {
                throw TargetFailure(kind: .stationFault, sentence: "the finding cannot be recorded: \(error)")
            }
        }
        if finding.result == .unanswered { throw TargetFailure(kind: .unreachable, sentence: finding.detail) }
        let now = Station.now()
        try await station.database.write(durable: false) { database in
            let journal = station.journal
            try journal.noteCheck(of: upload.plan.upload, at: now, in: database)
            let counted = try journal.passCounted(target: name, in: database) ?? checkedAt
            let copies = try journal.verifiedCount(target: name, in: database)
            try journal.setPassCounted(
                pace.counted(counted, copies: copies, now: now), target: name, in: database)
        }
        guard finding.result != .matches else { return }
        station.logger.warning(
            "a verified copy is not what it was",
            metadata: [
                "recording.id": "\(finding.recording)", "target": "\(name)", "result": "\(finding.result.rawValue)",
                "detail": "\(finding.detail)",
            ])
    }

    private func sweep() async throws {
        let (station, name) = (station, target.name)
        let rule = SweepRule(station: station.configuration.station.id)
        let outcome = try await Sweep(target: target, rule: rule, turns: turns).run {
            (uploads) async throws(TargetFailure) in
            do {
                return try await station.database.read { try station.journal.known(uploads, target: name, in: $0) }
            } catch {
                throw TargetFailure(kind: .stationFault, sentence: "the journal cannot be read: \(error)")
            }
        }
        for upload in outcome.givenUp {
            station.logger.notice(
                "an orphaned upload was given up", metadata: ["target": "\(name)", "key": "\(upload.key)"])
        }
        for upload in outcome.left {
            station.logger.warning(
                "an orphaned upload cannot be given up", metadata: ["target": "\(name)", "key": "\(upload.key)"])
        }
    }
}

/// Rings when a manifest is wished. Called on the writer's thread only.
private final class ManifestWishes: TransactionObserver, Sendable {
    private let ring: @Sendable () -> Void
    /// Of the transaction under way.
    private let isWished = Mutex(false)

    init(ring: @escaping @Sendable () -> Void) {
        self.ring = ring
    }

    func observes(eventsOfKind kind: DatabaseEventKind) -> Bool {
        if case .insert("manifest_wish") = kind { true } else { false }
    }

    func databaseDidChange(with event: DatabaseEvent) { isWished.withLock { $0 = true } }

    func databaseDidCommit(_ database: Database) {
        let isNews = isWished.withLock { isWished in
            defer { isWished = false }
            return isWished
        }
        if isNews { ring() }
    }

    func databaseDidRollback(_ database: Database) { isWished.withLock { $0 = false } }
}
