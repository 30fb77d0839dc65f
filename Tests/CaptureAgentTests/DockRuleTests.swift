import Collector
import DockWatch
import EvidenceModel
import FileAccess
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

    private func expect(_ state: inout EmptyingState, mayStart cases: [Int: Bool]) {
        for (files, expected) in cases.sorted(by: { $0.key < $1.key }) {
            let may = state.mayStart(files)
            #expect(may == expected, "\(files)")
        }
    }

    private func expect(_ state: inout EmptyingState, looksIn seconds: Int, times: Int) {
        var looks = 0
        for _ in 0..<seconds where state.ticked() { looks += 1 }
        #expect(looks == times)
    }

    @Test func emptyingIsLookedAtNowAndThen() {
        var state = EmptyingState()
        expect(&state, looksIn: 2, times: 1)
        expect(&state, mayStart: [0: false, 2: true])
        let opens = state.started()
        #expect(opens)
        expect(&state, mayStart: [2: false])
        expect(&state, looksIn: 5, times: 0)
        state.fileRemoved()
        state.ended(.done(stays: ["it is held": 1]))
        #expect(state.removed == 1 && state.remark == "1 files were removed; 1 stay, 1 of them because it is held")
        expect(&state, looksIn: 20, times: 2)
    }

    @Test func whatStayedIsTriedAgainOnlyWhenMoreCouldGo() {
        var state = EmptyingState()
        // Nine of ten go; the tenth is parked, so that none is left that could.
        _ = state.started()
        for _ in 0..<9 { state.fileRemoved() }
        state.ended(.done(stays: ["its copy on nas is parked": 1]))
        // None is left; then the parked one is verified after all.
        expect(&state, mayStart: [0: false])
        expect(&state, mayStart: [1: true])
        // Something was removed: it may have to be made writable again.
        let opens = state.started()
        #expect(opens)
        state.ended(.done(stays: ["it changed since it was collected": 1]))
        // It stayed, and nothing is new.
        expect(&state, mayStart: [1: false])
        expect(&state, mayStart: [2: true])
        let opensAgain = state.started()
        #expect(!opensAgain, "nothing was removed in the last run")
        state.ended(.done(stays: ["nas does not confirm that it has it": 2], passing: 2))
        expect(&state, mayStart: [2: true])
        _ = state.started()
        state.ended(.readOnly)
        expect(&state, looksIn: 29, times: 0)
        expect(&state, looksIn: 1, times: 1)
        #expect(state.remark?.contains("read-only") == true && state.refusal == nil)
    }

    @Test func aLieEndsTheEmptying() {
        var state = EmptyingState()
        _ = state.started()
        state.ended(.differs(RawPath("a.mp4")))
        #expect(state.refusal?.contains("a.mp4") == true)
        expect(&state, mayStart: [5: false])
        expect(&state, looksIn: 200, times: 0)
    }

    @Test func silenceIsToldOnlyWhenItIsLong() {
        var silence = Silence()
        for _ in 0..<60 { silence.ticked(isAsked: true, signs: 5) }
        #expect(silence.seconds(rescanSeconds: 30) == nil)
        silence.ticked(isAsked: true, signs: 5)
        #expect(silence.seconds(rescanSeconds: 30) == 60)
        silence.ticked(isAsked: true, signs: 6)
        #expect(silence.seconds(rescanSeconds: 30) == nil, "a sign came")
        for _ in 0..<70 { silence.ticked(isAsked: false, signs: 6) }
        #expect(silence.seconds(rescanSeconds: 30) == nil, "nobody asked")
        for _ in 0..<30 { silence.ticked(isAsked: false, signs: 6) }
        #expect(silence.seconds(rescanSeconds: 30) == 162)
        silence.looked()
        #expect(silence.seconds(rescanSeconds: 30) == nil)
    }

    private static func summary(files: Int = 1, changing: Int = 0, unreadable: [String] = []) -> ScanSummary {
        ScanSummary(
            files: files, bytes: 9, stillChanging: (0..<changing).map { RawPath("\($0)") },
            unreadable: unreadable.map { RawPath($0) })
    }

    private func state() -> RootState {
        let root = WatchedRoot(source: "docks", kind: .mount, path: RawPath("/media/a"), fileSystem: "f")
        return RootState(root: root, begun: dock(.reading, total: 0, collected: 0), rescanSeconds: 30)
    }

    private func ended(_ state: RootState) -> String {
        let dock = state.undocked(at: WallTime(millisecondsSince1970: 9))
        return "\(dock.ended?.rawValue ?? "-"): \(dock.reason ?? "-")"
    }

    /// Only a docking in which everything was seen and collected ended well.
    @Test func aDockingEndsWellOnlyWhereAllOfItIsKnown() {
        var state = state()
        #expect(ended(state) == "early: undocked before it was looked through: dock it again")
        state.unreachable(FileAccessError(call: "open", path: RawPath("/media/a"), code: 5))
        #expect(ended(state).hasPrefix("early: undocked while /media/a cannot be read"))
        state.scanned(Self.summary(files: 0, unreadable: ["DCIM"]))
        #expect(ended(state).hasPrefix("early: 1 folders or files cannot be looked into"))
        state.scanned(Self.summary(files: 0, changing: 2))
        #expect(ended(state) == "early: undocked while 2 files were still changing: dock it again")
        state.scanned(Self.summary())
        #expect(ended(state) == "early: undocked before 1 of 1 files were collected: dock it again")
        let stamp = FileStamp(device: 1, inode: 1, size: 9, modifiedNanoseconds: 0, changedNanoseconds: 0)
        _ = state.machine.filesSettled([.init(SettledFile(path: RawPath("a"), stamp: stamp))])
        _ = state.machine.fileCollected()
        #expect(ended(state) == "complete: -")
    }
}
