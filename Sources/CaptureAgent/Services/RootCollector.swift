import Collector
import CustodyLedger
import DockWatch
import EvidenceModel
import FileAccess
import GRDB
import Logging
import MediaIndex
import SyncEngine

/// Collects one watched tree: what its watcher says has settled is read, one file after the other, on the tree's lane.
struct RootCollector: Sendable {
    let root: WatchedRoot
    let source: AgentConfiguration.Source
    let station: Station
    let board: RootBoard
    /// It was not yet there when the agent began to watch.
    let cameWhileWatched: Bool
    /// Told after each new recording.
    let collected: @Sendable () -> Void

    private enum Message: Sendable {
        case watched(RootEvent)
        case ended(FileCollection.Outcome)
        case retryDue
        case lookForRoom
        case tick
    }

    /// Seconds between looks for room in the spool.
    private static let roomSeconds = 2.0
    /// Seconds between two showings of how far the tree is.
    private static let tickSeconds = 1.0

    private typealias Sender = AsyncStream<Message>.Continuation

    /// What the reading of files works with.
    private struct Reader {
        let lane: IOLane
        let progress = ReadProgress()
        let signs: DeviceSigns
    }

    /// Works until the task is cancelled: the device is gone, or the agent stops.
    func run() async {
        let lane = IOLane(label: "read \(root.path.display)")
        station.roots.add(root, lane: lane)
        defer { station.roots.remove(root) }
        let (mailbox, sender) = AsyncStream<Message>.makeStream()
        guard var state = await begin() else { return }
        let (docking, reader) = (state.docking, Reader(lane: lane, signs: await readSigns(lane)))
        await withTaskCancellationHandler {
            await withDiscardingTaskGroup { group in
                group.addTask { await watch(sender) }
                group.addTask { await tick(sender) }
                for await message in mailbox {
                    let actions = await handle(message, &state, reader)
                    for action in actions { carryOut(action, docking, reader, sender, &group) }
                    await show(&state, reader.progress)
                }
                group.cancelAll()
            }
        } onCancel: {
            sender.finish()
        }
        await end(state)
    }

    private func watch(_ sender: Sender) async {
        let watcher = RootWatcher(
            root: root, settle: .seconds(source.settleSeconds), lane: IOLane(label: "scan \(root.path.display)"))
        await watcher.run { event in sender.yield(.watched(event)) }
    }

    private func tick(_ sender: Sender) async {
        while (try? await Task.sleep(for: .seconds(Self.tickSeconds))) != nil { sender.yield(.tick) }
    }

    // MARK: Deciding

    private func handle(
        _ message: Message, _ state: inout RootState, _ reader: Reader
    ) async -> [CollectMachine.Action] {
        switch message {
        case .watched(.settled(let files)): return state.machine.filesSettled(files)
        case .watched(.skipped(let entries)):
            await note(skipped: entries)
            return []
        case .watched(.scanned(let summary)):
            state.scanned(summary)
            await measureClock(summary, reader.signs, &state)
            return []
        case .watched(.unreachable(let error)):
            state.unreachable(error)
            return []
        case .ended(let outcome):
            reader.progress.reset()
            return await end(outcome, &state)
        case .retryDue: return state.machine.retryDue()
        case .lookForRoom:
            guard let missing = state.machine.missingRoom else { return [] }
            let hasRoom = (try? station.spool.hasFree(bytes: missing)) ?? false
            return hasRoom ? state.machine.roomFound() : [.waitForRoom(bytes: missing)]
        case .tick: return []
        }
    }

    private func end(_ outcome: FileCollection.Outcome, _ state: inout RootState) async -> [CollectMachine.Action] {
        let file = state.machine.reading
        switch outcome {
        case .collected(_, let reading), .known(let reading):
            state.name(reading)
            await forget(file, &state)
            if case .collected(let recording, _) = outcome {
                // Not its name: that has the officer's number in it.
                station.logger.info(
                    "a file is collected", metadata: ["source": "\(root.source)", "recording.id": "\(recording)"])
                collected()
            }
            let actions = state.machine.fileCollected()
            if state.machine.isIdle { await retryParked() }
            return actions
        case .failed(.changed):
            // If it really has, it settles anew and takes this one's place; until then it is not collected.
            return await failed(file, "it changed while it was read", &state)
        case .failed(.vanished):
            // Believed at the second look: a card that answers badly is not an empty card.
            guard let file, state.machine.failures[file.path]?.reason == Self.vanished else {
                return await failed(file, Self.vanished, &state)
            }
            await forget(file, &state)
            return state.machine.fileChanged()
        case .failed(.cancelled): return []
        case .failed(.spoolFull(let bytes)):
            station.logger.warning("the spool is full", metadata: ["source": "\(root.source)", "bytes": "\(bytes)"])
            return state.machine.spoolFilled(needing: bytes)
        case .failed(.deviceGone(let error)):
            return await failed(file, "the device does not answer: \(error)", &state)
        case .failed(.unreadable(let error)): return await failed(file, "it cannot be read: \(error)", &state)
        case .failed(.spoolFailed(let error)):
            return await failed(file, "the spool cannot be written: \(error)", &state)
        case .notCatalogued(let reason): return await failed(file, "the catalogue cannot be written: \(reason)", &state)
        }
    }

    private static let vanished = "it is not there any more"

    private func failed(
        _ file: SettledFile?, _ reason: String, _ state: inout RootState
    ) async -> [CollectMachine.Action] {
        if let file {
            state.reportedFailures.insert(file.path)
            station.logger.warning(
                "a file could not be collected",
                metadata: ["source": "\(root.source)", "path": "\(file.path)", "reason": "\(reason)"])
            let (docks, root, now) = (station.docks, root, Station.now())
            await write { database in
                let uncollected = DockLog.UncollectedFile(
                    source: root.source, fileSystem: root.fileSystem, path: file.path, reason: reason, since: now)
                try docks.save(uncollected, in: database)
            }
        }
        return state.machine.fileFailed(reason, jitter: Double.random(in: 0...1))
    }

    // MARK: Acting

    private func carryOut(
        _ action: CollectMachine.Action, _ docking: Int64, _ reader: Reader, _ sender: Sender,
        _ group: inout DiscardingTaskGroup
    ) {
        switch action {
        case .read(let file):
            let collection = FileCollection(
                root: root, docking: docking, file: file, signs: reader.signs, isSpooled: source.collect == .spool,
                station: station,
                lane: reader.lane, progress: reader.progress)
            group.addTask { sender.yield(.ended(await collection.run())) }
        case .waitForRoom: later(Self.roomSeconds, .lookForRoom, sender, &group)
        case .retry(let seconds): later(seconds, .retryDue, sender, &group)
        }
    }

    private func later(
        _ seconds: Double, _ message: Message, _ sender: Sender, _ group: inout DiscardingTaskGroup
    ) {
        group.addTask {
            guard (try? await Task.sleep(for: .seconds(seconds))) != nil else { return }
            sender.yield(message)
        }
    }

    /// The docking begins; nothing where the agent stops before the database could be written.
    private func begin() async -> RootState? {
        let (station, root, dockedAt) = (station, root, Station.now())
        let dock = Dock(
            source: root.source, root: root.path, fileSystem: root.fileSystem, device: root.label, state: .reading,
            dockedAt: dockedAt)
        while !Task.isCancelled {
            let docking = await write { database in
                let docking = try station.docks.begin(dock, in: database)
                // Recordings that lie on this device can be read again.
                try station.journal.makeParkedDue(at: dockedAt, in: database)
                if root.kind == .mount { try station.ledger.append(station.dockedEvent(root, dockedAt), in: database) }
                return docking
            }
            if let docking {
                station.logger.info(
                    "a source is there", metadata: ["source": "\(root.source)", "path": "\(root.path)"])
                let state = RootState(root: root, docking: docking, dockedAt: dockedAt)
                board.update(root, state.condition)
                return state
            }
            try? await Task.sleep(for: .seconds(Self.roomSeconds))
        }
        return nil
    }

    private func show(_ state: inout RootState, _ progress: ReadProgress) async {
        board.update(root, state.condition)
        let dock = state.dock(reading: progress.bytes)
        guard state.isNews(dock, at: Station.now()) else { return }
        let docks = station.docks
        await write { try docks.save(dock, in: $0) }
    }

    private func end(_ state: RootState) async {
        board.remove(root)
        // A source that ends with the agent is not undocked: its state on record is what it was.
        guard root.kind == .mount, !board.isStopping else { return }
        let dock = state.undocked(at: Station.now())
        let docks = station.docks
        await write { try docks.save(dock, in: $0) }
        station.logger.info("a device was undocked", metadata: ["source": "\(root.source)", "path": "\(root.path)"])
    }

    /// What lies on this device is collected, or known to lie here: copies that waited for its bytes can go on.
    private func retryParked() async {
        let (journal, now) = (station.journal, Station.now())
        await write { try journal.makeParkedDue(at: now, in: $0) }
    }

    private func note(skipped entries: [SkippedEntry]) async {
        let (docks, root, now) = (station.docks, root, Station.now())
        await write { database in
            for entry in entries {
                try docks.save(entry, source: root.source, fileSystem: root.fileSystem, at: now, in: database)
            }
        }
    }

    /// A file that failed before is no longer a failure.
    private func forget(_ file: SettledFile?, _ state: inout RootState) async {
        guard let file, state.reportedFailures.remove(file.path) != nil else { return }
        let (docks, root) = (station.docks, root)
        await write {
            try docks.removeUncollected(
                source: root.source, fileSystem: root.fileSystem, path: file.path, in: $0)
        }
    }

    /// What `body` returned, or nothing where the database cannot be written, which is told.
    @discardableResult
    func write<Value: Sendable>(_ body: @Sendable @escaping (Database) throws -> Value) async -> Value? {
        // Shielded from the cancellation that ends this tree: the last word about it must be kept.
        let (database, logger) = (station.database, station.logger)
        do {
            return try await Task { try await database.write(durable: false, body) }.value
        } catch {
            logger.error("the database cannot be written", metadata: ["error": "\(error)"])
            return nil
        }
    }
}

extension Station {
    fileprivate func dockedEvent(_ root: WatchedRoot, _ time: WallTime) -> LedgerEvent {
        event(
            .docked, at: time,
            details: [
                "source": .text(root.source), "file_system": .text(root.fileSystem),
                "label": .text(root.label ?? ""), "path": .text(root.path.display),
            ])
    }
}
