import Synchronization

/// A quantity that tasks share: bytes of memory, requests at once. Who wants more than is left waits, first come, first
/// served, so that a large want is not starved by small ones.
package final class Budget: Sendable {
    private struct Waiter {
        var number: Int
        var amount: Int
        var continuation: CheckedContinuation<Bool, Never>
    }

    private struct State {
        var left: Int
        var waiters: [Waiter] = []
        var nextNumber = 0
    }

    private let total: Int
    private let state: Mutex<State>

    package init(_ total: Int) {
        self.total = total
        state = Mutex(State(left: total))
    }

    /// How many stand in the queue.
    var waiting: Int { state.withLock { $0.waiters.count } }

    /// Runs `body` while `amount`, or all there is if that is less, is set aside for it.
    ///
    /// - Throws: `TargetFailure` of kind `.cancelled` when the task is cancelled before its turn; what `body` throws.
    package func spend<Result>(
        _ amount: Int, _ body: () async throws(TargetFailure) -> Result
    ) async throws(TargetFailure) -> Result {
        let share = min(max(amount, 0), total)
        guard await acquire(share) else {
            throw TargetFailure(kind: .cancelled, sentence: "cancelled while it waited for its turn")
        }
        defer { release(share) }
        return try await body()
    }

    private func acquire(_ amount: Int) async -> Bool {
        let number = state.withLock { state in
            state.nextNumber += 1
            return state.nextNumber
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let immediate: Bool? = state.withLock { state in
                    if Task.isCancelled { return false }
                    if state.waiters.isEmpty && state.left >= amount {
                        state.left -= amount
                        return true
                    }
                    state.waiters.append(Waiter(number: number, amount: amount, continuation: continuation))
                    return nil
                }
                if let immediate { continuation.resume(returning: immediate) }
            }
        } onCancel: {
            let waiter = state.withLock { state in
                state.waiters.firstIndex { $0.number == number }.map { state.waiters.remove(at: $0) }
            }
            waiter?.continuation.resume(returning: false)
            // Whoever stood behind a large want may fit now.
            release(0)
        }
    }

    private func release(_ amount: Int) {
        let served = state.withLock { state in
            state.left += amount
            var served: [Waiter] = []
            while let first = state.waiters.first, first.amount <= state.left {
                state.left -= first.amount
                served.append(state.waiters.removeFirst())
            }
            return served
        }
        for waiter in served { waiter.continuation.resume(returning: true) }
    }
}
