package import EvidenceModel
import Synchronization

/// Lets requests to one target go, so many at once, each when it is its turn (`RequestQueue`) and the link has room
/// (`Bandwidth`).
package final class RequestSlots: Sendable {
    private struct State {
        var queue: RequestQueue
        var continuations: [Int: CheckedContinuation<Bool, Never>] = [:]
        var lastNumber = 0
    }

    private let target: String
    private let bandwidth: Bandwidth
    private let now: @Sendable () -> WallTime
    private let state: Mutex<State>
    private let delays: AsyncStream<Double>
    private let delaySender: AsyncStream<Double>.Continuation

    package init(
        target: String, ceiling: Int, bandwidth: Bandwidth, now: @escaping @Sendable () -> WallTime
    ) {
        self.target = target
        self.bandwidth = bandwidth
        self.now = now
        state = Mutex(State(queue: RequestQueue(limit: RequestLimit(ceiling: ceiling))))
        (delays, delaySender) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Requests that may be under way at once now.
    package var limit: Int { state.withLock(\.queue.limit.value) }

    /// How many wait for their turn.
    var waiting: Int { state.withLock(\.queue.waiters.count) }

    /// While the target is not up, what has time waits.
    func allowRechecks(_ isAllowed: Bool) {
        state.withLock { $0.queue.allowsRechecks = isAllowed }
        letGo()
    }

    /// Looks again when the link has room; until the task is cancelled. Runs once.
    func keepTime(_ clock: any Clock<Duration>) async {
        for await seconds in delays {
            do { try await clock.sleep(for: .seconds(seconds)) } catch { return }
            letGo()
        }
    }

    /// Runs `body` when it is the claim's turn, with `SendSpeed` set to what the link allows it, and learns from what
    /// comes of it how many requests the target can take.
    ///
    /// - Throws: `TargetFailure` of kind `.cancelled` when the task is cancelled before its turn; what `body` throws.
    package func spend<Result: Sendable>(
        _ claim: RequestClaim, _ body: () async throws(TargetFailure) -> Result
    ) async throws(TargetFailure) -> Result {
        guard await acquire(claim) else {
            throw TargetFailure(kind: .cancelled, sentence: "cancelled while it waited for its turn")
        }
        let begunAt = now()
        let speed = claim.bytes > 0 ? bandwidth.speed(claim, target: target, at: begunAt) : nil
        let outcome: Swift.Result<Result, TargetFailure> = await SendSpeed.$bytesPerSecond.withValue(speed) {
            do throws(TargetFailure) { return .success(try await body()) } catch { return .failure(error) }
        }
        ended(claim, begunAt: begunAt, failure: outcome.failure)
        return try outcome.get()
    }

    private func ended(_ claim: RequestClaim, begunAt: WallTime, failure: TargetFailure?) {
        let time = now()
        state.withLock { state in
            if let failure {
                if failure.asksForLess { state.queue.limit.slowed(begunAt: begunAt, at: time) }
            } else if claim.bytes > 0 {
                state.queue.limit.arrived(
                    bytes: claim.bytes, begunAt: begunAt, at: time, isFull: state.queue.isFull)
            }
            state.queue.ended()
        }
        letGo()
    }

    private func acquire(_ claim: RequestClaim) async -> Bool {
        let number = state.withLock { state in
            state.lastNumber += 1
            return state.lastNumber
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isCancelled = state.withLock { state in
                    if Task.isCancelled { return true }
                    state.queue.wants(claim, number: number)
                    state.continuations[number] = continuation
                    return false
                }
                if isCancelled { continuation.resume(returning: false) } else { letGo() }
            }
        } onCancel: {
            let waiter = state.withLock { state in
                state.queue.gaveUp(number: number) ? state.continuations.removeValue(forKey: number) : nil
            }
            waiter?.resume(returning: false)
            letGo()
        }
    }

    /// Lets everything go that may.
    private func letGo() {
        while true {
            // Asked before the queue is locked: nobody holds two locks. Another target may take the room in between;
            // what both then send too much is taken off what comes next.
            let time = now()
            let opening = bandwidth.opening(for: target, at: time)
            let (granted, isHeldUp) = state.withLock { state in
                guard let waiter = state.queue.next(opening.lets) else {
                    return (
                        nil as (RequestClaim, CheckedContinuation<Bool, Never>?)?, state.queue.isHeldUp(opening.lets)
                    )
                }
                return ((waiter.claim, state.continuations.removeValue(forKey: waiter.number)), false)
            }
            guard let (claim, continuation) = granted else {
                if isHeldUp { delaySender.yield(opening.delaySeconds) }
                return
            }
            bandwidth.take(claim, target: target, at: time)
            continuation?.resume(returning: true)
        }
    }
}

extension Result where Failure == TargetFailure {
    fileprivate var failure: TargetFailure? {
        if case .failure(let failure) = self { failure } else { nil }
    }
}

extension TargetFailure {
    /// Whether it speaks for fewer requests at once. A target that has a fault of its own is not thereby too busy, but
    /// one that answers 503 or lets a request run into its time limit is.
    fileprivate var asksForLess: Bool {
        switch kind {
        case .throttled, .interrupted: true
        case .serverFault: ["ServiceUnavailable", "RequestTimeout", "408", "503", "504"].contains(code)
        case .unreachable, .certificate, .clock, .denied, .misconfigured, .full, .uploadUnknown, .corruptedOnTheWay,
            .partsDisagree, .rejected, .unlocked, .sourceUnavailable, .sourceChanged, .differs, .stationFault,
            .cancelled:
            false
        }
    }
}
