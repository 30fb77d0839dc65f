import EvidenceModel
import Synchronization

/// What is known of a store, tried out when it is needed: at the first use, a day later, and when it gave an answer that
/// nobody expected.
final class S3Behaviour: Sendable {
    private struct State {
        var known: S3KnownCapabilities?
        /// A refusal came that what is known does not explain.
        var isDoubted = false
        /// After a try that came to nothing: not before then.
        var nextTry: WallTime?
    }

    /// Seconds between two tries because of doubt, and after one that came to nothing.
    private static let restSeconds = 600.0

    private let target: String
    private let memory: (any CapabilityMemory)?
    private let state: Mutex<State>
    /// One at a time tries; who asks meanwhile waits.
    private let turn = Budget(1)

    init(target: String, known: S3KnownCapabilities?, memory: (any CapabilityMemory)?) {
        self.target = target
        self.memory = memory
        state = Mutex(State(known: known))
    }

    /// What is known, however old.
    var known: S3Capabilities? { state.withLock { $0.known?.capabilities } }

    /// An answer came that is not explained by what is known.
    func doubt() {
        state.withLock { $0.isDoubted = true }
    }

    /// What is known and fresh, else what is known after `tryOut`. Where that fails, what was known before stays good.
    ///
    /// - Parameter isEnough: whether it answers what is asked now; else it counts as unknown.
    /// - Throws: what `tryOut` throws where nothing is known.
    func capabilities(
        now: @Sendable () -> WallTime, isEnough: @Sendable (S3Capabilities) -> Bool,
        tryOut: () async throws(TargetFailure) -> S3Capabilities
    ) async throws(TargetFailure) -> S3Capabilities {
        if let known = settled(at: now(), isEnough) { return known }
        return try await turn.spend(1) { () async throws(TargetFailure) in
            await recall()
            if let known = settled(at: now(), isEnough) { return known }
            do throws(TargetFailure) {
                let capabilities = try await tryOut()
                let known = S3KnownCapabilities(capabilities: capabilities, triedAt: now())
                state.withLock {
                    $0 = State(known: known, nextTry: now().adding(seconds: Self.restSeconds))
                }
                await memory?.remember(known, target: target)
                return capabilities
            } catch {
                guard error.kind != .cancelled, let known, isEnough(known) else { throw error }
                state.withLock { $0.nextTry = now().adding(seconds: Self.restSeconds) }
                return known
            }
        }
    }

    private func settled(at time: WallTime, _ isEnough: (S3Capabilities) -> Bool) -> S3Capabilities? {
        let state = state.withLock(\.self)
        guard let known = state.known, isEnough(known.capabilities) else { return nil }
        if known.isFresh(at: time) && !state.isDoubted { return known.capabilities }
        // Old or doubted, and yet not tried again at every request.
        guard let next = state.nextTry else { return nil }
        return (0..<Self.restSeconds).contains(next.seconds(since: time)) ? known.capabilities : nil
    }

    private func recall() async {
        guard state.withLock({ $0.known }) == nil, let recalled = await memory?.recall(target: target) else { return }
        state.withLock { $0.known = recalled }
    }
}
