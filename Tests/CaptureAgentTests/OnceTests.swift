import EvidenceModel
import Testing

@testable import CaptureAgent

@Suite struct OnceTests {
    private let root = WatchedRoot(source: "docks", kind: .mount, path: RawPath("/media/a"), fileSystem: "card")
    private let noon = WallTime(millisecondsSince1970: 1_800_000_000_000)

    private func facts(
        _ conditions: [RootCondition], undescribed: Int = 0, runnable: Int = 0, held: Int = 0, unverified: Int = 0
    ) -> OnceJudge.Facts {
        .init(
            conditions: conditions, undescribed: undescribed, runnable: runnable, held: held, unverified: unverified)
    }

    @Test func itIsOverWhenEverythingIsVerified() {
        var judge = OnceJudge(patienceSeconds: 10)
        #expect(judge.looked(facts([.working]), at: noon) == nil)
        #expect(judge.looked(facts([.quiet], runnable: 1, unverified: 1), at: noon) == nil)
        #expect(judge.looked(facts([.quiet]), at: noon) == .verified)
        #expect(judge.looked(facts([.attention("x")]), at: noon) == .needsAttention)
        #expect(judge.looked(facts([.quiet], unverified: 1), at: noon) == .needsAttention, "something is parked")
    }

    @Test func aTargetAndAWriterAreWaitedForNotForEver() {
        var judge = OnceJudge(patienceSeconds: 10)
        let held = facts([.quiet], held: 1, unverified: 1)
        #expect(judge.looked(held, at: noon) == nil)
        #expect(judge.looked(held, at: noon.adding(seconds: 9)) == nil)
        #expect(judge.looked(held, at: noon.adding(seconds: 10)) == .needsAttention)
        let writing = facts([.changing(files: 1, settleSeconds: 3)])
        #expect(judge.looked(writing, at: noon) == nil)
        #expect(judge.looked(writing, at: noon.adding(seconds: 15)) == nil)
        #expect(judge.looked(writing, at: noon.adding(seconds: 16)) == .needsAttention)
        let stuck = facts([.quiet], runnable: 1, unverified: 1)
        #expect(judge.looked(stuck, at: noon) == nil)
        #expect(judge.looked(stuck, at: noon.adding(seconds: 299)) == nil)
        #expect(judge.looked(stuck, at: noon.adding(seconds: 300)) == .needsAttention)
    }

    @Test func aCardThatWentEarlyIsRemembered() {
        let board = RootBoard()
        board.completeFirstLook()
        board.update(root, .working)
        board.remove(root)
        #expect(board.conditions == [.attention("/media/a went before all of it was collected")])
        var again = root
        again.fileSystem = "another"
        board.update(again, .quiet)
        #expect(board.conditions == [.quiet])
        board.remove(again)
        #expect(board.conditions == [])
    }

    @Test func theStateOfARecordingIsThatOfItsCopies() {
        #expect(Station.state(of: []) == .collected)
        #expect(Station.state(of: [.waiting, .waiting]) == .collected)
        #expect(Station.state(of: [.verified, .waiting]) == .uploading)
        #expect(Station.state(of: [.verified, .parked]) == .parked)
        #expect(Station.state(of: [.verified, .verified]) == .verified)
    }
}
