import Synchronization

/// A clock that stands still until a test moves it, so that a test decides when time passes.
package final class ManualClock: Clock {
    package struct Instant: InstantProtocol {
        /// Since the clock was made.
        package var offset: Duration

        package func advanced(by duration: Duration) -> Self { Self(offset: offset + duration) }
        package func duration(to other: Self) -> Duration { other.offset - offset }
        package static func < (left: Self, right: Self) -> Bool { left.offset < right.offset }
    }

    private struct Sleeper {
        var deadline: Instant
        var continuation: CheckedContinuation<Void, any Error>
    }

    private struct Watcher {
        var isSatisfied: @Sendable ([Duration]) -> Bool
        var continuation: CheckedContinuation<Void, Never>
    }

    private struct State {
        var now = Instant(offset: .zero)
        var lastKey = 0
        var sleepers: [Int: Sleeper] = [:]
        var watchers: [Int: Watcher] = [:]

        var deadlines: [Duration] { sleepers.values.map(\.deadline.offset).sorted() }

        mutating func takeSatisfied() -> [Watcher] {
            let deadlines = deadlines
            let satisfied = watchers.filter { $0.value.isSatisfied(deadlines) }
            for key in satisfied.keys { watchers[key] = nil }
            return Array(satisfied.values)
        }

        mutating func makeKey() -> Int {
            lastKey += 1
            return lastKey
        }
    }

    private let state = Mutex(State())

    package init() {}

    package var now: Instant { state.withLock(\.now) }
    package var minimumResolution: Duration { .nanoseconds(1) }

    /// Since the clock was made, when each sleeper wakes; earliest first.
    package var deadlines: [Duration] { state.withLock(\.deadlines) }

    /// Moves the time on and resumes whoever slept until then.
    package func advance(by duration: Duration) {
        let due = state.withLock { state -> [Sleeper] in
            state.now = state.now.advanced(by: duration)
            let due = state.sleepers.filter { $0.value.deadline <= state.now }
            for key in due.keys { state.sleepers[key] = nil }
            return due.values.sorted { $0.deadline < $1.deadline }
        }
        for sleeper in due { sleeper.continuation.resume() }
    }

    /// Returns when at least `count` tasks sleep on this clock, or when the task is cancelled (a time limit).
    package func sleepers(atLeast count: Int = 1) async {
        await sleepers { $0.count >= count }
    }

    /// Returns when a task sleeps until `deadline`, counted since the clock was made, or when the task is cancelled.
    package func sleeper(until deadline: Duration) async {
        await sleepers { $0.contains(deadline) }
    }

    private func sleepers(satisfying condition: @escaping @Sendable ([Duration]) -> Bool) async {
        let key = state.withLock { $0.makeKey() }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let returnsAtOnce = state.withLock { state -> Bool in
                    if Task.isCancelled || condition(state.deadlines) { return true }
                    state.watchers[key] = Watcher(isSatisfied: condition, continuation: continuation)
                    return false
                }
                if returnsAtOnce { continuation.resume() }
            }
        } onCancel: {
            let watcher = state.withLock { $0.watchers.removeValue(forKey: key) }
            watcher?.continuation.resume()
        }
    }

    package func sleep(until deadline: Instant, tolerance: Duration?) async throws {
        let key = state.withLock { $0.makeKey() }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                fallAsleep(key, Sleeper(deadline: deadline, continuation: continuation))
            }
        } onCancel: {
            let sleeper = state.withLock { $0.sleepers.removeValue(forKey: key) }
            sleeper?.continuation.resume(throwing: CancellationError())
        }
    }

    private func fallAsleep(_ key: Int, _ sleeper: Sleeper) {
        // Asked inside the lock: a cancellation either is seen here, or finds the sleeper in its place.
        let (outcome, watchers) = state.withLock { state -> (Result<Void, any Error>?, [Watcher]) in
            if Task.isCancelled { return (.failure(CancellationError()), []) }
            if sleeper.deadline <= state.now { return (.success(()), []) }
            state.sleepers[key] = sleeper
            return (nil, state.takeSatisfied())
        }
        for watcher in watchers { watcher.continuation.resume() }
        if let outcome { sleeper.continuation.resume(with: outcome) }
    }
}
