import EvidenceModel
import Synchronization

/// How one tree is doing, for those who wait for it.
enum RootCondition: Sendable, Hashable {
    case working
    case attention(String)
    /// All that is left are files that keep changing; one that stands still so long has settled.
    case changing(files: Int, settleSeconds: Double)
    /// Everything that was found is collected.
    case quiet
}

/// How all trees are doing.
final class RootBoard: Sendable {
    private struct State {
        var conditions: [WatchedRoot: RootCondition] = [:]
        var isComplete = false
        var isStopping = false
    }

    private let state = Mutex(State())

    func update(_ root: WatchedRoot, _ condition: RootCondition) {
        state.withLock { state in
            for other in state.conditions.keys where other != root && other.path == root.path {
                state.conditions[other] = nil
            }
            state.conditions[root] = condition
        }
    }

    /// The tree is watched no more. One that went before all of it was collected is remembered, until something is
    /// docked at the same place.
    func remove(_ root: WatchedRoot) {
        state.withLock { state in
            guard let last = state.conditions.removeValue(forKey: root), last != .quiet, !state.isStopping else {
                return
            }
            state.conditions[root] = .attention("\(root.path.display) went before all of it was collected")
        }
    }

    /// Every source has been looked at once: what is not on the board now is not there.
    func completeFirstLook() {
        state.withLock { $0.isComplete = true }
    }

    /// The agent is stopping: trees that end now are still docked.
    func stop() {
        state.withLock { $0.isStopping = true }
    }

    var isStopping: Bool { state.withLock { $0.isStopping } }

    /// The conditions of all trees, or nothing before every source was looked at.
    var conditions: [RootCondition]? {
        state.withLock { $0.isComplete ? Array($0.conditions.values) : nil }
    }
}

/// Bytes of the file that is being read, and whether the device gives signs of life; written by the lane and read by
/// whoever shows it.
final class ReadProgress: Sendable {
    private let count = Atomic<Int64>(0)
    private let heard = Atomic<Int>(0)
    private let asking = Atomic<Int>(0)

    var bytes: Int64 { count.load(ordering: .relaxed) }
    /// Grows with every block that came and every call that ended.
    var signs: Int { heard.load(ordering: .relaxed) }
    /// A call on the device is under way.
    var isAsked: Bool { asking.load(ordering: .relaxed) > 0 }

    func set(_ bytes: Int64) {
        count.store(bytes, ordering: .relaxed)
        heard.wrappingAdd(1, ordering: .relaxed)
    }

    func reset() { set(0) }

    /// Runs `body`, which asks the device for something and may wait for it.
    func asked<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
        asking.wrappingAdd(1, ordering: .relaxed)
        defer {
            asking.wrappingSubtract(1, ordering: .relaxed)
            heard.wrappingAdd(1, ordering: .relaxed)
        }
        return try body()
    }
}
