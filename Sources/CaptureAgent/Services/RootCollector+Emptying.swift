import EvidenceModel
import MediaIndex

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
            start(isFirst: state.emptying.started(), state.docking, reader, &group)
        case .fileRemoved: state.emptying.fileRemoved()
        case .emptied(let ending):
            reader.progress.reset()
            state.emptying.ended(ending)
        case .watched, .ended, .recollect, .found, .retryDue, .lookForRoom, .tick: break
        }
    }

    /// - Parameter isFirst: of this docking: a device that could not be made writable then is left as it is.
    private func start(isFirst: Bool, _ docking: Int64, _ reader: Reader, _ group: inout DiscardingTaskGroup) {
        let sender = reader.sender
        let emptying = Emptying(
            root: root, docking: docking, station: station, lane: reader.lane, progress: reader.progress
        ) {
            sender.yield(.fileRemoved)
        }
        group.addTask {
            var isOpened = false
            if isFirst, let before = source.beforeWipe, await !emptying.canWrite() {
                isOpened = await run(before) == nil
            }
            let ending = await emptying.run()
            if isOpened, let after = source.afterWipe { _ = await run(after) }
            sender.yield(.emptied(ending))
        }
    }
}
