import Synchronization

/// Hands out lanes, one caller each, first come first served.
final class LaneTurns: Sendable {
    private struct Content {
        var free: [Int]
        var waiting: [CheckedContinuation<Int, Never>] = []
    }

    private let content: Mutex<Content>

    /// - Parameter lanes: how many there are; they are numbered from 0.
    init(lanes: Int) {
        content = Mutex(Content(free: Array((0..<lanes).reversed())))
    }

    /// A free lane, as soon as there is one; the lowest number first, so that no more workers run than are needed.
    func take() async -> Int {
        await withCheckedContinuation { waiter in
            let lane = content.withLock { content -> Int? in
                guard let lane = content.free.popLast() else {
                    content.waiting.append(waiter)
                    return nil
                }
                return lane
            }
            if let lane { waiter.resume(returning: lane) }
        }
    }

    /// The caller is through with the lane: the next one gets it.
    func giveBack(_ lane: Int) {
        let next = content.withLock { content -> CheckedContinuation<Int, Never>? in
            if !content.waiting.isEmpty { return content.waiting.removeFirst() }
            content.free.append(lane)
            content.free.sort(by: >)
            return nil
        }
        next?.resume(returning: lane)
    }
}
