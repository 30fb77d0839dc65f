import Synchronization

/// A bell that one task waits for and anybody rings: rung before the wait, it still counts; rung often, it counts once.
final class WakeSignal: Sendable {
    private struct State {
        var isRung = false
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    func ring() {
        let waiter = state.withLock { state in
            state.isRung = state.waiter == nil
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }

    /// Forgets what was rung so far.
    func clear() {
        state.withLock { $0.isRung = false }
    }

    /// Returns when the bell is rung, or the task cancelled. One task at a time.
    func wait() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let returnsAtOnce = state.withLock { state in
                    // Asked inside the lock: a cancellation either is seen here, or rings for the waiter.
                    if state.isRung || Task.isCancelled { return true }
                    state.waiter = continuation
                    return false
                }
                if returnsAtOnce { continuation.resume() }
            }
            clear()
        } onCancel: {
            ring()
        }
    }
}
