import Testing

@testable import SyncEngine

/// Whose upload is next.
@Suite struct FairSharesTests {
    private func claim(_ share: String, size: Int64 = 1000, _ uploadClass: UploadClass = .normal) -> RequestClaim {
        RequestClaim(share: share, uploadClass: uploadClass, bytes: size)
    }

    /// Grants `count` of what waits, as a target that takes one after the other does; the shares in their order.
    private func order(_ waiting: [RequestClaim], _ count: Int, _ shares: inout FairShares) -> [String] {
        var waiting = waiting
        return (0..<count).compactMap { _ in
            guard let next = shares.first(of: waiting) else { return nil }
            let claim = waiting.remove(at: next)
            shares.granted(claim)
            return claim.share
        }
    }

    @Test func sharesTakeTurnsByBytes() {
        var shares = FairShares()
        let waiting = (0..<4).map { _ in claim("A", size: 3000) } + (0..<12).map { _ in claim("B") }
        let order = order(waiting, 16, &shares)
        for end in 1...15 {
            let (a, b) = (order.prefix(end).count { $0 == "A" } * 3000, order.prefix(end).count { $0 == "B" } * 1000)
            #expect(abs(a - b) <= 3000, "after \(end): \(order)")
        }
    }

    @Test func whoComesLateGetsNoCreditAndWaitsForNobody() {
        var shares = FairShares()
        #expect(order((0..<50).map { _ in claim("A") }, 50, &shares) == [String](repeating: "A", count: 50))
        let waiting = (0..<4).flatMap { _ in [claim("A"), claim("B")] }
        let order = order(waiting, 8, &shares)
        #expect(order[0] == "B" && order[1] != order[2] && order[3] != order[4], "\(order)")
    }

    @Test func anEarlierClassGoesBeforeAllOthers() {
        var shares = FairShares()
        let waiting = UploadClass.allCases.reversed().map { claim("\($0)", $0) }
        #expect(order(waiting, 5, &shares) == ["important", "pressing", "normal", "backfill", "recheck"])
    }

    @Test func whatCarriesNothingWaitsForNobodysBytes() {
        var shares = FairShares()
        let waiting = [claim("A"), claim("B"), claim("A", size: 0), claim("C", .important)]
        #expect(order(waiting, 4, &shares) == ["C", "A", "A", "B"])
    }
}
