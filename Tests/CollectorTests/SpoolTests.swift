import Collector
import ContentHash
import EvidenceModel
import FileAccess
import Foundation
import StationTesting
import Synchronization
import Testing

/// A file `clip` of a card.
func origin(_ stamp: FileStamp, fileSystem: String = "CARD-1") -> CopyOrigin {
    CopyOrigin(
        source: "cameras", fileSystem: fileSystem, file: SettledFile(path: RawPath("DCIM/clip"), stamp: stamp))
}

@Suite("Spool")
struct SpoolTests {
    private let folder: TemporaryDirectory
    private let spool: Spool
    private let id = RecordingID(time: WallTime(millisecondsSince1970: 1), random: (1, 1))
    private let other = RecordingID(time: WallTime(millisecondsSince1970: 2), random: (2, 2))

    init() throws {
        folder = try TemporaryDirectory()
        spool = Spool(path: folder.path.appending("spool"), floorBytes: 0)
        try spool.prepare(below: folder.path) { _ in false }
    }

    private func names(_ spool: Spool) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: spool.path.display).sorted()
    }

    @discardableResult
    private func copy(_ text: String, as id: RecordingID, with reader: ContentReader = ContentReader()) throws
        -> StoredContent
    {
        let file = try openFile(folder.file("clip", text))
        return try spool.copy(file, of: origin(file.status().stamp), as: id, with: reader)
    }

    private func text(of id: RecordingID) throws -> String {
        try String(decoding: spool.open(id).readBytes(ByteSpan(offset: 0, length: 1000)), as: UTF8.self)
    }

    @Test func aCopyIsPartialUntilItIsSealed() throws {
        let content = try copy("clip", as: id)
        #expect(content.digest == .sha256(of: Array("clip".utf8)))
        #expect(try names(spool) == ["\(id).partial"])
        #expect(try text(of: id) == "clip")
        try spool.seal(id)
        #expect(try names(spool) == [id.text])
        #expect(try text(of: id) == "clip")
    }

    @Test func anEmptyFileIsCopied() throws {
        #expect(try copy("", as: id).size == 0)
        #expect(try text(of: id) == "")
    }

    @Test func aPartialCopyIsDiscardedOrGivenToAnother() throws {
        try copy("one", as: id)
        try spool.reassign(id, to: other)
        #expect(try names(spool) == ["\(other).partial"])
        #expect(try text(of: other) == "one")
        try spool.discard(other)
        try spool.discard(other)
        #expect(try names(spool) == [])
        #expect(throws: FileAccessError.self) { _ = try spool.open(other) }
    }

    @Test func nothingTakesAnothersPlace() throws {
        try copy("one", as: id)
        try copy("another", as: other)
        #expect(throws: FileAccessError.self) { try spool.reassign(id, to: other) }
        try spool.seal(id)
        try copy("three", as: id)
        #expect(throws: FileAccessError.self) { try spool.seal(id) }
        #expect(try text(of: id) == "one")
        #expect(try text(of: other) == "another")
    }

    /// A crash between the catalogue's word and the end of a second copy of the same content.
    @Test func aSecondCopyOfTheSameIsNotKept() throws {
        try copy("one", as: id)
        try spool.seal(id)
        try copy("one", as: id)
        try spool.seal(id)
        #expect(try names(spool) == [id.text])
    }

    /// A copy that could not be removed, longer than the one that follows under the same id.
    @Test func whatACrashLeftIsNoPartOfTheNextCopy() throws {
        try copy("a long text that stays behind", as: id)
        try copy("short", as: id)
        #expect(try text(of: id) == "short")
    }

    @Test func afterACrashTheCatalogueDecides() throws {
        let third = RecordingID(time: WallTime(millisecondsSince1970: 3), random: (3, 3))
        try copy("sealed", as: third)
        try spool.seal(third)
        try copy("known", as: id)
        try copy("unknown", as: other)
        try folder.file("spool/notes.partial", "not ours")
        try folder.file("spool/readme", "not ours")
        let asked = Spool(path: spool.path)
        try asked.prepare(below: folder.path) { $0 == id }
        #expect(try names(spool) == [id.text, third.text, "notes.partial", "readme"].sorted())
        #expect(try text(of: id) == "known")
        #expect(try text(of: third) == "sealed", "a catalogue that does not know it may be the one that is wrong")
        try asked.prepare(below: folder.path) { _ in false }
        #expect(try names(spool).contains(id.text))
    }

    @Test func aCatalogueThatCannotBeAskedLosesNothing() throws {
        struct Unavailable: Error {}
        try copy("known", as: id)
        #expect(throws: Unavailable.self) { try spool.prepare(below: folder.path) { _ in throw Unavailable() } }
        #expect(try names(spool) == ["\(id).partial"])
    }

    @Test func aCopyThatIsSafeElsewhereMakesRoom() throws {
        try copy("a copy", as: id)
        #expect(try spool.remove(id) == 0, "not one that is being made")
        #expect(try text(of: id) == "a copy")
        try spool.seal(id)
        #expect(try spool.remove(id) == 6)
        #expect(try names(spool) == [])
        #expect(try spool.remove(id) == 0)
    }

    @Test func aCopyIsCheckedByteForByte() throws {
        let content = try copy("a copy", as: id)
        #expect(try spool.check(id, content, with: ContentReader()) == .matches)
        try spool.seal(id)
        #expect(try spool.check(id, content, with: ContentReader()) == .matches)
        try folder.file("spool/\(id)", "a cope")
        #expect(try spool.check(id, content, with: ContentReader()) == .differs)
        try folder.file("spool/\(id)", "a cop")
        #expect(try spool.check(id, content, with: ContentReader()) == .differs)
        _ = try spool.remove(id)
        #expect(try spool.check(id, content, with: ContentReader()) == .missing)
    }

    @Test func aCopyIsCheckedPartByPart() throws {
        let path = folder.path.appending("long")
        try randomBytes(9 << 20, seed: 4).write(to: URL(fileURLWithPath: path.display))
        let file = try openFile(path)
        let content = try spool.copy(file, of: origin(file.status().stamp), as: id, with: ContentReader())
        #expect(content.partDigests.count == 2)
        #expect(try spool.check(id, content, with: ContentReader()) == .matches)
        #expect(throws: CollectFailure.cancelled) {
            try spool.check(id, content, with: ContentReader(isCancelled: { true }))
        }
    }

    @Test func theSpoolIsNotMadeUpOnTheWrongDisk() throws {
        let absent = folder.path.appending("not-mounted")
        #expect(throws: FileAccessError.self) {
            try Spool(path: absent.appending("spool")).prepare(below: absent) { _ in false }
        }
    }

    @Test func aFailedCopyLeavesNothing() throws {
        let path = folder.path.appending("clip").display
        let text = String(repeating: "x", count: 3 << 20)
        #expect(throws: CollectFailure.changed) {
            try copy(text, as: id, with: ContentReader(progress: { if $0 == 1 << 20 { truncate(path, 5) } }))
        }
        #expect(throws: CollectFailure.cancelled) { try copy(text, as: id, with: ContentReader(isCancelled: { true })) }
        #expect(throws: CollectFailure.changed) {
            try copy(text, as: id, with: ContentReader(progress: { _ in unlink(path) }))
        }
        #expect(try names(spool) == [])
    }

    @Test func copiesThatAreSetAsideStay() throws {
        for text in ["one", "another", "a third"] {
            try copy(text, as: id)
            try spool.seal(id)
            try spool.setAside(id)
        }
        try spool.setAside(id)
        #expect(try names(spool) == ["\(id).damaged", "\(id).damaged-2", "\(id).damaged-3"])
        try copy("four", as: other)
        #expect(try spool.leftovers() == SpoolLeftovers(damagedBytes: 17), "what is complete is still wanted")
        spool.giveBack(other)
        #expect(try spool.leftovers() == SpoolLeftovers(interruptedBytes: 4, damagedBytes: 17))
        try spool.seal(other)
        #expect(try spool.leftovers() == SpoolLeftovers(damagedBytes: 17))
    }

    /// A crash between a new copy and the setting aside of the damaged one that it replaces.
    @Test(arguments: ["new", "longer"]) func aCopyThatReplacesADamagedOneTakesItsPlace(_ text: String) throws {
        try copy("old", as: id)
        try spool.seal(id)
        try copy(text, as: id)
        try Spool(path: spool.path).prepare(below: folder.path) { $0 == id }
        #expect(try names(spool) == [id.text, "\(id).damaged"])
        #expect(try self.text(of: id) == text)
    }

    @Test func aFileThatDoesNotFitBesideTheFloorIsNotWaitedFor() throws {
        let total = try DurableDirectory(path: spool.path).totalBytes()
        let crowded = Spool(path: spool.path, floorBytes: total - 3)
        let file = try openFile(folder.file("clip", "four"))
        let failure = #expect(throws: CollectFailure.self) {
            _ = try crowded.copy(file, of: origin(file.status().stamp), as: id, with: ContentReader())
        }
        guard case .spoolFailed(let error)? = failure else {
            Issue.record("\(String(describing: failure))")
            return
        }
        #expect(error.code == EFBIG)
    }

    /// The second begins while the first is on its way: what the first has still to write is not free.
    @Test(.enabled(if: geteuid() == 0)) func copiesThatAreOnTheirWayHaveTheirRoom() throws {
        let path = folder.path.appending("long")
        try randomBytes(40 << 20, seed: 4).write(to: URL(fileURLWithPath: path.display))
        let mount = try folder.folder("small")
        try Tool.run("mount", "-t", "tmpfs", "-o", "size=64m", "none", mount.display)
        let tight = Spool(path: mount.appending("spool"), floorBytes: 0)
        try tight.prepare(below: mount) { _ in false }
        let (id, other) = (id, other)
        let failures = Mutex<[CollectFailure]>([])
        let second = ContentReader(progress: { offset in
            guard offset == 1 << 20, let file = try? openFile(path), let stamp = try? file.status().stamp else {
                return
            }
            do throws(CollectFailure) {
                _ = try tight.copy(file, of: origin(stamp), as: other, with: ContentReader())
            } catch {
                failures.withLock { $0.append(error) }
            }
        })
        let file = try openFile(path)
        let stamp = try file.status().stamp
        _ = try tight.copy(file, of: origin(stamp), as: id, with: second)
        #expect(failures.withLock { $0 } == [.spoolFull(bytes: 40 << 20)])
        // 24 MiB are left. What is cut gives its room back.
        try randomBytes(10 << 20, seed: 5).write(to: URL(fileURLWithPath: path.display))
        let shorter = try openFile(path)
        let cut = try origin(shorter.status().stamp)
        #expect(throws: CollectFailure.cancelled) {
            try tight.copy(shorter, of: cut, as: other, with: ContentReader(isCancelled: { true }))
        }
        #expect(try tight.hasFree(bytes: 20 << 20))
    }

    @Test func aSizeThatCannotBeIsNotWaitedFor() throws {
        let file = try openFile(folder.file("clip"))
        var stamp = try file.status().stamp
        stamp.size = .max
        let failure = #expect(throws: CollectFailure.self) {
            _ = try Spool(path: spool.path).copy(file, of: origin(stamp), as: id, with: ContentReader())
        }
        guard case .spoolFailed(let error)? = failure else {
            Issue.record("\(String(describing: failure))")
            return
        }
        #expect(error.code == EFBIG)
    }

    @Test(.enabled(if: geteuid() == 0)) func aFullDiskIsWaitedFor() throws {
        let mount = try folder.folder("small")
        try Tool.run("mount", "-t", "tmpfs", "-o", "size=8m", "none", mount.display)
        let small = Spool(path: mount.appending("spool"), floorBytes: 1 << 20)
        try small.prepare(below: mount) { _ in false }
        let ballast = mount.appending("ballast").display
        // By another process: a child that another test starts meanwhile would keep this one's open file, and its room.
        @Sendable func fill(mebibytes: Int) throws {
            try Tool.run("dd", "if=/dev/zero", "of=\(ballast)", "bs=1M", "count=\(mebibytes)")
        }
        try fill(mebibytes: 3)
        let data = randomBytes(5 << 20, seed: 3)
        let path = folder.path.appending("clip")
        try data.write(to: URL(fileURLWithPath: path.display))
        let file = try openFile(path)
        let stamp = try file.status().stamp
        let full = CollectFailure.spoolFull(bytes: 6 << 20)
        #expect(throws: full) { _ = try small.copy(file, of: origin(stamp), as: id, with: ContentReader()) }
        #expect(try names(small) == [])
        #expect(try !small.hasFree(bytes: 6 << 20))
        try FileManager.default.removeItem(atPath: ballast)
        #expect(try small.hasFree(bytes: 6 << 20))
        #expect(throws: full) {
            // Somebody else fills the disk while the copy is made.
            let thief = ContentReader(progress: { offset in
                if offset == 1 << 20 { try? fill(mebibytes: 6) }
            })
            _ = try small.copy(file, of: origin(stamp), as: id, with: thief)
        }
        #expect(try names(small) == [])
        try FileManager.default.removeItem(atPath: ballast)
        let content = try small.copy(file, of: origin(stamp), as: id, with: ContentReader())
        #expect(content.digest == .sha256(of: data))
        #expect(try small.open(id).status().stamp.size == 5 << 20)
    }
}
