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
}

/// Files that are written, closed, changed and removed at random, and the machine that looks on.
private struct SettleWorld {
    private static let settle = Duration.seconds(5)

    private struct File {
        var stamp: FileStamp
        var hasWriter = false
        var unchangedSince: Duration?
        var settledStamp: FileStamp?
    }

    private var random: SeededRandom
    private var machine = SettleMachine(settle: Self.settle)
    private var now = Duration.zero
    private var files: [RawPath: File] = [:]
    private var changes: Int64 = 0

    init(seed: UInt64) {
        random = SeededRandom(seed: seed)
    }

    mutating func step() {
        now += .milliseconds(Int.random(in: 0...3000, using: &random))
        let path = RawPath("\(Int.random(in: 0...5, using: &random))")
        switch Int.random(in: 0...9, using: &random) {
        case 0: files[path] = nil
        case 1: change(path)
        case 2: files[path]?.hasWriter.toggle()
        default: look()
        }
    }

    private mutating func change(_ path: RawPath) {
        changes += 1
        let stamp = FileStamp(device: 1, inode: 1, size: changes, modifiedNanoseconds: 0, changedNanoseconds: 0)
        files[path, default: File(stamp: stamp)].stamp = stamp
        files[path]?.unchangedSince = nil
    }

    private mutating func look() {
        for path in files.keys where files[path]?.unchangedSince == nil { files[path]?.unchangedSince = now }
        let observed = files.sorted { $0.key < $1.key }.map { ObservedFile(path: $0.key, stamp: $0.value.stamp) }
        for action in machine.scanned(TreeScan(files: observed), at: now) {
            guard case .checkWriters(let paths) = action else { continue }
            if Bool.random(using: &random), let path = paths.randomElement(using: &random) { change(path) }
            answer(paths)
        }
        let unsettled = files.filter { $0.value.settledStamp != $0.value.stamp }.keys
        #expect(Set(machine.stillChanging) == Set(unsettled))
    }

    private mutating func answer(_ paths: [RawPath]) {
        // Asking looks at the file, too.
        for path in paths where files[path]?.unchangedSince == nil { files[path]?.unchangedSince = now }
        let answers = paths.map { path in
            let file = files[path]
            let presence: WriterPresence = file?.hasWriter == true ? .writing : .none
            return WriterAnswer(path: path, outcome: file.map { .asked(presence, $0.stamp) } ?? .vanished)
        }
        for case .settled(let settled) in machine.writersChecked(answers, at: now) {
            for file in settled { settles(file) }
        }
    }

    private mutating func settles(_ settled: SettledFile) {
        let file = files[settled.path]
        #expect(file?.stamp == settled.stamp)
        #expect(file?.hasWriter == false)
        #expect(file?.settledStamp != settled.stamp, "settled twice")
        #expect(file?.unchangedSince.map { now - $0 >= Self.settle } == true)
        files[settled.path]?.settledStamp = settled.stamp
    }
}
