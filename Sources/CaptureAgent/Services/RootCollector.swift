import Collector
import DockWatch
import EvidenceModel
import FileAccess
import Logging
import MediaIndex
import SyncEngine

/// Collects one watched tree: what its watcher says has settled is read, one file after the other, on the tree's lane;
/// and what is safe is removed from it, where its source says so.
struct RootCollector: Sendable {
    let root: WatchedRoot
    let source: AgentConfiguration.Source
    let station: Station
    let board: RootBoard
    /// None where the configuration names no program to run.
    let hooks: AttachHooks?
    /// What is asked before a file is removed from a device.
    let targets: [any StorageTarget]
    /// It was not yet there when the agent began to watch.
    let cameWhileWatched: Bool
    /// Told after each new recording.
    let collected: @Sendable () -> Void

    enum Message: Sendable {
        /// What the device's small files say; nothing else is asked of it before.
        case signsRead(DeviceSigns)
        /// The programs for such a device were run, with this trouble.
        case attached(String?)
        case watched(RootEvent)
        case ended(FileCollection.Outcome)
        /// A file's copy on the station is lost or broken: it is read again.
        case recollect(RawPath)
        case found(SettledFile)
        case retryDue
        case roomFound
        /// So many files are at every target and still on the device.
        case mayEmpty(files: Int)
        case fileRemoved
        case emptied(Emptying.Ending)
        case tick
    }

    /// Seconds between looks for room in the spool, and between tries on a database that cannot be written.
    static let roomSeconds = 2.0
    /// Seconds between two showings of how far the tree is.
    private static let tickSeconds = 1.0

    typealias Sender = AsyncStream<Message>.Continuation

    /// What the reading of files works with.
    struct Reader {
        let lane: IOLane
        let progress = ReadProgress()
        let sender: Sender
        /// Empty until they were read: before the first look.
        var signs = DeviceSigns()
    }

    /// Works until the task is cancelled: the device is gone, or the agent stops.
    func run() async {
        let lane = IOLane(label: "read \(root.path.display)")
        let (mailbox, sender) = AsyncStream<Message>.makeStream()
        station.roots.add(root, lane: lane) { sender.yield(.recollect($0)) }
        defer { station.roots.remove(root) }
        guard var state = await begin() else { return }
        var reader = Reader(lane: lane, sender: sender)
        await withTaskCancellationHandler {
            await withDiscardingTaskGroup { group in
                group.addTask { [reader] in sender.yield(.signsRead(await readSigns(reader))) }
                group.addTask { await tick(sender) }
                for await message in mailbox {
                    let actions = await handle(message, &state, &reader, &group)
                    for action in actions { carryOut(action, state.docking, reader, &group) }
                    await show(&state, reader.progress)
                }
                group.cancelAll()
                // Before what hangs in the device has ended: that may take for ever.
                await end(state)
            }
        } onCancel: {
            sender.finish()
        }
    }

    private func watch(_ sender: Sender) async {
        let watcher = RootWatcher(
            root: root, settle: .seconds(source.settleSeconds),
            rescanInterval: source.rescanSeconds.map { .seconds($0) }, lane: IOLane(label: "scan \(root.path.display)"))
        await watcher.run { event in sender.yield(.watched(event)) }
    }

    private func tick(_ sender: Sender) async {
        while (try? await Task.sleep(for: .seconds(Self.tickSeconds))) != nil { sender.yield(.tick) }
    }

    // MARK: Deciding

    private func handle(
        _ message: Message, _ state: inout RootState, _ reader: inout Reader, _ group: inout DiscardingTaskGroup
    ) async -> [CollectMachine.Action] {
        switch message {
        case .signsRead(let signs):
            reader.signs = signs
            let sender = reader.sender
            group.addTask { sender.yield(.attached(await runAttachHooks(signs))) }
        case .attached(let trouble):
            state.attachTrouble = trouble
            let sender = reader.sender
            group.addTask { await watch(sender) }
        case .watched(.settled(let files)):
            files.filter(\.looksPreallocated).forEach(tellHollow)
            return state.machine.filesSettled(files.map { candidate($0, reader) })
        case .watched(.skipped(let entries)): await note(skipped: entries)
        case .watched(.scanned(let summary)):
            state.scanned(summary)
            await measureClock(summary, reader.signs, &state)
        case .watched(.unreachable(let error)): state.unreachable(error)
        case .ended(let outcome):
            reader.progress.reset()
            return await end(outcome, &state)
        case .recollect(let path): find(path, reader, &group)
        case .found(let file): return state.machine.filesSettled([candidate(file, reader)])
        case .retryDue: return state.machine.retryDue()
        case .roomFound: return state.machine.roomFound()
        case .mayEmpty, .fileRemoved, .emptied: empty(message, &state, reader, &group)
        case .tick:
            state.ticked(reader.progress, at: Station.now())
            if source.wipe == .afterReceipt, state.isCollected, state.emptying.ticked() {
                lookAhead(state, reader, &group)
            }
        }
        return []
    }

    private func candidate(_ file: SettledFile, _ reader: Reader) -> CollectMachine.Candidate {
        let reading = station.profiles.read(path: file.path, volumeLabel: root.label, signs: reader.signs)
        return CollectMachine.Candidate(file, isImportant: reading.marks.isImportant)
    }

    /// Its writer may never have filled it; what is in it is collected all the same, and its health says the rest.
    private func tellHollow(_ file: SettledFile) {
        station.logger.warning(
            "a file that ends in zeros is taken for finished: its end stood still",
            metadata: ["source": "\(root.source)", "path": "\(file.path)"])
    }

    // MARK: Acting

    private func carryOut(
        _ action: CollectMachine.Action, _ docking: Int64, _ reader: Reader, _ group: inout DiscardingTaskGroup
    ) {
        let sender = reader.sender
        switch action {
        case .read(let file, let mode):
            let collection = FileCollection(
                root: root, docking: docking, file: file, signs: reader.signs, mode: mode, collect: source.collect,
                station: station, lane: reader.lane, progress: reader.progress)
            group.addTask { sender.yield(.ended(await collection.run())) }
        case .waitForRoom(let bytes):
            group.addTask {
                while await !station.room.make(bytes: bytes) {
                    guard (try? await Task.sleep(for: .seconds(Self.roomSeconds))) != nil else { return }
                }
                sender.yield(.roomFound)
            }
        case .retry(let seconds):
            group.addTask {
                guard (try? await Task.sleep(for: .seconds(seconds))) != nil else { return }
                sender.yield(.retryDue)
            }
        }
    }

    /// The file as it is on the device now is to be read again.
    private func find(_ path: RawPath, _ reader: Reader, _ group: inout DiscardingTaskGroup) {
        let (root, lane, sender) = (root, reader.lane, reader.sender)
        group.addTask {
            let stamp = try? await lane.run { () throws(FileAccessError) in
                try DirectoryTree(root).file(path).status().stamp
            }
            if let stamp { sender.yield(.found(SettledFile(path: path, stamp: stamp))) }
        }
    }
}
