import Collector
import EvidenceModel
import FileAccess
import Glibc
import Logging
import MediaIndex
import SyncEngine

/// What follows when the reading of a file has ended.
extension RootCollector {
    func end(_ outcome: FileCollection.Outcome, _ state: inout RootState) async -> [CollectMachine.Action] {
        let file = state.machine.reading
        switch outcome {
        case .collected(_, let reading, _), .known(let reading):
            state.name(reading)
            await forget(file, &state)
            if case .collected(let recording, _, let isExchanged) = outcome {
                tell(recording)
                if isExchanged { state.filesExchanged += 1 }
            }
            let actions = state.machine.fileCollected()
            if state.machine.isIdle { await retryParked() }
            return actions
        case .salvaged(let recording, let reading, let bytes):
            state.name(reading)
            tell(recording)
            if let file {
                await note(file, "\(bytes) bytes of it could not be read; the rest is a recording now", &state)
            }
            return state.machine.fileSalvaged()
        case .failed(let failure): return await end(failure, file, &state)
        case .notCatalogued(let reason): return await failed(file, "the catalogue cannot be written: \(reason)", &state)
        }
    }

    private func end(
        _ failure: CollectFailure, _ file: SettledFile?, _ state: inout RootState
    ) async -> [CollectMachine.Action] {
        switch failure {
        case .changed:
            // If it really has, it settles anew and takes this one's place; until then it is not collected.
            return await failed(file, "it changed while it was read", &state)
        case .vanished:
            // Believed at the second look: a card that answers badly is not an empty card.
            guard let file, state.machine.failures[file.path]?.reason == Self.vanished else {
                return await failed(file, Self.vanished, &state)
            }
            await forget(file, &state)
            return state.machine.fileChanged()
        case .cancelled: return []
        case .spoolFull(let bytes):
            station.logger.warning("the spool is full", metadata: ["source": "\(root.source)", "bytes": "\(bytes)"])
            return state.machine.spoolFilled(needing: bytes)
        case .deviceGone(let error): return await failed(file, "the device does not answer: \(error)", &state)
        case .unreadable(let error):
            let reason = "it cannot be read: \(error)"
            if let file { await note(file, reason, &state) }
            let jitter = Double.random(in: 0...1)
            return failure.asksForSalvage
                ? state.machine.fileUnreadable(reason, jitter: jitter)
                : state.machine.fileFailed(reason, jitter: jitter)
        case .spoolFailed(let error) where error.code == EFBIG:
            return await failed(
                file, "it is larger than the spool's disk can ever hold: give the spool a larger one", &state)
        case .spoolFailed(let error) where error.code == EBUSY:
            return await failed(file, "it is just being copied: is its device mounted twice?", &state)
        case .spoolFailed(let error): return await failed(file, "the spool cannot be written: \(error)", &state)
        }
    }

    private static let vanished = "it is not there any more"

    private func failed(
        _ file: SettledFile?, _ reason: String, _ state: inout RootState
    ) async -> [CollectMachine.Action] {
        if let file { await note(file, reason, &state) }
        return state.machine.fileFailed(reason, jitter: Double.random(in: 0...1))
    }

    private func tell(_ recording: RecordingID) {
        // Not its name: that has the officer's number in it.
        station.logger.info(
            "a file is collected", metadata: ["source": "\(root.source)", "recording.id": "\(recording)"])
        collected()
    }

    /// Shows a file as not collected.
    private func note(_ file: SettledFile, _ reason: String, _ state: inout RootState) async {
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

    /// A file that failed before is no longer a failure.
    private func forget(_ file: SettledFile?, _ state: inout RootState) async {
        guard let file, state.reportedFailures.remove(file.path) != nil else { return }
        let (docks, root) = (station.docks, root)
        await write {
            try docks.removeUncollected(
                source: root.source, fileSystem: root.fileSystem, path: file.path, in: $0)
        }
    }

    /// What lies on this device is collected, or known to lie here: copies that waited for its bytes can go on.
    private func retryParked() async {
        let (journal, now) = (station.journal, Station.now())
        await write { try journal.makeParkedDue(at: now, in: $0) }
    }
}
