import EvidenceModel
import Synchronization

/// The copies that this process makes at this moment: no two of one id, and none is promised room that another has been
/// promised already.
final class RunningCopies: Sendable {
    private struct State {
        /// Bytes that each still has to write.
        var reservedBytes: [RecordingID: Int64] = [:]
        /// Those that are made and neither sealed nor discarded: whoever made them still wants them.
        var complete: Set<RecordingID> = []

        func sum(without id: RecordingID? = nil) -> Int64 {
            reservedBytes.reduce(0) { $1.key == id ? $0 : $0 &+ $1.value }
        }
    }

    private let state = Mutex(State())

    /// Whether `id` is the caller's from now on, until `end`; not where another has it.
    func begin(_ id: RecordingID) -> Bool {
        state.withLock { state in
            guard state.reservedBytes[id] == nil else { return false }
            state.reservedBytes[id] = 0
            return true
        }
    }

    /// Every ending of what began: its room is free for others.
    func end(_ id: RecordingID, isComplete: Bool) {
        state.withLock { state in
            state.reservedBytes[id] = nil
            if isComplete { state.complete.insert(id) }
        }
    }

    /// A complete copy was sealed or discarded, or nobody waits for it any more.
    func forget(_ id: RecordingID) {
        state.withLock { _ = $0.complete.remove(id) }
    }

    /// Whether `id` is being copied, or complete.
    func holds(_ id: RecordingID) -> Bool {
        state.withLock { $0.reservedBytes[id] != nil || $0.complete.contains(id) }
    }

    /// Reserves `bytes` for `id`, which began, instead of what it had.
    ///
    /// - Parameter isFree: whether they are free beside those that others have reserved.
    func reserve<Failure: Error>(
        _ bytes: Int64, for id: RecordingID, isFree: (Int64) throws(Failure) -> Bool
    ) throws(Failure) -> Bool {
        try state.withLock { (state) throws(Failure) in
            guard try isFree(state.sum(without: id)) else { return false }
            state.reservedBytes[id] = bytes
            return true
        }
    }

    /// So many of the reserved bytes of `id` are written: the disk itself counts them now.
    func wrote(_ bytes: Int64, of id: RecordingID) {
        state.withLock { state in
            guard let left = state.reservedBytes[id] else { return }
            state.reservedBytes[id] = max(0, left - bytes)
        }
    }

    /// Bytes that are still to be written.
    var reservedBytes: Int64 { state.withLock { $0.sum() } }
}
