package import EvidenceModel

/// How many requests a target is given at once: one more while that brings more, half when it is too many (additive
/// increase, multiplicative decrease: Chiu, Jain, 1989).
///
///     start 4 ── 32 parts arrived, and more bytes a second than at the last rise by 5 % ─▶ +1, up to the ceiling
///                throttled, stalled or broken ─▶ half, down to 1
///
/// Invariant: 1 ≤ `value` ≤ ceiling.
package struct RequestLimit: Sendable, Hashable {
    package static let start = 4
    private static let cleanParts = 32
    private static let growth = 1.05

    package private(set) var value: Int
    package let ceiling: Int
    private var parts = 0
    private var bytes: Int64 = 0
    private var since: WallTime?
    /// Bytes per second before the last rise.
    private var goodput: Double?
    private var halvedAt: WallTime?

    package init(ceiling: Int) {
        precondition(ceiling >= 1, "at least one request at a time")
        self.ceiling = ceiling
        value = min(Self.start, ceiling)
    }

    /// The target took a part.
    ///
    /// - Parameter isFull: every request it was allowed was under way; else its limit was not what held it up, and the
    ///   part says nothing about it.
    package mutating func arrived(bytes: Int64, begunAt: WallTime, at time: WallTime, isFull: Bool) {
        guard isFull else { return beginAgain() }
        since = since ?? begunAt
        parts += 1
        self.bytes += bytes
        guard parts >= Self.cleanParts, let since else { return }
        let rate = Double(self.bytes) / max(time.seconds(since: since), 0.001)
        let isGrowing = goodput.map { rate > $0 * Self.growth } ?? true
        if isGrowing && value < ceiling {
            value += 1
            goodput = rate
        }
        beginAgain()
    }

    /// The target asked for patience, or a request to it broke or stalled.
    ///
    /// - Parameter begunAt: when that request began. What began before the last halving says nothing new.
    package mutating func slowed(begunAt: WallTime, at time: WallTime) {
        beginAgain()
        if let halvedAt, begunAt < halvedAt { return }
        halvedAt = time
        goodput = nil
        value = max(1, value / 2)
    }

    private mutating func beginAgain() {
        (parts, bytes, since) = (0, 0, nil)
    }
}
