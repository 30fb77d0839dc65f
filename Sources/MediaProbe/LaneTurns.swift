import Synchronization

/// Hands out lanes, one caller each, first come first served, and to one owner no second lane while it has one: a device
/// that hangs holds up its own files and nobody else's.
final class LaneTurns: Sendable {
    private struct Waiter {
        var owner: String?
        var continuation: CheckedContinuation<Int, Never>
    }

    private struct Content {
        var free: [Int]
        var owners: Set<String> = []
        var waiting: [Waiter] = []

        /// The lowest free lane, so that no more workers run than are needed.
        mutating func take(for owner: String?) -> Int? {
            if let owner, owners.contains(owner) { return nil }
            guard let lane = free.popLast() else { return nil }
            if let owner { owners.insert(owner) }
            return lane
        }

        mutating func giveBack(_ lane: Int, of owner: String?) {
            if let owner { owners.remove(owner) }
            free.append(lane)
            free.sort(by: >)
        }
    }

    private let content: Mutex<Content>

    /// - Parameter lanes: how many there are; they are numbered from 0.
    init(lanes: Int) {
        content = Mutex(Content(free: Array((0..<lanes).reversed())))
    }

    /// A free lane, as soon as there is one and `owner` has none.
    func take(for owner: String?) async -> Int {
        await withCheckedContinuation { continuation in
            let lane = content.withLock { content -> Int? in
                if let lane = content.take(for: owner) { return lane }
                content.waiting.append(Waiter(owner: owner, continuation: continuation))
                return nil
            }
            if let lane { continuation.resume(returning: lane) }
        }
    }

    /// The caller is through with the lane: the next one who may have it gets it.
    func giveBack(_ lane: Int, of owner: String?) {
        let next = content.withLock { content -> (Waiter, Int)? in
            content.giveBack(lane, of: owner)
            for (index, waiter) in content.waiting.enumerated() {
                guard let lane = content.take(for: waiter.owner) else { continue }
                content.waiting.remove(at: index)
                return (waiter, lane)
            }
            return nil
        }
        if let (waiter, lane) = next { waiter.continuation.resume(returning: lane) }
    }
}
