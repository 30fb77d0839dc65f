import EvidenceModel
import FileAccess
import Foundation
import StationTesting
import Testing

@Suite("Directory tree")
struct DirectoryTreeTests {
    private let folder: TemporaryDirectory

    init() throws {
        folder = try TemporaryDirectory()
        try folder.file("outside/secret", "secret")
        try folder.file("root/a/b/clip.mp4", "clip")
    }

    private var root: RawPath { folder.path.appending("root") }

    private func openRoot() throws -> DirectoryTree {
        let device = try OwnedDescriptor.open(absolute: root, flags: O_RDONLY).status().stamp.device
        return try DirectoryTree(path: root, device: device)
    }

    /// The errno that opening `path` as a file fails with; 0 where it opens.
    private func code(_ path: String) throws -> Int32 {
        let tree = try openRoot()
        do throws(FileAccessError) {
            _ = try tree.file(RawPath(path))
            return 0
        } catch {
            return error.code
        }
    }

    private func link(_ path: String, to target: String) throws {
        try FileManager.default.createSymbolicLink(
            atPath: root.appending(path).display, withDestinationPath: target)
    }

    @Test func readsAFileNameByName() throws {
        let file = try openRoot().file(RawPath("a/./b//clip.mp4"))
        #expect(try file.readBytes(ByteSpan(offset: 1, length: 100)) == Array("lip".utf8))
        #expect(file.path == root.appending("./a/b/clip.mp4"))
    }

    @Test func followsNoLink() throws {
        try link("last", to: root.appending("a/b/clip.mp4").display)
        try link("middle", to: "a")
        try link("out", to: "../outside")
        try link("a/b/deep", to: folder.path.appending("outside/secret").display)
        try link("dangling", to: "nowhere")
        for path in ["last", "a/b/deep", "dangling", "middle/b/clip.mp4", "out/secret"] {
            #expect(try code(path) == (path.contains("/") && !path.hasPrefix("a/") ? ENOTDIR : EINVAL), "\(path)")
        }
        #expect(throws: FileAccessError.self) { _ = try openRoot().directory(RawPath("out")) }
        #expect(try code("a/b/clip.mp4") == 0)
    }

    @Test func namesThatLeadUpAreRefused() throws {
        for path in ["../outside/secret", "a/../../outside/secret", "a/../a/b/clip.mp4", "..", "a/.."] {
            #expect(try code(path) != 0, "\(path)")
        }
        #expect(throws: FileAccessError.self) { _ = try openRoot().directory(RawPath("..")) }
        #expect(throws: FileAccessError.self) { _ = try openRoot().directory(RawPath("a/../..")) }
    }

    @Test func opensOnlyRegularFiles() throws {
        try Tool.run("mkfifo", root.appending("pipe").display)
        #expect(try code("pipe") == EINVAL)
        #expect(try code("a") == EINVAL)
        #expect(try code("") != 0)
        #expect(try code("a/nothing") == ENOENT)
        #expect(try code("a/b/clip.mp4/x") == ENOTDIR)
    }

    @Test(.enabled(if: geteuid() == 0)) func opensNoDeviceNode() throws {
        try Tool.run("mknod", root.appending("zero").display, "c", "1", "5")
        #expect(try code("zero") == EINVAL)
    }

    @Test(.enabled(if: geteuid() == 0)) func staysOnItsFileSystem() throws {
        let mount = try folder.folder("root/mount")
        let tree = try openRoot()
        try Tool.run("mount", "-t", "tmpfs", "none", mount.display)
        try folder.file("root/mount/x")
        #expect(throws: FileAccessError(call: "open", path: root.appending("./mount"), code: EXDEV)) {
            _ = try tree.file(RawPath("mount/x"))
        }
        let anyFileSystem = try DirectoryTree(path: root, device: nil)
        #expect(try anyFileSystem.file(RawPath("mount/x")).status().kind == .regular)
    }

    @Test(.enabled(if: geteuid() == 0)) func aRootThatIsAnotherFileSystemNowIsGone() throws {
        let device = try OwnedDescriptor.open(absolute: root, flags: O_RDONLY).status().stamp.device
        let watched = WatchedRoot(source: "docks", kind: .mount, path: root, fileSystem: "x", device: device)
        _ = try DirectoryTree(watched)
        try Tool.run("mount", "-t", "tmpfs", "none", root.display)
        let error = #expect(throws: FileAccessError.self) { _ = try DirectoryTree(watched) }
        #expect(error?.meaning == .gone)
    }

    @Test func listsEveryNameAndNoOther() throws {
        let names: [[UInt8]] = [[0xFF, 0xFE], Array("日本".utf8), Array(" ".utf8), Array("...".utf8), Array("a\n".utf8)]
        for name in names { try write("x", to: root.appending("list").appending(RawPath(bytes: name))) }
        let folder = try openRoot().directory(RawPath("list"))
        #expect(try Set(folder.names().map(\.bytes)) == Set(names))
        // Listing leaves no position behind.
        #expect(try folder.names().count == names.count)
    }

    /// exFAT and VFAT hold 255 UTF-16 units: up to 765 bytes of UTF-8, more than `d_name` is declared to have.
    @Test(.enabled(if: CardImage.isAvailable(.exfat))) func aNameLongerThan255BytesIsWhole() throws {
        let card = try CardImage(.exfat, in: folder)
        let mount = folder.path.appending("card")
        try card.mount(at: mount)
        let name = RawPath(String(repeating: "录", count: 240) + ".mp4")
        try write("clip", to: mount.appending(name))
        let tree = try DirectoryTree(path: mount, device: nil)
        #expect(try tree.directory(RawPath("")).names().contains(name))
        #expect(try tree.file(name).status().stamp.size == 4)
    }

    @Test func noDescriptorIsLeftOpen() throws {
        func count() throws -> Int { try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count }
        let tree = try openRoot()
        let before = try count()
        for _ in 0..<2000 {
            _ = try tree.file(RawPath("a/b/clip.mp4"))
            _ = try? tree.file(RawPath("a/b/nothing"))
            _ = try tree.directory(RawPath("a")).names()
        }
        // Other suites run beside this one.
        #expect(try count() < before + 1000)
    }
}

@Suite("File access errors")
struct FileAccessErrorTests {
    @Test(
        arguments: [
            (ENOSPC, .full), (EDQUOT, .full), (ENODEV, .gone), (ENXIO, .gone), (ENOTCONN, .gone), (ESTALE, .gone),
            (ENOMEDIUM, .gone), (ENOENT, .missing), (ENOTDIR, .missing), (EACCES, .forbidden), (EPERM, .forbidden),
            (EROFS, .forbidden), (EIO, .medium), (EUCLEAN, .medium),
        ] as [(Int32, FileAccessError.Meaning)])
    func tellWhatToDo(_ code: Int32, _ meaning: FileAccessError.Meaning) {
        #expect(FileAccessError(call: "read", path: RawPath("a"), code: code).meaning == meaning)
    }

    @Test func sayWhatFailedOnWhat() {
        let error = FileAccessError(call: "read", path: RawPath(bytes: [0x61, 0xFF]), code: EIO)
        #expect(error.description == "read a\u{FFFD}: Input/output error")
    }
}
