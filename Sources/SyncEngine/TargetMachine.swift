package import EvidenceModel

/// Whether a target as a whole can be used, and how it is tried again when it cannot.
///
///     up ── suspended ─▶ waiting ── pauseOver ─▶ probing ── progressed ─▶ up
///                           ▲                       │
///                           └────── suspended ──────┘
///
/// Invariant: while the target is not up, at most one upload at a time tries it.
package struct TargetMachine: Sendable {
    package enum State: Sendable, Hashable {
        case up
        /// Nothing is sent.
        case waiting(TargetFailure, since: WallTime)
        /// One upload tries whether the cause has gone.
        case probing(TargetFailure, since: WallTime)
    }

    package enum Action: Sendable, Hashable {
        /// Call `pauseOver` after so many seconds.
        case pause(seconds: Double)
        /// The target can be used again after a pause.
        case resumed
        /// The state is another one now: show it.
        case show
    }

    package private(set) var state: State = .up
    /// Pauses in a row.
    package private(set) var attempts = 0

    package init() {}

    /// Uploads that may run at once: 0, 1 or as many as there is use for.
    package var mayStart: Bool {
        if case .waiting = state { false } else { true }
    }

    package var isUp: Bool { state == .up }

    package var isProbing: Bool {
        if case .probing = state { true } else { false }
    }

    /// An upload ended because the target as a whole failed.
    package mutating func suspended(_ failure: TargetFailure, at time: WallTime, jitter: Double) -> [Action] {
        let since: WallTime
        switch state {
        case .up: since = time
        case .probing(_, let first): since = first
        case .waiting(_, let first):
            // Others that were on their way fail for the same cause: one pause is enough.
            state = .waiting(failure, since: first)
            return [.show]
        }
        state = .waiting(failure, since: since)
        attempts += 1
        // Never at once: the least pause is half of what full jitter could give.
        let longest = Backoff.seconds(
            attempt: attempts, jitter: 1, base: 0.5, longest: failure.longestPauseSeconds)
        return [.pause(seconds: longest * (0.5 + jitter / 2)), .show]
    }

    package mutating func pauseOver() -> [Action] {
        guard case .waiting(let failure, let since) = state else { return [] }
        state = .probing(failure, since: since)
        return []
    }

    /// The target took something, or answered a question as it should.
    package mutating func progressed() -> [Action] {
        attempts = 0
        guard state != .up else { return [] }
        state = .up
        return [.resumed, .show]
    }
}
