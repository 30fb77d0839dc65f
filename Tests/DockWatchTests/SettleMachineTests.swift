import DockWatch
import EvidenceModel
import FileAccess
import StationTesting
import Testing

@Suite("Settle machine")
struct SettleMachineTests {
    private let a = RawPath("a.mp4")

    private func stamp(size: Int64 = 1, modified: Int64 = 1, inode: UInt64 = 1) -> FileStamp {
        FileStamp(device: 1, inode: inode, size: size, modifiedNanoseconds: modified, changedNanoseconds: 0)
    }

    private func scan(_ files: (RawPath, FileStamp)..., unreadable: [RawPath] = []) -> TreeScan {
        TreeScan(
            files: files.map { ObservedFile(path: $0.0, stamp: $0.1) },
            skipped: unreadable.map { SkippedEntry(path: $0, reason: .unreadable) })
    }

    private func answer(_ path: RawPath, _ presence: WriterPresence, _ stamp: FileStamp) -> [WriterAnswer] {
        [WriterAnswer(path: path, outcome: .asked(presence, stamp))]
    }

    private func answer(_ tail: FileTail, size: Int64 = 1) -> [WriterAnswer] {
        [WriterAnswer(path: a, outcome: .asked(.unknown, stamp(size: size), tail))]
    }

    private func settled(_ stamp: FileStamp) -> [SettleAction] { [.settled([SettledFile(path: a, stamp: stamp)])] }

    @Test func settlesOnceWhenUnchangedAndUnwritten() {
        var machine = SettleMachine(settle: .seconds(10))
        #expect(machine.scanned(scan((a, stamp())), at: .seconds(0)) == [.lookAgain(after: .seconds(10))])
        #expect(machine.stillChanging == [a])
        #expect(machine.scanned(scan((a, stamp())), at: .seconds(9)) == [.lookAgain(after: .seconds(1))])
        #expect(machine.scanned(scan((a, stamp())), at: .seconds(10)) == [.checkWriters([a])])
        #expect(machine.writersChecked(answer(a, .none, stamp()), at: .seconds(10)) == settled(stamp()))
        #expect(machine.stillChanging == [])
        #expect(machine.scanned(scan((a, stamp())), at: .seconds(99)) == [])
        #expect(machine.writersChecked(answer(a, .none, stamp()), at: .seconds(99)) == [])
    }

    @Test func aNameThatIsMissingIsLookedForAgain() {
        var machine = SettleMachine(settle: .seconds(10))
        let missed = TreeScan(missing: [a])
        #expect(machine.scanned(missed, at: .seconds(0)) == [.lookAgain(after: .seconds(10))])
        #expect(machine.summary(of: missed).stillChanging == [a])
        let broken = scan(unreadable: [a])
        #expect(machine.scanned(broken, at: .seconds(10)) == [])
        #expect(machine.summary(of: broken).stillChanging == [] && machine.summary(of: broken).unreadable == [a])
    }

    @Test func aChangeStartsTheTimeOver() {
        var machine = SettleMachine(settle: .seconds(10))
        _ = machine.scanned(scan((a, stamp())), at: .seconds(0))
        #expect(machine.scanned(scan((a, stamp(size: 2))), at: .seconds(10)) == [.lookAgain(after: .seconds(10))])
        #expect(machine.scanned(scan((a, stamp(size: 2))), at: .seconds(20)) == [.checkWriters([a])])
        #expect(machine.writersChecked(answer(a, .none, stamp(size: 2)), at: .seconds(20)) == settled(stamp(size: 2)))
        #expect(machine.scanned(scan((a, stamp(modified: 3))), at: .seconds(30)) == [.lookAgain(after: .seconds(10))])
        #expect(machine.scanned(scan((a, stamp(modified: 3))), at: .seconds(40)) == [.checkWriters([a])])
        #expect(
            machine.writersChecked(answer(a, .none, stamp(modified: 3)), at: .seconds(40))
                == settled(stamp(modified: 3)))
    }

    @Test func aWriterHoldsItBackHoweverLong() {
        var machine = SettleMachine(settle: .seconds(10))
        _ = machine.scanned(scan((a, stamp())), at: .seconds(0))
        for second in stride(from: 10, to: 100, by: 10) {
            #expect(machine.scanned(scan((a, stamp())), at: .seconds(second)) == [.checkWriters([a])])
            let actions = machine.writersChecked(answer(a, .writing, stamp()), at: .seconds(second))
            #expect(actions == [.lookAgain(after: .seconds(10))])
            #expect(machine.stillChanging == [a])
        }
        #expect(machine.scanned(scan((a, stamp())), at: .seconds(101)) == [.checkWriters([a])])
        #expect(machine.writersChecked(answer(a, .none, stamp()), at: .seconds(101)) == settled(stamp()))
    }

    @Test func whereTheKernelCannotTellTimeDoes() {
        var machine = SettleMachine(settle: .seconds(10))
        _ = machine.scanned(scan((a, stamp())), at: .seconds(0))
        _ = machine.scanned(scan((a, stamp())), at: .seconds(10))
        #expect(machine.writersChecked(answer(a, .unknown, stamp()), at: .seconds(10)) == settled(stamp()))
    }

    /// A recorder on a share, whose file has its size from the beginning and its time from then.
    @Test func aFileThatIsFilledSettlesWhenItsDataStandStill() {
        var machine = SettleMachine(settle: .seconds(10))
        #expect(machine.quiet == .seconds(100))
        _ = machine.scanned(scan((a, stamp())), at: .seconds(0))
        for (second, end) in [(10, 4096), (110, 8192), (210, 12_288)] as [(Int, Int64)] {
            #expect(machine.scanned(scan((a, stamp())), at: .seconds(second)) == [.checkWriters([a])])
            #expect(
                machine.writersChecked(answer(.zeros(dataEnd: end)), at: .seconds(second))
                    == [.lookAgain(after: .seconds(100))])
            #expect(machine.stillChanging == [a])
            // It is not read before the time is over.
            #expect(
                machine.scanned(scan((a, stamp())), at: .seconds(second + 60)) == [.lookAgain(after: .seconds(40))])
        }
        #expect(machine.scanned(scan((a, stamp())), at: .seconds(310)) == [.checkWriters([a])])
        let file = SettledFile(path: a, stamp: stamp(), looksPreallocated: true)
        #expect(machine.writersChecked(answer(.zeros(dataEnd: 12_288)), at: .seconds(310)) == [.settled([file])])
        #expect(machine.scanned(scan((a, stamp())), at: .seconds(999)) == [])
    }

    @Test func aFileThatWasFilledToItsEndSettlesAsUsual() {
        var machine = SettleMachine(settle: .seconds(3))
        #expect(machine.quiet == .seconds(60))
        _ = machine.scanned(scan((a, stamp())), at: .seconds(0))
        _ = machine.scanned(scan((a, stamp())), at: .seconds(3))
        _ = machine.writersChecked(answer(.zeros(dataEnd: 0)), at: .seconds(3))
        #expect(machine.scanned(scan((a, stamp())), at: .seconds(63)) == [.checkWriters([a])])
        #expect(machine.writersChecked(answer(.written), at: .seconds(63)) == [.lookAgain(after: .seconds(3))])
        #expect(machine.scanned(scan((a, stamp())), at: .seconds(66)) == [.checkWriters([a])])
        #expect(machine.writersChecked(answer(.written), at: .seconds(66)) == settled(stamp()))
    }

    @Test func aStampThatChangesForgetsWhereTheDataEnded() {
        var machine = SettleMachine(settle: .seconds(3))
        _ = machine.scanned(scan((a, stamp())), at: .seconds(0))
        _ = machine.scanned(scan((a, stamp())), at: .seconds(3))
        _ = machine.writersChecked(answer(.zeros(dataEnd: 0)), at: .seconds(3))
        #expect(machine.scanned(scan((a, stamp(size: 2))), at: .seconds(4)) == [.lookAgain(after: .seconds(3))])
        #expect(machine.scanned(scan((a, stamp(size: 2))), at: .seconds(7)) == [.checkWriters([a])])
        #expect(
            machine.writersChecked(answer(.zeros(dataEnd: 0), size: 2), at: .seconds(7))
                == [.lookAgain(after: .seconds(60))])
    }

    @Test func whatSettledInAFolderThatWasNotListedIsNotForgotten() {
        let (kept, deep) = (RawPath("DCIM/a.mp4"), RawPath("DCIM/100/b.mp4"))
        var machine = SettleMachine(settle: .zero)
        _ = machine.scanned(scan((kept, stamp()), (deep, stamp())), at: .zero)
        _ = machine.writersChecked(answer(kept, .none, stamp()), at: .zero)
        let partial = TreeScan(
            files: [ObservedFile(path: deep, stamp: stamp())], unlisted: [RawPath("DCIM"), RawPath("DCIM/100")])
        #expect(machine.scanned(partial, at: .zero) == [.checkWriters([deep])])
        #expect(machine.summary(of: partial).files == 2)
        // One that had not settled was asked for by name, and is gone.
        let without = TreeScan(unlisted: [RawPath("DCIM"), RawPath("DCIM/100")])
        #expect(machine.scanned(without, at: .zero) == [])
        #expect(machine.summary(of: without).files == 1)
        // The folder itself is gone.
        #expect(machine.scanned(TreeScan(), at: .zero) == [])
        #expect(machine.summary(of: TreeScan()).files == 0)
        #expect(machine.scanned(scan((kept, stamp())), at: .zero) == [.checkWriters([kept])])
    }

    @Test func theNewestFileIsNotAnEmptyOne() {
        var machine = SettleMachine(settle: .zero)
        let (b, c, label) = (RawPath("b"), RawPath("c"), RawPath("LABEL"))
        #expect(machine.summary(of: TreeScan()).newest == nil)
        _ = machine.scanned(scan((label, stamp(size: 0, modified: 9))), at: .zero)
        #expect(machine.summary(of: TreeScan()).newest == nil)
        let files = scan(
            (label, stamp(size: 0, modified: 9)), (a, stamp(size: 4, modified: -5)),
            (c, stamp(size: .max, modified: 7)),
            (b, stamp(modified: 7)))
        _ = machine.scanned(files, at: .zero)
        let summary = machine.summary(of: files)
        #expect(summary.newest == ObservedFile(path: b, stamp: stamp(modified: 7)))
        #expect(summary.files == 4 && summary.bytes == .max)
    }

    @Test func aFileThatCannotBeOpenedSettlesByTime() {
        var machine = SettleMachine(settle: .seconds(10))
        _ = machine.scanned(scan((a, stamp())), at: .seconds(0))
        _ = machine.scanned(scan((a, stamp())), at: .seconds(10))
        let answers = [WriterAnswer(path: a, outcome: .notAsked)]
        #expect(machine.writersChecked(answers, at: .seconds(10)) == settled(stamp()))
    }

    @Test func aChangeSeenWhileAskingStartsOver() {
        var machine = SettleMachine(settle: .seconds(10))
        _ = machine.scanned(scan((a, stamp())), at: .seconds(0))
        _ = machine.scanned(scan((a, stamp())), at: .seconds(10))
        let actions = machine.writersChecked(answer(a, .none, stamp(size: 2)), at: .seconds(10))
        #expect(actions == [.lookAgain(after: .seconds(10))])
        #expect(machine.scanned(scan((a, stamp(size: 2))), at: .seconds(19)) == [.lookAgain(after: .seconds(1))])
    }

    @Test func aFrozenFileSystemNeedsNoTime() {
        var machine = SettleMachine(settle: .seconds(10))
        #expect(machine.scanned(scan((a, stamp())), at: .seconds(0), isFrozen: true) == [.checkWriters([a])])
        #expect(machine.writersChecked(answer(a, .none, stamp()), at: .seconds(0)) == settled(stamp()))
    }

    @Test func frozenWithoutTheKernelsWordNeedsTime() {
        var machine = SettleMachine(settle: .seconds(10))
        _ = machine.scanned(scan((a, stamp())), at: .seconds(0), isFrozen: true)
        let actions = machine.writersChecked(answer(a, .unknown, stamp()), at: .seconds(1))
        #expect(actions == [.lookAgain(after: .seconds(9))])
    }

    @Test func anAnswerFromBeforeAThawDoesNotCount() {
        var machine = SettleMachine(settle: .seconds(10))
        _ = machine.scanned(scan((a, stamp())), at: .seconds(0), isFrozen: true)
        #expect(machine.scanned(scan((a, stamp())), at: .seconds(1)) == [.lookAgain(after: .seconds(9))])
        #expect(machine.writersChecked(answer(a, .none, stamp()), at: .seconds(1)) == [])
    }

    @Test func aVanishedFileIsForgotten() {
        var machine = SettleMachine(settle: .zero)
        #expect(machine.scanned(scan((a, stamp())), at: .zero) == [.checkWriters([a])])
        #expect(machine.writersChecked(answer(a, .none, stamp()), at: .zero) == settled(stamp()))
        #expect(machine.scanned(scan(), at: .zero) == [])
        #expect(machine.scanned(scan((a, stamp())), at: .zero) == [.checkWriters([a])])
        #expect(machine.writersChecked([WriterAnswer(path: a, outcome: .vanished)], at: .zero) == [])
        #expect(machine.stillChanging == [])
    }

    @Test func whatLiesInAnUnreadableFolderIsNotForgotten() {
        let deep = RawPath("DCIM/100/b.mp4")
        var machine = SettleMachine(settle: .zero)
        _ = machine.scanned(scan((deep, stamp())), at: .zero)
        _ = machine.writersChecked(answer(deep, .none, stamp()), at: .zero)
        #expect(machine.scanned(scan(unreadable: [RawPath("DCIM")]), at: .zero) == [])
        #expect(machine.scanned(scan((deep, stamp())), at: .zero) == [])
    }

    @Test func inodeNumbersThatChangeAreNoChange() {
        var machine = SettleMachine(settle: .zero)
        _ = machine.scanned(scan((a, stamp(inode: 5))), at: .zero)
        #expect(machine.writersChecked(answer(a, .none, stamp(inode: 6)), at: .zero) == settled(stamp(inode: 6)))
        #expect(machine.scanned(scan((a, stamp(inode: 7))), at: .zero) == [])
    }

    @Test func aHundredThousandFilesAreNothingSpecial() {
        let files = (0..<100_000).map { ObservedFile(path: RawPath("DCIM/100MEDIA/clip\($0).mp4"), stamp: stamp()) }
        var machine = SettleMachine(settle: .seconds(1))
        let scan = TreeScan(files: files)
        #expect(machine.scanned(scan, at: .zero) == [.lookAgain(after: .seconds(1))])
        #expect(machine.scanned(scan, at: .seconds(1)) == [.checkWriters(files.map(\.path))])
        let answers = files.map { WriterAnswer(path: $0.path, outcome: .asked(.none, $0.stamp)) }
        #expect(machine.writersChecked(answers, at: .seconds(1)).count == 1)
        #expect(machine.stillChanging.isEmpty)
    }

    @Test(arguments: [1, 2, 3, 4, 5, 6, 7, 8])
    func anyWalkKeepsTheInvariants(seed: UInt64) {
        var world = SettleWorld(seed: seed)
        for _ in 0..<600 { world.step() }
    }

    /// On a share: the kernel cannot tell, and data grow behind an unchanged stamp.
    @Test(arguments: [1, 2, 3, 4, 5, 6, 7, 8])
    func anyWalkOnAShareKeepsTheInvariants(seed: UInt64) {
        var world = SettleWorld(seed: seed, isShare: true)
        for _ in 0..<3000 { world.step() }
        #expect(world.preallocated > 0)
    }
}

/// Files that are written, closed, changed, filled and removed at random, and the machine that looks on: at some looks it
/// is shown only what has not settled, as when no folder changed.
private struct SettleWorld {
    private static let settle = Duration.seconds(5)

    private struct File {
        var stamp: FileStamp
        var hasWriter = false
        var unchangedSince: Duration?
        var settledStamp: FileStamp?
        /// Of a share's file: how it ends, and since when an asking found that.
        var tail = FileTail.written
        var tailSince: Duration?
    }

    private var random: SeededRandom
    private let isShare: Bool
    private var machine = SettleMachine(settle: Self.settle)
    private var now = Duration.zero
    private var files: [RawPath: File] = [:]
    private var changes: Int64 = 0
    /// How many files settled with that mark.
    private(set) var preallocated = 0

    init(seed: UInt64, isShare: Bool = false) {
        random = SeededRandom(seed: seed)
        self.isShare = isShare
    }

    mutating func step() {
        now += .milliseconds(Int.random(in: 0...(isShare ? 30_000 : 3000), using: &random))
        let path = RawPath("\(Int.random(in: 0...5, using: &random))")
        switch Int.random(in: 0...(isShare ? 29 : 9), using: &random) {
        case 0: files[path] = nil
        case 1: change(path)
        case 2: files[path]?.hasWriter.toggle()
        case 3 where isShare: fill(path)
        default: look()
        }
    }

    private mutating func change(_ path: RawPath) {
        changes += 1
        let stamp = FileStamp(device: 1, inode: 1, size: changes, modifiedNanoseconds: 0, changedNanoseconds: 0)
        files[path, default: File(stamp: stamp)].stamp = stamp
        files[path]?.unchangedSince = nil
        files[path]?.tailSince = nil
        if isShare, Bool.random(using: &random) { files[path]?.tail = .zeros(dataEnd: 0) }
    }

    /// Data are written in place.
    private mutating func fill(_ path: RawPath) {
        guard case .zeros(let end) = files[path]?.tail else { return }
        files[path]?.tail = Int.random(in: 0...3, using: &random) == 0 ? .written : .zeros(dataEnd: end + 4096)
        files[path]?.tailSince = nil
    }

    private mutating func look() {
        // No folder changed: only what has not settled is asked for, and what came or went is found later.
        let isPartial = Bool.random(using: &random)
        let shown = isPartial ? files.filter { machine.stillChanging.contains($0.key) } : files
        for path in shown.keys where files[path]?.unchangedSince == nil { files[path]?.unchangedSince = now }
        let observed = shown.sorted { $0.key < $1.key }.map { ObservedFile(path: $0.key, stamp: $0.value.stamp) }
        let scan = TreeScan(files: observed, unlisted: isPartial ? [RawPath("")] : [])
        for action in machine.scanned(scan, at: now) {
            guard case .checkWriters(let paths) = action else { continue }
            if Bool.random(using: &random), let path = paths.randomElement(using: &random) { change(path) }
            answer(paths)
        }
        let unsettled = Set(files.filter { $0.value.settledStamp != $0.value.stamp }.keys)
        let changing = Set(machine.stillChanging)
        #expect(isPartial ? changing.isSubset(of: unsettled) : changing == unsettled)
    }

    private mutating func answer(_ paths: [RawPath]) {
        // Asking looks at the file, too.
        for path in paths where files[path]?.unchangedSince == nil { files[path]?.unchangedSince = now }
        for path in paths where files[path]?.tailSince == nil { files[path]?.tailSince = now }
        let answers = paths.map { path in
            let file = files[path]
            let presence: WriterPresence = isShare ? .unknown : file?.hasWriter == true ? .writing : .none
            return WriterAnswer(
                path: path, outcome: file.map { .asked(presence, $0.stamp, $0.tail) } ?? .vanished)
        }
        for case .settled(let settled) in machine.writersChecked(answers, at: now) {
            for file in settled { settles(file) }
        }
    }

    private mutating func settles(_ settled: SettledFile) {
        let file = files[settled.path]
        #expect(file?.stamp == settled.stamp)
        #expect(isShare || file?.hasWriter == false)
        #expect(file?.settledStamp != settled.stamp, "settled twice")
        #expect(file?.unchangedSince.map { now - $0 >= Self.settle } == true)
        #expect(settled.looksPreallocated == (file?.tail != .written))
        if settled.looksPreallocated {
            #expect(file?.tailSince.map { now - $0 >= machine.quiet } == true)
            preallocated += 1
        }
        files[settled.path]?.settledStamp = settled.stamp
    }
}
