import EvidenceModel
import StationTesting
import Testing

@testable import SyncEngine

/// Whose upload is next.
@Suite struct FairSharesTests {
    private var random = SeededRandom(seed: 3)

    private mutating func upload(
        _ share: String, size: Int = 1000, _ urgency: UploadTurn.Urgency = .usual
    ) -> JournaledUpload {
        let plan = SampleRecording(seed: random.next(), size: size).plan()
        return JournaledUpload(plan: plan, turn: UploadTurn(share: share, urgency: urgency))
    }

    /// Starts `count` of what waits, as a target that takes one after the other does; the shares in their order.
    private func order(_ waiting: [JournaledUpload], _ count: Int, _ shares: inout FairShares) -> [String] {
        var waiting = waiting
        return (0..<count).compactMap { _ in
            guard let next = shares.next(of: waiting) else { return nil }
            waiting.removeAll { $0 == next }
            shares.started(next)
            return next.turn.share
        }
    }

    @Test mutating func sharesTakeTurnsByBytes() {
        var shares = FairShares()
        let waiting = (0..<4).flatMap { _ in [upload("A", size: 3000)] } + (0..<12).map { _ in upload("B") }
        let order = order(waiting, 16, &shares)
        for end in 1...15 {
            let (a, b) = (order.prefix(end).count { $0 == "A" } * 3000, order.prefix(end).count { $0 == "B" } * 1000)
            #expect(abs(a - b) <= 3000, "after \(end): \(order)")
        }
    }

    @Test mutating func whoComesLateGetsNoCreditAndWaitsForNobody() {
        var shares = FairShares()
        #expect(order((0..<50).map { _ in upload("A") }, 50, &shares) == [String](repeating: "A", count: 50))
        let waiting = (0..<4).flatMap { _ in [upload("A"), upload("B")] }
        let order = order(waiting, 8, &shares)
        #expect(order[0] == "B" && order[1] != order[2] && order[3] != order[4], "\(order)")
    }

    @Test mutating func importantUploadsGoBeforeAll() {
        var shares = FairShares()
        let waiting = [upload("A"), upload("B", .small), upload("B", .important), upload("C", .important)]
        #expect(order(waiting, 3, &shares) == ["B", "C", "A"])
    }

    @Test mutating func emptyFilesAreATurnToo() {
        var shares = FairShares()
        let waiting = (0..<3).map { _ in upload("A", size: 0) } + [upload("B", size: 0)]
        #expect(order(waiting, 2, &shares) == ["A", "B"])
    }
}
