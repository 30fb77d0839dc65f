import EvidenceModel
import MediaIndex
import ServiceLifecycle
import SyncEngine

/// Waits until what the sources hold now is collected and verified, or nothing more can come of waiting, and then ends
/// the agent (`run --once`).
struct OnceService: Service {
    let station: Station
    let board: RootBoard
    let result: OnceResult

    /// Seconds between looks. What is looked at is counted in the database, which costs more than a moment's patience.
    private static let lookSeconds = 0.2
    /// Seconds for which a target is waited for, or a file that cannot be described, while nothing else goes on.
    private static let patienceSeconds = 30.0

    func run() async throws {
        try await cancelWhenGracefulShutdown {
            var judge = OnceJudge(patienceSeconds: Self.patienceSeconds)
            while (try? await Task.sleep(for: .seconds(Self.lookSeconds))) != nil {
                guard let facts = try await facts() else { continue }
                guard let verdict = judge.looked(facts, at: Station.now()) else { continue }
                return result.set(verdict)
            }
        }
    }

    private func facts() async throws -> OnceJudge.Facts? {
        guard let conditions = board.conditions else { return nil }
        let station = station
        return try await station.database.read { database in
            let waitingTargets = Set(
                try station.journal.targets(in: database).filter { $0.state == "waiting" }.map(\.name))
            let open = try station.journal.openUploads(at: Station.now(), in: database)
                .filter { station.configuration.targetNames.contains($0.key) }
            return OnceJudge.Facts(
                conditions: conditions,
                undescribed: try station.catalogue.hasUndescribed(in: database) ? 1 : 0,
                runnable: open.filter { !waitingTargets.contains($0.key) }.values.reduce(0, +),
                held: open.filter { waitingTargets.contains($0.key) }.values.reduce(0, +),
                unverified: try station.catalogue.counts(in: database).filter { $0.key != .verified }.values
                    .reduce(0, +),
                bytesLeft: try station.journal.queue(
                    targets: station.configuration.targetNames, in: database
                ).bytesLeft,
                manifests: try station.journal.manifestQueues(in: database)
                    .filter { station.configuration.targetNames.contains($0.key) }.values.reduce(0) { $0 + $1.waiting })
        }
    }
}

/// Decides when `run --once` is over.
struct OnceJudge: Sendable {
    struct Facts: Sendable, Hashable {
        var conditions: [RootCondition]
        /// Recordings that are not described yet (1 stands for any number).
        var undescribed: Int
        /// Copies that can be worked on now.
        var runnable: Int
        /// Copies to targets that are waited for.
        var held: Int
        /// Recordings that are not verified on every target.
        var unverified: Int
        /// Bytes that no target has acknowledged yet.
        var bytesLeft: Int64 = 0
        /// Manifests that no target has verified yet.
        var manifests = 0
    }

    enum Verdict: Sendable, Hashable {
        case verified
        case needsAttention
    }

    private static let longestStandstillSeconds = 300.0

    private let patienceSeconds: Double
    private var last: (facts: Facts, since: WallTime)?

    init(patienceSeconds: Double) {
        self.patienceSeconds = patienceSeconds
    }

    /// What is known at `time`; the verdict once there is one.
    mutating func looked(_ facts: Facts, at time: WallTime) -> Verdict? {
        let since = last.flatMap { $0.facts == facts ? $0.since : nil } ?? time
        last = (facts, since)
        if facts.conditions.contains(.working) { return nil }
        if facts.runnable > 0 {
            // Something that is tried again and again without a byte or an answer: a person must look.
            return time.seconds(since: since) >= Self.longestStandstillSeconds ? .needsAttention : nil
        }
        let isSettled = facts.conditions.allSatisfy { $0 == .quiet }
        let isVerified = isSettled && facts.undescribed == 0 && facts.unverified == 0
        if isVerified && facts.manifests == 0 { return .verified }
        let isWaiting = facts.held > 0 || facts.undescribed > 0 || facts.manifests > 0
        let settling = facts.conditions.compactMap { if case .changing(_, let seconds) = $0 { seconds } else { nil } }
        let patience =
            (isWaiting ? patienceSeconds : 0) + (settling.max().map { 2 * $0 + patienceSeconds } ?? 0)
        guard time.seconds(since: since) >= patience else { return nil }
        // What a target does not take beside a recording makes the recording no less safe.
        return isVerified ? .verified : .needsAttention
    }
}
