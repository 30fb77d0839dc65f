import Glibc
import Synchronization

/// Ends a lane's worker from outside, while the lane itself waits for it: an agent that is to end does not wait for a card
/// that hangs.
final class Interruption: Sendable {
    private struct State {
        /// Of the worker that has a file now.
        var busy: pid_t?
        var isOver = false
    }

    private let state = Mutex(State())

    var isOver: Bool { state.withLock(\.isOver) }

    /// Whether the worker may get a file. Until `rests` it may be killed, so nobody may reap it.
    func works(_ worker: pid_t) -> Bool {
        state.withLock { state in
            if state.isOver { return false }
            state.busy = worker
            return true
        }
    }

    func rests() {
        state.withLock { $0.busy = nil }
    }

    /// SIGKILL to the group of the worker that has a file, and no file to any worker any more.
    func interrupt() {
        state.withLock { state in
            state.isOver = true
            if let busy = state.busy { kill(-busy, SIGKILL) }
        }
    }
}
