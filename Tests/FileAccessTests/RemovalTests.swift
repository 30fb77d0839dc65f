import EvidenceModel
import FileAccess
import Foundation
import StationTesting
import Testing

@Suite("Removal from a device")
struct RemovalTests {
    private let folder: TemporaryDirectory
    private let clip = RawPath("DCIM/clip.mp4")

    init() throws {
        folder = try TemporaryDirectory()
    }

    private func tree(_ root: RawPath) throws -> DirectoryTree {
        let device = try OwnedDescriptor.open(absolute: root, flags: O_RDONLY).status().stamp.device
        return try DirectoryTree(path: root, device: device)
    }

    private func stamp(_ path: RawPath) throws -> FileStamp {
        try OwnedDescriptor.open(absolute: path, flags: O_RDONLY).status().stamp
    }

    private func isThere(_ path: RawPath) -> Bool { FileManager.default.fileExists(atPath: path.display) }

    /// A tree with one file; its root, and the file's stamp.
    private func made(_ name: String = "root") throws -> (root: RawPath, stamp: FileStamp) {
        let root = try folder.folder(name)
        try write("clip", to: root.appending(clip))
        return (root, try stamp(root.appending(clip)))
    }

    @Test func removesTheFileAndNothingElse() throws {
        let (root, stamp) = try made()
        try write("other", to: root.appending("DCIM/other.mp4"))
        #expect(try tree(root).remove(clip, stamp: stamp) == .removed)
        #expect(try FileManager.default.contentsOfDirectory(atPath: root.appending("DCIM").display) == ["other.mp4"])
        #expect(try tree(root).remove(clip, stamp: stamp) == .vanished)
        #expect(try tree(root).remove(RawPath("nowhere/clip.mp4"), stamp: stamp) == .vanished)
    }

    @Test func anotherFileUnderTheNameStays() throws {
        let (root, stamp) = try made()
        let path = root.appending(clip)
        for change in 0..<4 {
            var other = stamp
            switch change {
            case 0: other.size += 1
            case 1: other.modifiedNanoseconds += 1
            case 2: other.changedNanoseconds -= 1
            default: other.device += 1
            }
            #expect(try tree(root).remove(clip, stamp: other) == .changed, "\(change)")
        }
        var inode = stamp
        inode.inode += 1
        try write("clop", to: path)
        #expect(try tree(root).remove(clip, stamp: stamp) == .changed)
        #expect(isThere(path))
        inode = try self.stamp(path)
        inode.inode += 1
        #expect(try tree(root).remove(clip, stamp: inode) == .removed, "inode numbers of cards are made up")
    }

    @Test func noLinkIsFollowedOrRemoved() throws {
        let (root, stamp) = try made()
        try FileManager.default.createSymbolicLink(
            atPath: root.appending("link").display, withDestinationPath: root.appending(clip).display)
        try FileManager.default.createSymbolicLink(
            atPath: root.appending("folder").display, withDestinationPath: root.appending("DCIM").display)
        #expect(try tree(root).remove(RawPath("link"), stamp: stamp) == .changed)
        #expect(try tree(root).remove(RawPath("folder/clip.mp4"), stamp: stamp) == .vanished)
        #expect(throws: FileAccessError.self) { try tree(root).remove(RawPath("DCIM/../DCIM/clip.mp4"), stamp: stamp) }
        #expect(isThere(root.appending(clip)))
    }

    @Test func aFileThatIsBeingWrittenStays() throws {
        let (root, stamp) = try made()
        do {
            let writer = try OwnedDescriptor.open(absolute: root.appending(clip), flags: O_WRONLY)
            #expect(try tree(root).remove(clip, stamp: stamp) == .beingWritten)
            withExtendedLifetime(writer.number) {}
        }
        #expect(isThere(root.appending(clip)))
    }

    @Test(.enabled(if: geteuid() == 0)) func aReadOnlyDeviceIsSaid() throws {
        let (root, stamp) = try made()
        try Tool.run("mount", "--bind", root.display, root.display)
        try Tool.run("mount", "-o", "remount,bind,ro", root.display)
        #expect(try tree(root).remove(clip, stamp: stamp) == .readOnly)
        #expect(isThere(root.appending(clip)))
    }

    @Test(.enabled(if: FaultyCard.isAvailable, "needs root, /dev/fuse, test-tools"))
    func aCardWhoseSwitchIsMovedIsReadOnly() throws {
        let card = try FaultyCard(in: folder)
        try write("clip", to: card.backing.appending(clip))
        let point = folder.path.appending("card")
        try card.mount(at: point)
        let stamp = try stamp(point.appending(clip))
        try card.setReadOnly(true)
        #expect(try tree(point).remove(clip, stamp: stamp) == .readOnly)
        #expect(isThere(card.backing.appending(clip)))
        try card.setReadOnly(false)
        #expect(try tree(point).remove(clip, stamp: stamp) == .removed)
        #expect(!isThere(card.backing.appending(clip)))
    }

    /// Said to be removed, and then the card is pulled out at once.
    @Test(arguments: CardImage.Format.allCases.filter { CardImage.isAvailable($0) })
    func whatIsRemovedIsGoneFromTheCard(_ format: CardImage.Format) throws {
        let card = try CardImage(format, in: folder)
        let point = folder.path.appending("card")
        try card.mount(at: point)
        try write("clip", to: point.appending(clip))
        try write("other", to: point.appending("DCIM/other.mp4"))
        #expect(try tree(point).remove(clip, stamp: stamp(point.appending(clip))) == .removed)
        if format == .ext4 { try card.lazyUnmount() } else { card.pullOut() }
        card.close()
        try card.mount(at: point, readOnly: format != .ext4)
        #expect(!isThere(point.appending(clip)))
        #expect(isThere(point.appending("DCIM/other.mp4")))
    }
}
