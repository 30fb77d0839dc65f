import EvidenceModel
import MediaIndex

/// When the device is emptied.
extension RootCollector {
    /// Asks whether anything is still on its way to the targets: until then nothing is removed, so that the device is
    /// disturbed once, at the end.
    func lookAhead(_ state: RootState, _ reader: Reader, _ group: inout DiscardingTaskGroup) {
        let (station, docking, sender) = (station, state.docking, reader.sender)
        group.addTask {
            let underWay = try? await station.database.read {
                try station.docks.filesUnderWay(docking: docking, in: $0)
            }
            sender.yield(.mayEmpty(underWay == 0))
        }
    }

    func empty(_ message: Message, _ state: inout RootState, _ reader: Reader, _ group: inout DiscardingTaskGroup) {
        switch message {
        case .mayEmpty(true) where state.isCollected && !state.emptying.isRunning:
            state.emptying.started()
            let sender = reader.sender
            let emptying = Emptying(
                root: root, docking: state.docking, station: station, lane: reader.lane, progress: reader.progress
            ) {
                sender.yield(.fileRemoved)
            }
            group.addTask { sender.yield(.emptied(await emptying.run())) }
        case .mayEmpty: state.emptying.postponed()
        case .fileRemoved: state.emptying.fileRemoved()
        case .emptied(let ending):
            reader.progress.reset()
            state.emptying.ended(ending)
        case .watched, .ended, .recollect, .found, .retryDue, .lookForRoom, .tick: break
        }
    }
}
