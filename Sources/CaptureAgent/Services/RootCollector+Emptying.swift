import EvidenceModel
import MediaIndex
import Synchronization

/// When the device is emptied.
extension RootCollector {
    /// Asks what could be removed, or was about to be when the agent was killed. Nothing is while anything is still on its way to the targets, so that the device is
    /// disturbed once, at the end.
    func lookAhead(_ state: RootState, _ reader: Reader, _ group: inout DiscardingTaskGroup) {
        let (station, root, docking, sender) = (station, root, state.docking, reader.sender)
        group.addTask {
            let files = try? await station.database.read { database in
                if try station.docks.filesUnderWay(docking: docking, in: database) > 0 { return 0 }
                let open = try station.docks.openRemovals(
                    source: root.source, fileSystem: root.fileSystem, in: database)
                return try station.docks.filesRemovable(docking: docking, in: database) + open.count
            }
            sender.yield(.mayEmpty(files: files ?? 0))
        }
    }

    func empty(_ message: Message, _ state: inout RootState, _ reader: Reader, _ group: inout DiscardingTaskGroup) {
        switch message {
        case .mayEmpty(let files):
            guard state.isCollected, state.emptying.mayStart(files) else { return }
            start(mayOpen: state.emptying.started(), state.docking, reader, &group)
        case .fileRemoved: state.emptying.fileRemoved()
        case .emptied(let ending):
            reader.progress.reset()
            state.emptying.ended(ending)
        case .signsRead, .attached, .watched, .ended, .recollect, .found, .retryDue, .roomFound, .tick: break
        }
    }

    /// - Parameter mayOpen: whether the program that makes the device writable is run where it is not.
    private func start(mayOpen: Bool, _ docking: Int64, _ reader: Reader, _ group: inout DiscardingTaskGroup) {
        let (sender, writing) = (reader.sender, WritingTime())
        let emptying = Emptying(
            root: root, docking: docking, station: station, lane: reader.lane, progress: reader.progress,
            targets: targets,
            keepWritable: {
                if let before = source.beforeWipe, writing.isOver { writing.begin(await run(before) == nil) }
            },
            removed: { sender.yield(.fileRemoved) })
        group.addTask {
            if mayOpen, let before = source.beforeWipe, await !emptying.canWrite() {
                writing.begin(await run(before) == nil)
            }
            let ending = await emptying.run()
            if writing.isBegun, let after = source.afterWipe { _ = await run(after) }
            sender.yield(.emptied(ending))
        }
    }
}

/// For how long a device that a program made writable may be taken to be so: whoever grants that takes it back after a
/// while, should nobody ask again.
private final class WritingTime: Sendable {
    private static let longest = Duration.seconds(300)
    private let since = Mutex<ContinuousClock.Instant?>(nil)

    var isBegun: Bool { since.withLock { $0 != nil } }
    var isOver: Bool { since.withLock { $0.map { $0.duration(to: .now) > Self.longest } ?? false } }

    func begin(_ isGranted: Bool) {
        since.withLock { if isGranted { $0 = .now } }
    }
}
