import EvidenceModel

/// The requests that wait for their turn at one target: which is next, and whether one may go now.
///
/// Invariants: at most `limit.value` are under way, but for those that were when it fell; a claim that the link holds up
/// holds up nothing that the link lets pass.
struct RequestQueue: Sendable {
    struct Waiter: Sendable, Hashable {
        var number: Int
        var claim: RequestClaim
    }

    private(set) var waiters: [Waiter] = []
    private(set) var underWay = 0
    var limit: RequestLimit
    /// Whether requests that have time may go: not while the target is waited for or tried.
    var allowsRechecks = true
    private var shares = FairShares()

    init(limit: RequestLimit) {
        self.limit = limit
    }

    var isFull: Bool { underWay >= limit.value }

    mutating func wants(_ claim: RequestClaim, number: Int) {
        waiters.append(Waiter(number: number, claim: claim))
    }

    /// Whether it was still waiting.
    mutating func gaveUp(number: Int) -> Bool {
        guard let index = waiters.firstIndex(where: { $0.number == number }) else { return false }
        waiters.remove(at: index)
        return true
    }

    mutating func ended() { underWay -= 1 }

    /// Takes the claim that goes now, if one does.
    ///
    /// - Parameter mayPass: whether the link has room for it.
    mutating func next(_ mayPass: (RequestClaim) -> Bool) -> Waiter? {
        guard !isFull else { return nil }
        let able = waiters.indices.filter { mayGo(waiters[$0].claim) && mayPass(waiters[$0].claim) }
        guard let first = shares.first(of: able.map { waiters[$0].claim }) else { return nil }
        let waiter = waiters.remove(at: able[first])
        shares.granted(waiter.claim)
        underWay += 1
        return waiter
    }

    /// Whether the link, and nothing else, holds up a claim.
    func isHeldUp(_ mayPass: (RequestClaim) -> Bool) -> Bool {
        !isFull && waiters.contains { mayGo($0.claim) && !mayPass($0.claim) }
    }

    private func mayGo(_ claim: RequestClaim) -> Bool {
        guard claim.uploadClass == .recheck else { return true }
        return allowsRechecks && !waiters.contains { $0.claim.uploadClass < .recheck }
    }
}
