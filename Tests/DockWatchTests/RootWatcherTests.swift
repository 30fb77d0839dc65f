import DockWatch
import EvidenceModel
import FileAccess
import Glibc
import StationTesting
import Testing

@Suite("Root watcher", .timeLimit(.minutes(1)))
struct RootWatcherTests {
    private let directory: TemporaryDirectory
    private let clock = ManualClock()

    init() throws {
        StationProcess.ignoreBrokenPipesAndLeases()
        directory = try TemporaryDirectory()
    }

    private func watch(settle: Duration = .seconds(10)) -> WatchRun {
        let root = WatchedRoot(source: "room", kind: .directory, path: directory.path, fileSystem: "room")
        return WatchRun(RootWatcher(root: root, settle: settle, lane: IOLane(label: "test"), clock: clock))
    }

    @Test func settlesAFileThatStaysAsItIs() async throws {
        try directory.file("a.mp4", "123")
        let run = watch()
        let path = RawPath("a.mp4")
        let newest = ObservedFile(
            path: path, stamp: try DirectoryTree(path: directory.path, device: nil).file(path).status().stamp)
        #expect(
            try await run.nextPass()
                == ScanSummary(files: 1, bytes: 3, stillChanging: [path], settleSeconds: 10, newest: newest))
        await clock.sleeper(until: .seconds(10))
        clock.advance(by: .seconds(10))
        #expect(try await run.nextSettled() == ["a.mp4"])
        #expect(
            try await run.nextPass()
                == ScanSummary(files: 1, bytes: 3, stillChanging: [], settleSeconds: 10, newest: newest))
        await clock.sleeper(until: .seconds(40))
        clock.advance(by: .seconds(30))
        guard case .scanned = try await run.next() else { Issue.record("settled twice"); return }
        await run.end()
    }

    /// A card whose folder lists what its table does not have.
    @Test(.enabled(if: FaultyCard.isAvailable, "needs root, /dev/fuse, test-tools"))
    func aNameThatIsListedAndCannotBeFoundIsTold() async throws {
        let card = try FaultyCard(in: directory)
        try write("12", to: card.backing.appending("a.mp4"))
        try write("123", to: card.backing.appending("b.mp4"))
        let point = directory.path.appending("card")
        try card.mount(at: point)
        var fault = FaultyCard.Fault()
        fault.isMissing = true
        try card.set(fault, on: "b.mp4")
        let root = WatchedRoot(source: "docks", kind: .mount, path: point, fileSystem: "CARD-1")
        let run = WatchRun(RootWatcher(root: root, settle: .seconds(10), lane: IOLane(label: "test"), clock: clock))
        let first = try await run.nextPass()
        #expect(first.files == 1 && first.unreadable == [])
        #expect(first.stillChanging == ["a.mp4", "b.mp4"].map { RawPath($0) })
        await clock.sleeper(until: .seconds(10))
        clock.advance(by: .seconds(10))
        guard case .skipped(let skipped) = try await run.next() else { Issue.record("not told"); return }
        #expect(skipped == [SkippedEntry(path: RawPath("b.mp4"), reason: .unreadable)])
        #expect(try await run.nextSettled() == ["a.mp4"])
        let second = try await run.nextPass()
        #expect(second.unreadable == [RawPath("b.mp4")] && second.stillChanging == [])
        await run.end()
        card.close()
    }

    @Test func aWriterHoldsAFileBackUntilItCloses() async throws {
        let file = try directory.file("a.mp4")
        func openForWriting() throws -> OwnedDescriptor { try OwnedDescriptor.open(absolute: file, flags: O_WRONLY) }
        var writer: OwnedDescriptor? = try openForWriting()
        let run = watch()
        _ = try await run.nextPass()
        for pass in 1...3 {
            await clock.sleeper(until: .seconds(10 * pass))
            clock.advance(by: .seconds(10))
            #expect(try await run.nextPass().stillChanging == [RawPath("a.mp4")])
        }
        await clock.sleeper(until: .seconds(40))
        // Closing is the hint: no time has to pass but the shortest pause.
        writer = nil
        await clock.sleeper(until: .milliseconds(30_500))
        clock.advance(by: .milliseconds(500))
        #expect(try await run.nextSettled() == ["a.mp4"])
        await run.end()
        _ = consume writer
    }

    @Test func hintsThatRainAreOneScan() async throws {
        let run = watch(settle: .zero)
        #expect(try await run.nextPass().files == 0)
        await clock.sleeper(until: .seconds(30))
        for file in 0..<100 { try directory.file("\(file).mp4") }
        await clock.sleeper(until: .milliseconds(500))
        clock.advance(by: .milliseconds(500))
        #expect(try await run.nextPass().files == 100)
        await run.end()
    }

    @Test func aNewFolderIsWatched() async throws {
        let run = watch(settle: .zero)
        _ = try await run.nextPass()
        await clock.sleeper(until: .seconds(30))
        clock.advance(by: .seconds(1))
        try directory.folder("DCIM")
        _ = try await run.nextPass()
        await clock.sleeper(until: .seconds(31))
        clock.advance(by: .seconds(1))
        try directory.file("DCIM/a.mp4")
        #expect(try await run.nextSettled() == ["a.mp4"].map { "DCIM/" + $0 })
        await run.end()
    }

    @Test func whatIsLeftOutIsToldOnce() async throws {
        #expect(symlink("/etc", directory.path.appending("link").display) == 0)
        let run = watch()
        guard case .skipped(let first) = try await run.next() else { Issue.record("no news"); return }
        #expect(first == [SkippedEntry(path: RawPath("link"), reason: .symbolicLink)])
        _ = try await run.nextPass()
        await clock.sleeper(until: .seconds(30))
        clock.advance(by: .seconds(30))
        guard case .scanned = try await run.next() else { Issue.record("told twice"); return }
        await run.end()
    }

    @Test func aMissingRootIsToldOnceAndTriedEverLessOften() async throws {
        directory.close()
        let run = watch()
        #expect(try await run.nextUnreachable().meaning == .missing)
        var moment = 0
        for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
            moment += pause
            await clock.sleeper(until: .seconds(moment))
            clock.advance(by: .seconds(pause))
        }
        await clock.sleeper(until: .seconds(moment + 60))
        try write("x", to: directory.path.appending("a.mp4"))
        clock.advance(by: .seconds(60))
        guard case .scanned(let summary) = try await run.next() else { Issue.record("told twice"); return }
        #expect(summary.files == 1)
        directory.close()
        await run.end()
    }

    @Test func cancellationEndsIt() async throws {
        let run = watch()
        _ = try await run.nextPass()
        await clock.sleepers()
        await run.end()
        #expect(clock.deadlines.isEmpty)
        let atOnce = watch()
        await atOnce.end()
    }

    @Test func thousandsOfFilesSettleInGroups() async throws {
        for file in 0..<1200 { try directory.file("DCIM/\(file).mp4", "") }
        let run = watch(settle: .zero)
        var settled: [Int] = []
        while settled.reduce(0, +) < 1200 { settled.append(try await run.nextSettled().count) }
        #expect(settled == [512, 512, 176])
        await run.end()
    }

    /// ctime tells, which nobody can set back.
    @Test func aFileThatIsEditedInPlaceSettlesAgain() async throws {
        let file = try directory.file("DCIM/a.mp4", "123")
        let run = watch(settle: .zero)
        #expect(try await run.nextSettled() == ["DCIM/a.mp4"])
        // Past the time in which folders are listed in any case.
        for second in [30, 60, 90] {
            _ = try await run.nextPass()
            await clock.sleeper(until: .seconds(second))
            clock.advance(by: .seconds(30))
        }
        _ = try await run.nextPass()
        await clock.sleeper(until: .seconds(120))
        clock.advance(by: .seconds(1))
        var before = stat()
        try #require(stat(file.display, &before) == 0)
        do {
            let writer = try OwnedDescriptor.open(absolute: file, flags: O_WRONLY)
            try writer.write(Array("456".utf8), at: 0)
            let times = [before.st_atim, before.st_mtim]
            #expect(futimens(writer.number, times) == 0)
        }
        #expect(try await run.nextSettled() == ["DCIM/a.mp4"])
        await run.end()
    }

    /// Where nobody tells of a change, the next full pass finds it.
    @Test func aChangeThatNobodyHeardOfIsFoundByTheFullPass() throws {
        let file = try directory.file("DCIM/a.mp4", "123")
        try directory.file("b.mp4", "1")
        let root = WatchedRoot(source: "room", kind: .directory, path: directory.path, fileSystem: "room")
        var memory = FolderMemory()
        func look(at second: Int, hints: FolderHints = FolderHints()) throws -> TreeScan {
            let plan = memory.plan(unsettled: [], hints: hints, at: .seconds(second))
            var scan = try TreeScanner.scan(root, plan: plan)
            memory.scanned(&scan, from: .seconds(second), to: .seconds(second))
            return scan
        }
        #expect(try look(at: 0).files.count == 2)
        #expect(try look(at: 10).unlisted.isEmpty)
        try write("456", to: file)
        let passed = try look(at: 20)
        #expect(passed.unlisted == ["", "DCIM"].map { RawPath($0) }.reduce(into: []) { $0.insert($1) })
        #expect(passed.files.isEmpty && passed.listed.isEmpty)
        #expect(
            try look(at: 30, hints: FolderHints(folders: [RawPath("DCIM")])).files.map(\.path.display) == ["DCIM/a.mp4"]
        )
        try directory.file("DCIM/c.mp4", "1")
        #expect(Set(try look(at: 40).files.map(\.path.display)) == ["DCIM/a.mp4", "DCIM/c.mp4"])
        #expect(try look(at: 310).files.count == 3)
    }

    @Test func whatHasNotSettledIsAskedForInAnUnchangedFolder() throws {
        try directory.file("DCIM/a.mp4", "123")
        let growing = try directory.file("DCIM/b.mp4", "1")
        #expect(symlink("/etc", directory.path.appending("DCIM/link").display) == 0)
        let root = WatchedRoot(source: "room", kind: .directory, path: directory.path, fileSystem: "room")
        let listed = try TreeScanner.scan(root).listed
        let plan = ScanPlan(
            folders: Dictionary(uniqueKeysWithValues: listed.map { ($0.path, $0) }),
            unsettled: [RawPath("DCIM"): [RawPath("DCIM/b.mp4"), RawPath("DCIM/gone.mp4")]])
        try write("12", to: growing)
        let scan = try TreeScanner.scan(root, plan: plan)
        #expect(scan.files.map(\.path.display) == ["DCIM/b.mp4"] && scan.files.first?.stamp.size == 2)
        #expect(scan.skipped == [SkippedEntry(path: RawPath("DCIM/link"), reason: .symbolicLink)])
    }

    @Test(.enabled(if: CardImage.isAvailable(.fat), "mounting a FAT image needs root, /dev/fuse and fusefat"))
    func whatEndsInZerosOnAShareIsWatchedForLonger() async throws {
        let card = try CardImage(.fat, in: directory)
        let point = directory.path.appending("share")
        try card.mount(at: point)
        try write("footage" + String(repeating: "\0", count: 200_000), to: point.appending("a.mp4"))
        let root = WatchedRoot(source: "room", kind: .directory, path: point, fileSystem: "share")
        let run = WatchRun(RootWatcher(root: root, settle: .seconds(1), lane: IOLane(label: "share"), clock: clock))
        let file = RawPath("a.mp4")
        #expect(try await run.nextPass().stillChanging.contains(file))
        await clock.sleeper(until: .seconds(1))
        clock.advance(by: .seconds(1))
        #expect(try await run.nextPass().stillChanging == [file])
        // Nothing is heard of other machines: it is looked at every 10 s.
        for second in stride(from: 11, through: 61, by: 10) {
            await clock.sleeper(until: .seconds(second))
            clock.advance(by: .seconds(10))
            if second < 61 { #expect(try await run.nextPass().stillChanging == [file]) }
        }
        while true {
            guard case .settled(let files) = try await run.next() else { continue }
            #expect(files.map(\.path) == [file] && files.allSatisfy(\.looksPreallocated))
            break
        }
        await run.end()
        card.close()
    }
}
