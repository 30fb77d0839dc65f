import DockWatch
import EvidenceModel
import FileAccess
import Glibc
import StationTesting
import Testing

@Suite("Tree scanner")
struct TreeScannerTests {
    private let directory: TemporaryDirectory

    init() throws {
        directory = try TemporaryDirectory()
    }

    private func root(device: UInt64? = nil) -> WatchedRoot {
        WatchedRoot(source: "room", kind: .directory, path: directory.path, fileSystem: "room", device: device)
    }

    private func device() throws -> UInt64 {
        try OwnedDescriptor.open(absolute: directory.path, flags: O_RDONLY | O_DIRECTORY).status().stamp.device
    }

    private func paths(_ scan: TreeScan) -> [String] { scan.files.map(\.path.display).sorted() }

    private func skipped(_ scan: TreeScan) -> [String: SkippedEntry.Reason] {
        Dictionary(uniqueKeysWithValues: scan.skipped.map { ($0.path.display, $0.reason) })
    }

    @Test func findsFilesWithTheirStamps() throws {
        try directory.file("DCIM/100/a.mp4", "12345")
        try directory.file("b.wav", "")
        try directory.folder("empty")
        let scan = try TreeScanner.scan(root())
        #expect(paths(scan) == ["DCIM/100/a.mp4", "b.wav"])
        #expect(scan.files.reduce(0) { $0 + $1.stamp.size } == 5)
        #expect(scan.skipped.isEmpty)
        #expect(!scan.isReadOnly)
        let tree = try DirectoryTree(root())
        for file in scan.files { #expect(file.stamp == (try tree.file(file.path).status().stamp)) }
    }

    /// A counter that ran on for years, or a card that is made to be a burden: none is lost, each is told once.
    @Test func aHundredThousandFilesInOneFolder() throws {
        let folder = try directory.folder("DCIM/100MEDIA")
        for number in 0..<100_000 {
            let path = folder.appending("\(number).JPG")
            let descriptor = path.withCString { open($0, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600) }
            try #require(descriptor >= 0)
            close(descriptor)
        }
        let scan = try TreeScanner.scan(root())
        #expect(scan.files.count == 100_000)
        #expect(Set(scan.files.map(\.path)).count == 100_000)
        #expect(scan.skipped.isEmpty)
    }

    @Test func leavesOutWhatIsNoRecording() throws {
        for folder in ["System Volume Information", "$Recycle.Bin", "lost+found", ".Spotlight-V100", ".fseventsd"] {
            try directory.file(folder + "/x")
        }
        for folder in [".TemporaryItems", ".Trash-1000", ".Trashes"] { try directory.file(folder + "/x") }
        try directory.file("._a.mp4")
        try directory.file("lost+found.mp4")
        try directory.file("DCIM/lost+found/kept.mp4")
        try directory.file("DCIM/._b.mp4")
        let scan = try TreeScanner.scan(root())
        #expect(paths(scan) == ["DCIM/lost+found/kept.mp4", "lost+found.mp4"])
        #expect(scan.skipped.filter { $0.reason == .systemFolder }.count == 8)
        #expect(skipped(scan)["._a.mp4"] == .resourceFork)
        #expect(skipped(scan)["DCIM/._b.mp4"] == .resourceFork)
    }

    @Test func followsNoLinkAndOpensNoPipe() throws {
        try directory.file("a.mp4")
        for (target, link) in [(".", "loop"), ("a.mp4", "link"), ("/etc", "out"), ("nowhere", "dangling")] {
            #expect(symlink(target, directory.path.appending(link).display) == 0)
        }
        #expect(mkfifo(directory.path.appending("pipe").display, 0o600) == 0)
        try bindSocket(at: directory.path.appending("socket"))
        let scan = try TreeScanner.scan(root())
        #expect(paths(scan) == ["a.mp4"])
        #expect(
            skipped(scan) == [
                "loop": .symbolicLink, "link": .symbolicLink, "out": .symbolicLink, "dangling": .symbolicLink,
                "pipe": .notRegular, "socket": .notRegular,
            ])
    }

    private func bindSocket(at path: RawPath) throws {
        let socket = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(socket) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.bytes) }
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(bound == 0)
    }

    @Test func namesAreBytes() throws {
        // GB 18030 for "开庭", a newline, and bytes of no encoding.
        let names = [[0xbf, 0xaa, 0xcd, 0xa5], Array("two\nlines".utf8), [0xff, 0xfe, 0x5c]].map { RawPath(bytes: $0) }
        for name in names { try write("x", to: directory.path.appending(name)) }
        let scan = try TreeScanner.scan(root())
        #expect(Set(scan.files.map(\.path)) == Set(names))
    }

    @Test func deepNestingEndsAsUnreadable() throws {
        let deep = (1...200).map { _ in "d" }
        try directory.folder(deep.joined(separator: "/"))
        try directory.file(deep.prefix(64).joined(separator: "/") + "/last.mp4")
        try directory.file(deep.prefix(65).joined(separator: "/") + "/beyond.mp4")
        let scan = try TreeScanner.scan(root())
        #expect(paths(scan) == [deep.prefix(64).joined(separator: "/") + "/last.mp4"])
        #expect(skipped(scan) == [deep.prefix(65).joined(separator: "/"): .unreadable])
    }

    @Test func aTreeWithoutEndEndsAsUnreadable() throws {
        for folder in 0..<10 { for file in 0..<10 { try directory.file("\(folder)/\(file)") } }
        let scan = try TreeScanner.scan(root(), limits: ScanLimits(names: 50))
        #expect(scan.files.count == 40)
        #expect(scan.skipped.count == 6)
        #expect(scan.skipped.allSatisfy { $0.reason == .unreadable })
    }

    @Test func tellsEachFolderBeforeItsNamesAreRead() throws {
        try directory.file("a/b/c.mp4")
        var told: [RawPath] = []
        _ = try TreeScanner.scan(root()) { told.append($0) }
        #expect(told == ["", "a", "a/b"].map { RawPath($0) })
    }

    @Test func aRootThatIsGoneThrows() throws {
        let watched = root(device: try device())
        let other = root(device: try device() + 1)
        #expect { try TreeScanner.scan(other) } throws: { ($0 as? FileAccessError)?.meaning == .gone }
        directory.close()
        #expect { try TreeScanner.scan(watched) } throws: { ($0 as? FileAccessError)?.meaning == .missing }
    }

    @Test(.enabled(if: CardImage.isAvailable(.ext4), "mounting an ext4 image needs root and loop devices"))
    func anotherFileSystemIsLeftOut() throws {
        let card = try CardImage(.ext4, in: directory)
        try card.mount(at: directory.path.appending("card"))
        try directory.file("card/a.mp4")
        #expect(skipped(try TreeScanner.scan(root(device: try device()))) == ["card": .otherFileSystem])
        #expect(paths(try TreeScanner.scan(root())) == ["CAM01.img", "card/a.mp4"])
        card.close()
    }

    @Test(.enabled(if: CardImage.isAvailable(.fat), "mounting a FAT image needs root, /dev/fuse and fusefat"))
    func aFolderThatCannotBeReadHidesNoOther() throws {
        let card = try CardImage(.fat, in: directory)
        try card.mount(at: directory.path.appending("broken/card"))
        try directory.file("sound/a.mp4")
        card.pullOut()
        let scan = try TreeScanner.scan(root())
        #expect(paths(scan) == ["CAM01.img", "sound/a.mp4"])
        #expect(skipped(scan) == ["broken/card": .unreadable])
        card.close()
    }

    @Test(.enabled(if: CardImage.isAvailable(.fat), "mounting a FAT image needs root, /dev/fuse and fusefat"))
    func aCardPulledOutInTheMiddleOfAScanThrows() throws {
        let card = try CardImage(.fat, in: directory)
        let point = directory.path.appending("card")
        try card.mount(at: point)
        try directory.file("card/DCIM/a.mp4")
        let watched = WatchedRoot(source: "docks", kind: .mount, path: point, fileSystem: "x")
        #expect {
            try TreeScanner.scan(watched) { if !$0.bytes.isEmpty { card.pullOut() } }
        } throws: {
            ($0 as? FileAccessError)?.meaning == .gone
        }
        card.close()
    }

    @Test(.enabled(if: CardImage.isAvailable(.ext4), "mounting an ext4 image needs root and loop devices"))
    func seesThatAMountIsReadOnly() throws {
        let card = try CardImage(.ext4, in: directory)
        let point = directory.path.appending("card")
        try card.mount(at: point, readOnly: true)
        let watched = WatchedRoot(source: "docks", kind: .mount, path: point, fileSystem: "x", isReadOnly: true)
        #expect(try TreeScanner.scan(watched).isReadOnly)
        card.close()
    }

    @Test func aCancelledScanEnds() async throws {
        let watched = root()
        let scan = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try TreeScanner.scan(watched)
        }
        await #expect { try await scan.value } throws: { ($0 as? FileAccessError)?.code == ECANCELED }
    }

    @Test func asksTheKernelAboutWriters() throws {
        let file = try directory.file("a.mp4")
        try directory.file("b.mp4")
        #expect(symlink("b.mp4", directory.path.appending("c.mp4").display) == 0)
        let writer = try OwnedDescriptor.open(absolute: file, flags: O_WRONLY)
        let paths = ["a.mp4", "b.mp4", "c.mp4", "d.mp4", "e/f.mp4"].map { RawPath($0) }
        let answers = try WriterCheck.ask(about: paths[...], in: root())
        #expect(answers.map(\.path) == paths)
        #expect(answers[0].outcome == .asked(.writing, try writer.status().stamp))
        guard case .asked(.none, _, .written) = answers[1].outcome else { Issue.record("b.mp4: \(answers[1])"); return }
        #expect(answers[2...].map(\.outcome) == [.vanished, .vanished, .vanished])
    }
}
