package import EvidenceModel

/// When verified copies are asked about again: each once in a period, evenly over it, and a sample of them read back.
package struct CheckPace: Sendable, Hashable {
    package let periodSeconds: Double
    /// Of the copies asked about, how many of a hundred are read back and hashed.
    package let samplePercent: Double

    package init(periodSeconds: Double, samplePercent: Double) {
        self.periodSeconds = periodSeconds
        self.samplePercent = samplePercent
    }

    private func stepSeconds(_ copies: Int) -> Double { periodSeconds / Double(max(1, copies)) }

    /// Where the count begins: not ahead of a clock that fell back, and not so far behind that all come at once.
    private func bounded(_ counted: WallTime, _ now: WallTime) -> WallTime {
        max(min(counted, now), now.adding(seconds: -periodSeconds))
    }

    /// The moment at which the next question is owed.
    ///
    /// - Parameters:
    ///   - counted: the moment up to which questions are counted.
    ///   - copies: how many verified copies the target has, at least one.
    ///   - leastCheckedAt: when it was last asked about the one whose turn it is.
    package func dueAt(counted: WallTime, copies: Int, leastCheckedAt: WallTime, now: WallTime) -> WallTime {
        min(
            bounded(counted, now).adding(seconds: stepSeconds(copies)), leastCheckedAt.adding(seconds: periodSeconds))
    }

    /// The moment up to which questions are counted after one was asked: what is still owed stays owed.
    package func counted(_ counted: WallTime, copies: Int, now: WallTime) -> WallTime {
        min(now, bounded(counted, now).adding(seconds: stepSeconds(copies)))
    }

    /// Passes in which every copy is read back once.
    package var passesToReadAll: Int? {
        samplePercent > 0 ? max(1, Int((100 / samplePercent).rounded(.up))) : nil
    }

    /// Whether a copy is read back in its `pass`th pass, which counts from 0: once in every `passesToReadAll`.
    package func isReadBack(_ recording: RecordingID, pass: Int) -> Bool {
        guard let passes = passesToReadAll else { return false }
        // FNV-1a, 32 bit: ids made in one moment differ in their last digits only.
        let hash = recording.text.utf8.reduce(UInt32(2_166_136_261)) { ($0 ^ UInt32($1)) &* 16_777_619 }
        return (Int(hash) + pass) % passes == 0
    }
}

/// What is done for a target when nothing is urgent: manifests are stored, copies asked about again, orphans given up.
/// One thing at a time.
///
///     looked ─▶ perform(work) ─▶ done ───▶ looked …
///        │             └───────▶ failed ─▶ rests, longer each time ─▶ looked …
///        └─▶ rest
package struct CareMachine: Sendable {
    package enum Work: Sendable, Hashable {
        case manifest, check, sweep
    }

    package enum Action: Sendable, Hashable {
        case perform(Work)
        /// Nothing now: look again after `lookSeconds`, or when something is new.
        case rest
    }

    package struct Facts: Sendable, Hashable {
        /// The target is used: no pause of its uploads.
        package var isUp: Bool
        package var hasManifest: Bool
        /// When a question about a copy is owed; nothing where there is no copy.
        package var checkDueAt: WallTime?

        package init(isUp: Bool, hasManifest: Bool, checkDueAt: WallTime?) {
            self.isUp = isUp
            self.hasManifest = hasManifest
            self.checkDueAt = checkDueAt
        }
    }

    /// Seconds after the start before the first sweep: what was interrupted is taken up first.
    package static let firstSweepSeconds = 600.0
    package static let sweepSeconds = 86_400.0
    /// Between two looks when nothing rings.
    package static let lookSeconds = 5.0

    private var sweepDueAt: WallTime
    private var failures = 0
    private var restsUntil: WallTime?

    package init(at time: WallTime) {
        sweepDueAt = time.adding(seconds: Self.firstSweepSeconds)
    }

    package mutating func looked(_ facts: Facts, at time: WallTime) -> Action {
        // A clock that fell back by more than the longest pause has made the rest meaningless.
        if let until = restsUntil, time < until, until.seconds(since: time) <= 300 {
            return .rest
        }
        restsUntil = nil
        guard facts.isUp else { return .rest }
        if facts.hasManifest { return .perform(.manifest) }
        if sweepDueAt <= time || sweepDueAt.seconds(since: time) > Self.sweepSeconds { return .perform(.sweep) }
        if let due = facts.checkDueAt, due <= time { return .perform(.check) }
        return .rest
    }

    package mutating func done(_ work: Work, at time: WallTime) {
        failures = 0
        if work == .sweep { sweepDueAt = time.adding(seconds: Self.sweepSeconds) }
    }

    /// - Parameter jitter: 0 to 1, drawn by the caller.
    package mutating func failed(_ failure: TargetFailure, at time: WallTime, jitter: Double) {
        failures += 1
        // Never at once, as the target's own pauses.
        var seconds = Backoff.seconds(attempt: failures, jitter: 0.5 + jitter / 2, base: 0.5)
        if case .throttled(let asked?) = failure.kind { seconds = max(seconds, min(asked, 300)) }
        restsUntil = time.adding(seconds: seconds)
    }
}
