import EvidenceModel
import FileAccess
import Foundation
import StationTesting
import Testing

@Suite("Durable directory")
struct DurableDirectoryTests {
    private let folder: TemporaryDirectory

    init() throws {
        folder = try TemporaryDirectory()
    }

    private func content(_ name: String, in path: RawPath) -> String? {
        try? String(contentsOfFile: path.appending(name).display, encoding: .utf8)
    }

    private func expectRenameIsSafe(in path: RawPath) throws {
        let directory = DurableDirectory(path: path)
        try write("one", to: path.appending("one"))
        try write("two", to: path.appending("two"))
        #expect(throws: FileAccessError(call: "rename", path: path.appending("two"), code: EEXIST)) {
            try directory.rename(RawPath("one"), to: RawPath("two"))
        }
        #expect(content("one", in: path) == "one")
        #expect(content("two", in: path) == "two")
        try directory.rename(RawPath("one"), to: RawPath("three"))
        #expect(content("one", in: path) == nil)
        #expect(content("three", in: path) == "one")
        let error = #expect(throws: FileAccessError.self) {
            try directory.rename(RawPath("nothing"), to: RawPath("four"))
        }
        #expect(error?.meaning == .missing)
        try directory.remove(RawPath("three"))
        try directory.remove(RawPath("three"))
        #expect(content("three", in: path) == nil)
    }

    @Test func renameReplacesNothing() throws {
        try expectRenameIsSafe(in: folder.path)
    }

    /// FUSE file systems of libfuse 2 answer EINVAL to RENAME_NOREPLACE.
    @Test(arguments: CardImage.Format.allCases) func renameReplacesNothingOnACard(_ format: CardImage.Format) throws {
        guard CardImage.isAvailable(format) else { return }
        let card = try CardImage(format, in: folder)
        let mount = folder.path.appending("card")
        try card.mount(at: mount)
        try expectRenameIsSafe(in: mount)
    }

    @Test func renameDoesNotReplaceADanglingLink() throws {
        try folder.file("one", "one")
        try FileManager.default.createSymbolicLink(
            atPath: folder.path.appending("link").display, withDestinationPath: "nowhere")
        #expect(throws: FileAccessError.self) {
            try DurableDirectory(path: folder.path).rename(RawPath("one"), to: RawPath("link"))
        }
        #expect(content("one", in: folder.path) == "one")
    }

    @Test func makesOnlyWhatLiesBelowWhatIsThere() throws {
        let deep = folder.path.appending("a/b/c")
        try DurableDirectory(path: deep).create(below: folder.path)
        try DurableDirectory(path: deep).create(below: folder.path)
        let status = try OwnedDescriptor.open(absolute: deep, flags: O_RDONLY).status()
        #expect(status.kind == .directory)
        #expect(status.mode == 0o700)
        let absent = folder.path.appending("not-mounted")
        #expect(throws: FileAccessError(call: "mkdir", path: absent.appending("x"), code: ENOENT)) {
            try DurableDirectory(path: absent.appending("x")).create(below: absent)
        }
        #expect(!FileManager.default.fileExists(atPath: absent.display))
    }

    @Test func openOrCreateFollowsNoLinkAndKeepsWhatIsThere() throws {
        let directory = DurableDirectory(path: folder.path)
        try folder.file("old", "old text")
        try directory.openOrCreate(RawPath("old")).write(Array("new".utf8), at: 0)
        #expect(content("old", in: folder.path) == "new text")
        let made = try directory.openOrCreate(RawPath("made"))
        #expect(try made.status().mode == 0o600)
        try FileManager.default.createSymbolicLink(
            atPath: folder.path.appending("link").display, withDestinationPath: "old")
        #expect(throws: FileAccessError.self) { _ = try directory.openOrCreate(RawPath("link")) }
    }

    @Test(.enabled(if: geteuid() == 0)) func aFullDiskIsFull() throws {
        let mount = try folder.folder("small")
        try Tool.run("mount", "-t", "tmpfs", "-o", "size=1m", "none", mount.display)
        let directory = DurableDirectory(path: mount)
        #expect(try directory.freeBytes() == 1 << 20)
        let file = try directory.openOrCreate(RawPath("big"))
        let error = #expect(throws: FileAccessError.self) {
            try file.write([UInt8](repeating: 1, count: 2 << 20), at: 0)
        }
        #expect(error?.meaning == .full)
        #expect(try directory.freeBytes() == 0)
    }
}

@Suite("Owned descriptor")
struct OwnedDescriptorTests {
    @Test func readsAndWritesAtOffsets() throws {
        let folder = try TemporaryDirectory()
        let file = try DurableDirectory(path: folder.path).openOrCreate(RawPath("a"))
        try file.write(Array("abcdef".utf8), at: 0)
        try file.write(Array("XY".utf8), at: 4)
        try file.write([], at: 100)
        #expect(try file.readBytes(ByteSpan(offset: 0, length: 100)) == Array("abcdXY".utf8))
        #expect(try file.readBytes(ByteSpan(offset: 3, length: 2)) == Array("dX".utf8))
        #expect(try file.readBytes(ByteSpan(offset: 6, length: 2)) == [])
        #expect(try file.status().stamp.size == 6)
        try file.synchronize()
        try file.synchronizeData()
    }

    @Test func aFailureOfReadingIsThrown() throws {
        let folder = try TemporaryDirectory()
        let directory = try OwnedDescriptor.open(absolute: folder.path, flags: O_RDONLY)
        #expect(throws: FileAccessError(call: "read", path: folder.path, code: EISDIR)) {
            _ = try directory.readBytes(ByteSpan(offset: 0, length: 1))
        }
    }

    /// A corrupt card can hold any time: the reading must not trap.
    @Test func anyTimeOfAFileIsRead() throws {
        let folder = try TemporaryDirectory()
        let path = try folder.file("a")
        for seconds in [Int.min / 4, -1, 0, 1 << 33, .max / 4] {
            var times = [timespec(tv_sec: seconds, tv_nsec: 5), timespec(tv_sec: seconds, tv_nsec: 5)]
            utimensat(AT_FDCWD, path.display, &times, 0)
            _ = try OwnedDescriptor.open(absolute: path, flags: O_RDONLY).status().stamp.modifiedAt
        }
    }
}
