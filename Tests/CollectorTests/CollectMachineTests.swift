import Collector
import EvidenceModel
import StationTesting
import Testing

private typealias Candidate = CollectMachine.Candidate

extension CollectMachine {
    /// None of them marked.
    fileprivate mutating func filesSettled(_ files: [SettledFile]) -> [Action] {
        filesSettled(files.map { Candidate($0) })
    }
}

extension CollectMachine.Action {
    fileprivate static func read(_ file: SettledFile) -> Self { .read(file, .whole) }
}

private func file(_ path: String, size: Int64 = 10, version: Int64 = 1) -> SettledFile {
    SettledFile(
        path: RawPath(path),
        stamp: FileStamp(device: 1, inode: 1, size: size, modifiedNanoseconds: version, changedNanoseconds: 0))
}

@Suite("Collect machine")
struct CollectMachineTests {
    private let a = file("a")
    private let b = file("b", size: 7)

    private func counts(_ machine: CollectMachine) -> [Int64] {
        [Int64(machine.filesTotal), Int64(machine.filesCollected), machine.bytesTotal, machine.bytesCollected]
    }

    @Test func readsOneAfterTheOther() {
        var machine = CollectMachine()
        #expect(machine.isDone)
        #expect(machine.filesSettled([a, b]) == [.read(a)])
        #expect(!machine.isIdle)
        #expect(machine.fileCollected() == [.read(b)])
        #expect(counts(machine) == [2, 1, 17, 10])
        #expect(machine.fileCollected() == [])
        #expect(machine.isDone)
        #expect(counts(machine) == [2, 2, 17, 17])
    }

    @Test func aQueuedFileThatSettlesAgainIsReadOnce() {
        var machine = CollectMachine()
        _ = machine.filesSettled([a, b])
        #expect(machine.filesSettled([file("b", size: 9, version: 2)]) == [])
        #expect(counts(machine) == [2, 0, 19, 0])
        #expect(machine.fileCollected() == [.read(file("b", size: 9, version: 2))])
        #expect(machine.fileCollected() == [])
    }

    @Test func aChangedFileCountsNoMoreUntilItSettles() {
        var machine = CollectMachine()
        _ = machine.filesSettled([a])
        #expect(machine.fileChanged() == [])
        #expect(machine.isDone)
        #expect(counts(machine) == [0, 0, 0, 0])
        #expect(machine.filesSettled([file("a", version: 2)]) == [.read(file("a", version: 2))])
    }

    @Test func oneTimerServesAllThatFailed() {
        var machine = CollectMachine()
        _ = machine.filesSettled([a, b])
        #expect(machine.fileFailed("EIO", jitter: 1) == [.retry(afterSeconds: 2), .read(b)])
        #expect(machine.fileFailed("EIO", jitter: 1) == [])
        #expect(machine.retryDue() == [.read(a)])
        #expect(machine.fileFailed("EIO", jitter: 1) == [.retry(afterSeconds: 4), .read(b)])
        #expect(machine.fileFailed("EIO", jitter: 1) == [])
    }

    @Test func aFailedFileIsTriedLaterEachTime() {
        var machine = CollectMachine()
        _ = machine.filesSettled([a, b])
        #expect(machine.fileFailed("EIO", jitter: 1) == [.retry(afterSeconds: 2), .read(b)])
        #expect(machine.fileCollected() == [])
        #expect(machine.isIdle && !machine.isDone)
        for seconds in [4.0, 8, 16, 32, 64, 128, 256, 300, 300] {
            #expect(machine.retryDue() == [.read(a)])
            #expect(machine.fileFailed("EIO", jitter: 1) == [.retry(afterSeconds: seconds)])
        }
        for _ in 0..<100 {
            _ = machine.retryDue()
            #expect(machine.fileFailed("EIO", jitter: 0) == [.retry(afterSeconds: 150)])
        }
        #expect(machine.failures[a.path]?.reason == "EIO")
        _ = machine.retryDue()
        #expect(machine.retryDue() == [], "it is being read already")
        #expect(machine.fileCollected() == [])
        #expect(machine.isDone && machine.failures.isEmpty)
        #expect(counts(machine) == [2, 2, 17, 17])
    }

    @Test func nothingIsReadWithoutRoom() {
        var machine = CollectMachine()
        _ = machine.filesSettled([a, b])
        #expect(machine.spoolFilled(needing: 99) == [.waitForRoom(bytes: 99)])
        #expect(machine.filesSettled([file("c")]) == [])
        #expect(machine.retryDue() == [])
        #expect(machine.missingRoom == 99)
        #expect(machine.roomFound() == [.read(a)], "the file that found no room keeps its place")
        #expect(counts(machine) == [3, 0, 27, 0])
    }

    /// The queue is cut when 1,024 files were taken from it, and that may be the moment the spool is full.
    @Test(arguments: [1023, 1024, 1025, 1026, 3000]) func theSpoolMayFillAtAnyFile(_ before: Int) {
        var machine = CollectMachine()
        _ = machine.filesSettled((0...before).map { file("f\($0)", version: Int64($0)) })
        for _ in 0..<before { _ = machine.fileCollected() }
        #expect(machine.spoolFilled(needing: 1) == [.waitForRoom(bytes: 1)])
        #expect(!machine.isIdle)
        #expect(machine.roomFound() == [.read(file("f\(before)", version: Int64(before)))])
        #expect(machine.fileCollected() == [])
        #expect(machine.isDone && machine.filesCollected == before + 1)
    }

    @Test func aFileThatSettledAgainWhileItFoundNoRoomIsReadOnce() {
        var machine = CollectMachine()
        let newer = file("a", size: 11, version: 2)
        _ = machine.filesSettled([a])
        _ = machine.filesSettled([newer])
        _ = machine.spoolFilled(needing: 1)
        #expect(machine.check() == [])
        #expect(machine.roomFound() == [.read(newer)])
        #expect(machine.fileCollected() == [])
        #expect(counts(machine) == [1, 1, 11, 11])
    }

    @Test func aFailedFileThatSettlesAgainCountsOnce() {
        let newer = file("a", size: 11, version: 2)
        // While it waits for its retry; while the retry is queued; while it is read again; while it is read first.
        for queuedBehind in [false, true] {
            var machine = CollectMachine()
            _ = machine.filesSettled([a])
            _ = machine.fileFailed("EIO", jitter: 0)
            if queuedBehind {
                _ = machine.filesSettled([b])
                _ = machine.retryDue()
                _ = machine.filesSettled([newer])
                #expect(machine.fileCollected() == [.read(newer)])
            } else {
                #expect(machine.filesSettled([newer]) == [.read(newer)])
            }
            _ = machine.fileCollected()
            #expect(counts(machine) == (queuedBehind ? [2, 2, 18, 18] : [1, 1, 11, 11]))
        }
        for failedBefore in [false, true] {
            var machine = CollectMachine()
            _ = machine.filesSettled([a])
            if failedBefore {
                _ = machine.fileFailed("EIO", jitter: 0)
                _ = machine.retryDue()
            }
            _ = machine.filesSettled([newer])
            #expect(machine.fileFailed("EIO", jitter: 0).contains(.read(newer)))
            #expect(machine.fileCollected() == [])
            #expect(machine.isDone)
            #expect(counts(machine) == [1, 1, 11, 11])
        }
    }

    @Test func absurdSizesDoNotEndTheAgent() {
        var machine = CollectMachine()
        _ = machine.filesSettled([file("a", size: .max), file("b", size: .max), file("c", size: 5)])
        _ = machine.fileChanged()
        _ = machine.fileChanged()
        #expect(counts(machine) == [1, 0, .max, 0])
    }

    @Test func importantAndSmallFilesComeFirstThenTheOldest() {
        let part: Int64 = 8 << 20
        let (old, new) = (file("z", size: part + 1, version: 2), file("y", size: part + 1, version: 3))
        let (marked, small) = (file("m", size: part + 1, version: 9), file("s", size: part, version: 8))
        let sameAge = file("x", size: part + 1, version: 3)
        var machine = CollectMachine()
        #expect(machine.filesSettled([new]) == [.read(new)])
        _ = machine.filesSettled([Candidate(new), Candidate(marked, isImportant: true), Candidate(old)])
        _ = machine.filesSettled([Candidate(sameAge), Candidate(small)])
        for next in [small, marked, old, sameAge, new] { #expect(machine.fileCollected() == [.read(next)]) }
        #expect(machine.fileCollected() == [])
        #expect(counts(machine) == [5, 5, 5 * part + 4, 5 * part + 4])
    }

    @Test func aMarkIsForgottenWhereTheFileSettlesWithoutIt() {
        var machine = CollectMachine()
        let (a, b) = (file("a", size: 9 << 20, version: 2), file("b", size: 9 << 20, version: 1))
        _ = machine.filesSettled([file("c")])
        _ = machine.filesSettled([Candidate(a, isImportant: true), Candidate(b)])
        _ = machine.filesSettled([a])
        #expect(machine.fileCollected() == [.read(b)])
    }

    @Test func whatCannotBeReadIsSalvagedLast() {
        var machine = CollectMachine()
        let late = file("c", size: 9 << 20, version: 5)
        _ = machine.filesSettled([a, b])
        #expect(machine.fileUnreadable("EIO", jitter: 0) == [.read(b)], "no timer")
        #expect(machine.failures.isEmpty)
        _ = machine.filesSettled([late])
        #expect(machine.fileCollected() == [.read(late)])
        #expect(!machine.isIdle)
        #expect(machine.fileCollected() == [.read(a, .salvage)])
        #expect(machine.readingMode == .salvage)
        #expect(machine.fileSalvaged() == [])
        #expect(counts(machine) == [3, 2, 17 + (9 << 20), 7 + (9 << 20)])
        #expect(machine.filesDamaged == 1 && machine.bytesDamaged == 10)
        #expect(machine.isIdle && !machine.isDone, "a damaged file is not collected")
    }

    @Test func aSalvageThatFailsIsTriedAgainLater() {
        var machine = CollectMachine()
        _ = machine.filesSettled([a])
        #expect(machine.fileUnreadable("EIO", jitter: 1) == [.read(a, .salvage)])
        #expect(machine.fileFailed("ENODEV", jitter: 1) == [.retry(afterSeconds: 2)])
        #expect(machine.retryDue() == [.read(a, .salvage)])
        #expect(machine.fileUnreadable("EIO", jitter: 1) == [.retry(afterSeconds: 4)])
        #expect(machine.filesSettled([b]) == [.read(b)])
        #expect(machine.retryDue() == [])
        #expect(machine.spoolFilled(needing: 1) == [.waitForRoom(bytes: 1)])
        #expect(machine.roomFound() == [.read(b)])
        #expect(machine.fileCollected() == [.read(a, .salvage)])
        #expect(machine.spoolFilled(needing: 1) == [.waitForRoom(bytes: 1)])
        #expect(machine.roomFound() == [.read(a, .salvage)])
        #expect(machine.fileCollected() == [], "it proved whole")
        #expect(machine.isDone)
        #expect(counts(machine) == [2, 2, 17, 17])
    }

    @Test func aDamagedFileThatSettlesAgainIsReadWhole() {
        var machine = CollectMachine()
        _ = machine.filesSettled([a])
        _ = machine.fileUnreadable("EIO", jitter: 0)
        _ = machine.fileSalvaged()
        #expect(machine.filesSettled([a]) == [.read(a)])
        #expect(machine.filesDamaged == 0 && machine.bytesDamaged == 0)
        #expect(machine.fileCollected() == [])
        #expect(machine.isDone)
        #expect(counts(machine) == [1, 1, 10, 10])
    }

    @Test func aFileThatSettlesWhileItIsSalvagedIsNotCalledDamaged() {
        var machine = CollectMachine()
        let newer = file("a", size: 11, version: 2)
        _ = machine.filesSettled([a])
        _ = machine.fileUnreadable("EIO", jitter: 0)
        _ = machine.filesSettled([newer])
        #expect(machine.fileSalvaged() == [.read(newer)])
        #expect(machine.filesDamaged == 0)
        #expect(machine.fileUnreadable("EIO", jitter: 0) == [.read(newer, .salvage)])
        #expect(machine.check() == [])
    }

    @Test func aCollectedFileIsCollectedAgain() {
        var machine = CollectMachine()
        _ = machine.filesSettled([a])
        _ = machine.fileCollected()
        #expect(machine.filesSettled([a]) == [.read(a)])
        #expect(!machine.isDone)
        #expect(machine.fileCollected() == [])
        #expect(counts(machine) == [1, 1, 10, 10], "it is one file")
        let longer = file("a", size: 30, version: 2)
        #expect(machine.filesSettled([longer]) == [.read(longer)])
        #expect(counts(machine) == [1, 0, 30, 0])
        #expect(machine.filesSettled([a]) == [])
        #expect(machine.fileCollected() == [.read(a)], "it has settled anew meanwhile")
        #expect(counts(machine) == [1, 0, 10, 0])
        #expect(machine.fileChanged() == [])
        #expect(counts(machine) == [0, 0, 0, 0])
        #expect(machine.isDone && machine.check() == [])
    }

    /// Each is settled twice and some are taken out of the middle; a search at each step would take minutes.
    @Test(.timeLimit(.minutes(1))) func aFullCardIsReadInOrder() {
        var machine = CollectMachine()
        var random = SeededRandom(seed: 7)
        let files = (0..<20_000).map { file("f\($0)", version: Int64.random(in: 0...1_000_000, using: &random)) }
        _ = machine.filesSettled(files)
        _ = machine.filesSettled(files.shuffled(using: &random))
        _ = machine.fileChanged()
        var times: [Int64] = []
        while let reading = machine.reading {
            times.append(reading.stamp.modifiedNanoseconds)
            _ = machine.fileCollected()
        }
        #expect(times.count == 20_000 && times == times.sorted())
        #expect(machine.check() == [] && machine.isDone)
    }

    @Test func answersThatNobodyAskedForDoNothing() {
        var machine = CollectMachine()
        #expect(machine.fileSalvaged() == [])
        #expect(machine.fileUnreadable("x", jitter: 0) == [])
        #expect(machine.fileCollected() == [])
        #expect(machine.fileChanged() == [])
        #expect(machine.fileFailed("x", jitter: 0) == [])
        #expect(machine.spoolFilled(needing: 1) == [])
        #expect(machine.isDone && machine.check() == [])
        #expect(counts(machine) == [0, 0, 0, 0])
    }
}

/// What the walk remembers on its own: the latest version of every path that is not done.
private struct Walk {
    var machine = CollectMachine()
    var random: SeededRandom
    var wanted: [RawPath: SettledFile] = [:]
    var damaged: [RawPath: SettledFile] = [:]
    var version: Int64 = 0
    var trace: [String] = []

    init(seed: UInt64) {
        random = SeededRandom(seed: seed)
    }

    mutating func settle() -> String {
        let files = (0..<Int.random(in: 1...3, using: &random)).map { _ -> SettledFile in
            version += 1
            let path = "f\(Int.random(in: 0..<6, using: &random))"
            let size = Int64.random(in: 0...9, using: &random) << Int.random(in: 0...22, using: &random)
            return file(path, size: size, version: version)
        }
        for file in files { (wanted[file.path], damaged[file.path]) = (file, nil) }
        _ = machine.filesSettled(files.map { Candidate($0, isImportant: Bool.random(using: &random)) })
        return "settled \(files.map { "\($0.path)@\($0.stamp.modifiedNanoseconds)" })"
    }

    mutating func step() {
        let reading = machine.reading
        let event: String
        switch Int.random(in: 0..<16, using: &random) {
        case 0..<3: event = settle()
        case 3..<6:
            if let reading, wanted[reading.path] == reading { wanted[reading.path] = nil }
            _ = machine.fileCollected()
            event = "collected"
        case 6:
            if let reading, wanted[reading.path] == reading { wanted[reading.path] = nil }
            _ = machine.fileChanged()
            event = "changed"
        case 7..<9:
            _ = machine.fileFailed("EIO", jitter: 0.5)
            event = "failed"
        case 9:
            _ = machine.spoolFilled(needing: 1)
            event = "full"
        case 10:
            _ = machine.roomFound()
            event = "room"
        case 11..<14:
            _ = machine.fileUnreadable("EIO", jitter: 0.5)
            event = "unreadable"
        case 14:
            if let reading, wanted[reading.path] == reading {
                wanted[reading.path] = nil
                damaged[reading.path] = reading
            }
            _ = machine.fileSalvaged()
            event = "salvaged"
        default:
            _ = machine.retryDue()
            event = "retry"
        }
        trace.append(event)
    }

    /// Everything goes well from here: what is read until nothing is left.
    mutating func finish() -> [RawPath: SettledFile] {
        var read: [RawPath: SettledFile] = [:]
        _ = machine.roomFound()
        _ = machine.retryDue()
        while let reading = machine.reading {
            read[reading.path] = reading
            _ = machine.fileCollected()
        }
        return read
    }
}

@Suite("Collect machine: random walk")
struct CollectMachineWalkTests {
    @Test(arguments: 0..<200) func nothingIsForgotten(_ seed: UInt64) {
        var walk = Walk(seed: seed)
        for _ in 0..<300 {
            walk.step()
            let broken = walk.machine.check()
            if !broken.isEmpty {
                Issue.record("\(broken) after \(walk.trace.suffix(12))")
                return
            }
        }
        let before = (walk.machine.filesCollected, walk.machine.filesTotal)
        let wanted = walk.wanted
        let read = walk.finish()
        for (path, file) in wanted { #expect(read[path] == file, "\(path) after \(walk.trace.suffix(12))") }
        #expect(walk.machine.isIdle && walk.machine.failures.isEmpty)
        #expect(walk.machine.filesDamaged == walk.damaged.count)
        #expect(walk.machine.filesCollected + walk.damaged.count == walk.machine.filesTotal, "\(before)")
        #expect(walk.machine.bytesCollected + walk.machine.bytesDamaged == walk.machine.bytesTotal)
    }
}
