package import EvidenceModel
import Synchronization

/// The speed at which the bytes of the present request go on the line, where that is limited.
///
/// A value of the task: it is the line's business, and no target need hand it on.
package enum SendSpeed {
    @TaskLocal package static var bytesPerSecond: Int?
}

/// What a station's link may be used for: one limit for all targets together, and one for each.
package final class Bandwidth: Sendable {
    private let state: Mutex<LinkBuckets>

    /// - Parameters:
    ///   - all: the limits of the whole station.
    ///   - each: those of single targets, by name.
    ///   - ignoring: classes that no limit holds up.
    ///   - offsetSeconds: seconds that the station's zone is east of UTC at a moment.
    package init(
        all: BandwidthTimetable, each: [String: BandwidthTimetable], ignoring: Set<UploadClass>,
        offsetSeconds: @escaping @Sendable (WallTime) -> Int
    ) {
        state = Mutex(LinkBuckets(all: all, each: each, ignoring: ignoring, offsetSeconds: offsetSeconds))
    }

    /// No limit at all.
    package static var unlimited: Bandwidth {
        Bandwidth(all: BandwidthTimetable([]), each: [:], ignoring: [], offsetSeconds: { _ in 0 })
    }

    func opening(for target: String, at time: WallTime) -> LinkBuckets.Opening {
        state.withLock { $0.opening(for: target, at: time) }
    }

    func take(_ claim: RequestClaim, target: String, at time: WallTime) {
        state.withLock { $0.take(claim, target: target, at: time) }
    }

    /// Bytes per second at which the claim's bytes may go; none where nothing limits them.
    func speed(_ claim: RequestClaim, target: String, at time: WallTime) -> Int? {
        state.withLock { $0.speed(claim, target: target, at: time) }
    }
}

/// The buckets of a link and of its targets, and whose turn it is at the one they share.
struct LinkBuckets: Sendable {
    struct Opening: Sendable {
        let ignoring: Set<UploadClass>
        /// Seconds until bytes may go, or until it is worth asking again; 0 for now.
        let delaySeconds: Double

        func lets(_ claim: RequestClaim) -> Bool {
            claim.bytes == 0 || delaySeconds <= 0 || ignoring.contains(claim.uploadClass)
        }
    }

    /// Seconds after which a limit is looked up again in any case: the timetable may have another one by then.
    static let longestDelaySeconds = 10.0
    /// Seconds by which a target that took a part from the shared limit lets the others go first.
    static let courtesySeconds = 0.02

    private let all: BandwidthTimetable
    private let each: [String: BandwidthTimetable]
    private let ignoring: Set<UploadClass>
    private let offsetSeconds: @Sendable (WallTime) -> Int
    private var shared = TokenBucket()
    private var own: [String: TokenBucket] = [:]
    /// Targets that took something from the shared bucket; the last one last.
    private var takers: [String] = []

    init(
        all: BandwidthTimetable, each: [String: BandwidthTimetable], ignoring: Set<UploadClass>,
        offsetSeconds: @escaping @Sendable (WallTime) -> Int
    ) {
        self.all = all
        self.each = each
        self.ignoring = ignoring
        self.offsetSeconds = offsetSeconds
    }

    private func limit(_ timetable: BandwidthTimetable?, at time: WallTime) -> BandwidthLimit {
        timetable?.limit(at: time, offsetSeconds: offsetSeconds(time)) ?? .unlimited
    }

    mutating func opening(for target: String, at time: WallTime) -> Opening {
        var delay = shared.delaySeconds(limit(all, at: time), at: time)
        if delay > 0, let place = takers.firstIndex(of: target) {
            delay += Double(place + 1) * Self.courtesySeconds
        }
        delay = max(delay, own[target, default: TokenBucket()].delaySeconds(limit(each[target], at: time), at: time))
        return Opening(ignoring: ignoring, delaySeconds: min(delay, Self.longestDelaySeconds))
    }

    mutating func take(_ claim: RequestClaim, target: String, at time: WallTime) {
        guard claim.bytes > 0, !ignoring.contains(claim.uploadClass) else { return }
        shared.take(claim.bytes, limit(all, at: time), at: time)
        own[target, default: TokenBucket()].take(claim.bytes, limit(each[target], at: time), at: time)
        takers.removeAll { $0 == target }
        takers.append(target)
    }

    func speed(_ claim: RequestClaim, target: String, at time: WallTime) -> Int? {
        if ignoring.contains(claim.uploadClass) { return nil }
        return [limit(all, at: time), limit(each[target], at: time)].compactMap(\.bytesPerSecond).min()
    }
}

/// A token bucket that may go into debt: something larger than what it holds goes whole, and what follows waits until
/// that is paid off, so that the mean keeps to the limit whatever the size of a part.
struct TokenBucket: Sendable, Hashable {
    /// Seconds of the limit that can be saved up.
    private static let savedSeconds = 1.0

    private var tokens = 0.0
    private var filledAt: WallTime?

    /// Seconds until the next bytes may go, at this limit: 0 for now, infinite where nothing may.
    mutating func delaySeconds(_ limit: BandwidthLimit, at time: WallTime) -> Double {
        fill(limit, at: time)
        switch limit {
        case .unlimited: return 0
        case .paused: return .infinity
        case .bytesPerSecond(let rate): return tokens >= 0 ? 0 : -tokens / Double(rate)
        }
    }

    mutating func take(_ bytes: Int64, _ limit: BandwidthLimit, at time: WallTime) {
        fill(limit, at: time)
        if limit.bytesPerSecond != nil { tokens -= Double(bytes) }
    }

    private mutating func fill(_ limit: BandwidthLimit, at time: WallTime) {
        // A clock that was set back fills nothing; one that was set forward fills the bucket once.
        let passed = max(0, filledAt.map { time.seconds(since: $0) } ?? 0)
        filledAt = time
        switch limit {
        case .unlimited: tokens = 0
        case .paused: break
        case .bytesPerSecond(let rate):
            tokens = min(tokens + passed * Double(rate), Double(rate) * Self.savedSeconds)
        }
    }
}
