import DockWatch
import EvidenceModel
import StationTesting
import Testing

@Suite("Folder memory")
struct FolderMemoryTests {
    private let dcim = RawPath("DCIM")

    private func folder(_ path: String, _ modified: Int64 = 1, names: Int = 0, isWhole: Bool = true) -> ListedFolder {
        let stamp = FileStamp(
            device: 1, inode: 1, size: 4096, modifiedNanoseconds: modified, changedNanoseconds: modified)
        return ListedFolder(path: RawPath(path), stamp: stamp, namesMark: names, isWhole: isWhole)
    }

    /// One look at `second`: which folders of `tree` were not listed.
    private func look(
        _ memory: inout FolderMemory, _ tree: [ListedFolder], at second: Int, hints: FolderHints = FolderHints(),
        seesEveryWriter: Bool = true
    ) -> Set<String> {
        let plan = memory.plan(unsettled: [], hints: hints, at: .seconds(second))
        let passed = tree.filter { plan.folders[$0.path]?.stamp == $0.stamp }
        var scan = TreeScan(
            listed: tree.filter { !passed.contains($0) }, unlisted: Set(passed.map(\.path)),
            seesEveryWriter: seesEveryWriter)
        memory.scanned(&scan, from: .seconds(second), to: .seconds(second))
        return Set(passed.map(\.path.display))
    }

    @Test func aFolderIsBelievedWhenItsStampIsOld() {
        var memory = FolderMemory()
        let tree = [folder(""), folder("DCIM")]
        #expect(look(&memory, tree, at: 0) == [])
        #expect(look(&memory, tree, at: 4) == [])
        // Listed at 4, when the stamp was not yet 5 s old.
        #expect(look(&memory, tree, at: 30) == [])
        #expect(look(&memory, tree, at: 31) == ["", "DCIM"])
        let changed = [folder(""), folder("DCIM", 2)]
        #expect(look(&memory, changed, at: 60) == [""])
        #expect(look(&memory, changed, at: 61) == [""])
        #expect(look(&memory, changed, at: 70) == [""])
        #expect(look(&memory, changed, at: 71) == ["", "DCIM"])
    }

    @Test func whatWasHeardOfIsListed() {
        var memory = FolderMemory()
        let tree = [folder(""), folder("DCIM")]
        for second in [0, 10] { _ = look(&memory, tree, at: second) }
        #expect(look(&memory, tree, at: 20, hints: FolderHints(folders: [dcim])) == [""])
        #expect(look(&memory, tree, at: 30) == ["", "DCIM"])
        #expect(look(&memory, tree, at: 40, hints: FolderHints(isAnything: true)) == [])
        _ = memory.plan(unsettled: [], hints: FolderHints(folders: [dcim]), at: .seconds(50))
        memory.failed()
        #expect(look(&memory, tree, at: 60) == [])
    }

    @Test func timesThatTellNothingAreNotBelieved() {
        var memory = FolderMemory()
        let tree = [folder("", 0), folder("DCIM", isWhole: false)]
        for second in stride(from: 0, through: 100, by: 10) { #expect(look(&memory, tree, at: second) == []) }
    }

    @Test func aFileSystemThatLiesIsListedForEver() {
        var memory = FolderMemory()
        for second in [0, 10] { _ = look(&memory, [folder("", names: 1)], at: second) }
        #expect(look(&memory, [folder("", names: 1)], at: 20) == [""])
        #expect(look(&memory, [folder("", names: 2)], at: 30, hints: FolderHints(isAnything: true)) == [])
        for second in [40, 60, 80] { #expect(look(&memory, [folder("", names: 2)], at: second) == []) }
    }

    @Test func namesThatChangeUnderAFreshStampAreNoLie() {
        var memory = FolderMemory()
        for second in 0...4 { _ = look(&memory, [folder("", names: second)], at: second) }
        _ = look(&memory, [folder("", names: 4)], at: 10)
        #expect(look(&memory, [folder("", names: 4)], at: 20) == [""])
    }

    @Test func aNameThatIsMissingTwiceCannotBeRead() {
        var memory = FolderMemory()
        let (tree, gone, broken) = ([folder(""), folder("DCIM")], dcim.appending("gone"), dcim.appending("broken"))
        for second in [0, 10] { _ = look(&memory, tree, at: second) }
        func missing(_ names: [RawPath], at second: Int) -> TreeScan {
            let plan = memory.plan(unsettled: [], hints: FolderHints(), at: .seconds(second))
            let passed = Set(tree.map(\.path).filter { plan.folders[$0] != nil })
            var scan = TreeScan(missing: names, listed: tree.filter { !passed.contains($0.path) }, unlisted: passed)
            memory.scanned(&scan, from: .seconds(second), to: .seconds(second))
            return scan
        }
        let first = missing([gone, broken], at: 20)
        #expect(first.missing == [gone, broken] && first.skipped == [])
        for second in [30, 40] {
            let again = missing([broken], at: second)
            #expect(again.missing == [] && again.skipped == [SkippedEntry(path: broken, reason: .unreadable)])
            #expect(again.listed.map(\.path) == [dcim], "it is looked for again")
        }
        #expect(missing([], at: 50).skipped == [])
        #expect(missing([broken], at: 60).skipped == [], "it went away again")
        #expect(missing([], at: 70).unlisted == [RawPath("")])
        #expect(missing([], at: 80).unlisted == [RawPath(""), dcim])
    }

    @Test func everyFolderIsListedNowAndThen() {
        var memory = FolderMemory()
        let tree = [folder(""), folder("DCIM")]
        let often = (0..<60).filter { look(&memory, tree, at: $0 * 10).isEmpty }
        // The first two looks, and each twentieth after the first.
        #expect(often == [0, 1, 20, 40])
        var rare = FolderMemory()
        #expect((0..<12).filter { look(&rare, tree, at: $0 * 60).isEmpty } == [0, 1, 5, 10])
    }

    @Test func aShareIsBelievedLater() {
        var memory = FolderMemory()
        let passed = (0..<15).map { look(&memory, [folder("")], at: $0 * 10, seesEveryWriter: false) }
        #expect(passed.firstIndex(of: [""]) == 10)
    }

    /// Names that come and go in folders whose clock counts in 2 s, and looks at random: nothing is missed for longer than
    /// the next full pass, and mostly it is found at the next look.
    @Test(arguments: [1, 2, 3, 4, 5, 6])
    func nothingIsMissedByACoarseClock(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var memory = FolderMemory()
        var (now, content) = (0.0, [Int](repeating: 0, count: 4))
        var modified = [Int64](repeating: 2, count: 4)
        var seen = content
        for _ in 0..<2000 {
            now += Double.random(in: 0...4, using: &random)
            let place = Int.random(in: 0..<4, using: &random)
            if Int.random(in: 0..<4, using: &random) == 0 {
                content[place] += 1
                modified[place] = Int64(now / 2) * 2 + 2
                continue
            }
            let tree = (0..<4).map { folder("\($0)", modified[$0], names: content[$0]) }
            let start = Duration.seconds(now)
            let plan = memory.plan(unsettled: [], hints: FolderHints(), at: start)
            let passed = tree.filter { plan.folders[$0.path]?.stamp == $0.stamp }
            for folder in tree where !passed.contains(folder) {
                seen[Int(folder.path.display) ?? 0] = folder.namesMark
            }
            #expect(seen == content)
            var scan = TreeScan(listed: tree.filter { !passed.contains($0) }, unlisted: Set(passed.map(\.path)))
            memory.scanned(&scan, from: start, to: start)
        }
    }
}
