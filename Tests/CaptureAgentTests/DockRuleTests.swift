import EvidenceModel
import MediaIndex
import StationTesting
import SyncEngine
import Testing

@testable import CaptureAgent

/// When a device may be taken away, and when a file may be removed from it.
@Suite struct DockRuleTests {
    private func dock(
        _ state: DockState, total: Int = 3, collected: Int = 3, damaged: Int = 0, verified: Int = 0
    ) -> Dock {
        var dock = Dock(
            source: "docks", root: RawPath("/media/a"), fileSystem: "f", state: state,
            dockedAt: WallTime(millisecondsSince1970: 0), filesTotal: total, filesCollected: collected,
            bytesTotal: 300, bytesCollected: 100)
        (dock.filesDamaged, dock.filesVerified, dock.bytesVerified, dock.bytesPerSecond) = (damaged, verified, 50, 10)
        return dock
    }

    @Test func safeIsSaidOnlyOfWhatIsSafe() {
        let spool = UndockRule(isWatched: true, collect: .spool)
        #expect(spool.state(of: dock(.uploading)) == .safeToUndock)
        #expect(spool.state(of: dock(.uploading, collected: 2)) == .uploading)
        #expect(spool.state(of: dock(.uploading, collected: 3, damaged: 1)) == .uploading)
        for state in [DockState.reading, .copying, .attention, .undocked] {
            #expect(spool.state(of: dock(state)) == state)
        }
        #expect(spool.state(of: dock(.safeToUndock)) == .uploading, "nobody stores it")
        let direct = UndockRule(isWatched: true, collect: .direct)
        #expect(direct.state(of: dock(.uploading, verified: 2)) == .uploading)
        #expect(direct.state(of: dock(.uploading, verified: 3)) == .safeToUndock)
        for rule in [UndockRule(isWatched: false, collect: .spool), UndockRule(isWatched: true, collect: nil)] {
            #expect(rule.state(of: dock(.uploading, verified: 3)) == .uploading)
        }
    }

    @Test func timeIsLeftWhereSomethingMoves() {
        let rule = UndockRule(isWatched: true, collect: .spool)
        #expect(rule.secondsLeft(dock(.copying), uploadRate: 0) == 20)
        #expect(rule.secondsLeft(dock(.uploading), uploadRate: 25) == 10)
        #expect(rule.secondsLeft(dock(.uploading), uploadRate: 0) == nil)
        #expect(rule.secondsLeft(dock(.attention), uploadRate: 25) == nil)
    }

    private static let proved = WipeRule.Facts(
        copies: ["nas": .verified, "cloud": .verified], receipts: ["nas", "cloud"], isCollectedInLedger: true,
        verifiedInLedger: ["nas", "cloud"], isDamaged: false, isHeld: false, isSeenWhole: true)

    @Test func aFileGoesOnlyWhereEverythingIsProved() {
        let rule = WipeRule(targets: ["nas", "cloud"])
        #expect(rule.verdict(Self.proved) == .mayGo)
        #expect(WipeRule(targets: []).verdict(Self.proved) != .mayGo)
        #expect(WipeRule(targets: ["nas", "cloud", "third"]).verdict(Self.proved) != .mayGo)
        // A target that is not configured any more has no say.
        var old = Self.proved
        old.copies["gone"] = .parked
        #expect(rule.verdict(old) == .mayGo)
    }

    @Test(arguments: [CopyState.waiting, .uploading, .parked, .missing, nil])
    func oneTargetThatHasItNotIsEnoughToStay(_ state: CopyState?) {
        var facts = Self.proved
        facts.copies["cloud"] = state
        #expect(WipeRule(targets: ["nas", "cloud"]).verdict(facts) != .mayGo)
    }

    @Test(
        arguments: [
            \WipeRule.Facts.isDamaged, \.isHeld, \.isCollectedInLedger, \.isSeenWhole,
        ] as [any WritableKeyPath<WipeRule.Facts, Bool> & Sendable])
    func anythingElseThatIsMissingToo(_ fact: any WritableKeyPath<WipeRule.Facts, Bool> & Sendable) {
        var facts = Self.proved
        facts[keyPath: fact].toggle()
        #expect(WipeRule(targets: ["nas", "cloud"]).verdict(facts) != .mayGo)
    }

    @Test func receiptAndLedgerAreAskedForEachTarget() {
        for target in ["nas", "cloud"] {
            var unreceipted = Self.proved
            unreceipted.receipts.remove(target)
            var unwritten = Self.proved
            unwritten.verifiedInLedger.remove(target)
            for facts in [unreceipted, unwritten] {
                #expect(WipeRule(targets: ["nas", "cloud"]).verdict(facts) != .mayGo)
            }
        }
    }

    @Test func emptyingIsLookedAtNowAndThen() {
        var state = EmptyingState()
        #expect(state.ticked() && !state.ticked())
        #expect(!state.mayStart(0) && state.mayStart(2))
        #expect(state.started() && !state.mayStart(2) && !state.ticked())
        state.fileRemoved()
        state.ended(.done(stays: ["it is held": 1]))
        #expect(state.removed == 1 && state.remark == "1 files were removed; 1 stay, 1 of them because it is held")
        #expect(!state.mayStart(1), "nothing is new")
        #expect((0..<20).count { _ in state.ticked() } == 2)
        #expect(state.mayStart(2))
        let isFirst = state.started()
        #expect(!isFirst)
        state.ended(.readOnly)
        #expect((0..<59).count { _ in state.ticked() } == 0)
        #expect(state.ticked() && state.remark?.contains("read-only") == true && state.refusal == nil)
    }

    @Test func aLieEndsTheEmptying() {
        var state = EmptyingState()
        _ = state.started()
        state.ended(.differs(RawPath("a.mp4")))
        #expect(state.refusal?.contains("a.mp4") == true)
        #expect(!state.mayStart(5) && !(0..<200).contains { _ in state.ticked() })
    }

    @Test func silenceIsToldOnlyWhenItIsLong() {
        var silence = Silence()
        for _ in 0..<19 { silence.ticked(reading: 5) }
        #expect(silence.seconds(rescanSeconds: 30) == nil)
        silence.ticked(reading: 5)
        silence.ticked(reading: 5)
        #expect(silence.seconds(rescanSeconds: 30) == 20)
        silence.ticked(reading: 6)
        #expect(silence.seconds(rescanSeconds: 30) == nil, "a byte came")
        for _ in 0..<130 { silence.ticked(reading: nil) }
        #expect(silence.seconds(rescanSeconds: 30) == 152)
        silence.looked()
        #expect(silence.seconds(rescanSeconds: 30) == nil)
    }
}
