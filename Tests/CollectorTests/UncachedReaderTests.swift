import Collector
import ContentHash
import EvidenceModel
import FileAccess
import Foundation
import StationTesting
import Synchronization
import Testing

@Suite("Second reading, past the page cache")
struct UncachedReaderTests {
    private let folder: TemporaryDirectory

    init() throws {
        folder = try TemporaryDirectory()
    }

    private func read(_ path: RawPath, device: RawPath? = nil) throws -> SecondReading {
        let file = try openFile(path)
        return try UncachedReader().read(file, stamp: file.status().stamp, blockDevice: device)
    }

    private func put(_ data: Data, at path: RawPath) throws {
        try data.write(to: URL(fileURLWithPath: path.display))
        try Tool.run("sync", "-f", path.display)
    }

    private func cached(_ path: RawPath) throws -> ContentDigest {
        try .sha256(of: Data(contentsOf: URL(fileURLWithPath: path.display)))
    }

    @Test(arguments: [0, 1, 4095, 4096, 4097, 1 << 20, (3 << 20) + 5]) func hashesWhatTheReaderHashes(_ size: Int)
        throws
    {
        let path = folder.path.appending("clip")
        try put(randomBytes(size, seed: UInt64(size)), at: path)
        let file = try openFile(path)
        let stamp = try file.status().stamp
        let second = try UncachedReader().read(file, stamp: stamp)
        #expect(second.digest == .sha256(of: randomBytes(size, seed: UInt64(size))))
        #expect(try ContentReader().read(file, stamp: stamp).digest == second.digest, "the file reads as before")
    }

    @Test func aFileThatIsNotTheOneThatSettledIsChanged() throws {
        let path = try folder.file("clip")
        let file = try openFile(path)
        var stamp = try file.status().stamp
        stamp.size += 1
        #expect(throws: SecondReadingFailure.source(.changed)) { try UncachedReader().read(file, stamp: stamp) }
    }

    @Test func stopsWhenAsked() throws {
        let path = folder.path.appending("clip")
        try put(randomBytes(3 << 20, seed: 1), at: path)
        let file = try openFile(path)
        let blocks = Mutex(0)
        let reader = UncachedReader(
            isCancelled: { blocks.withLock { $0 } == 2 }, progress: { _ in blocks.withLock { $0 += 1 } })
        #expect(throws: SecondReadingFailure.source(.cancelled)) {
            try reader.read(file, stamp: file.status().stamp)
        }
    }

    /// Writes another byte into the middle of `content`, which lies in the image (in its journal too, it may be), behind
    /// the back of whoever mounted it.
    private func changeImage(_ image: RawPath, holding content: Data) throws {
        let bytes = try Data(contentsOf: URL(fileURLWithPath: image.display), options: .alwaysMapped)
        let file = try OwnedDescriptor.open(absolute: image, flags: O_RDWR)
        var searched = bytes.startIndex
        var found = 0
        while let place = bytes[searched...].range(of: content.prefix(8192)) {
            try file.write([~content[content.startIndex + 5000]], at: Int64(place.lowerBound + 5000))
            (searched, found) = (place.upperBound, found + 1)
        }
        try #require(found > 0)
        try file.synchronize()
    }

    @Test(.enabled(if: CardImage.isAvailable(.ext4), "mounting an ext4 image needs root and loop devices"))
    func aPageInMemoryIsNotBelievedOnExt4() throws {
        try expectTheChange(.ext4, method: .direct)
    }

    /// With data=journal ext4 has no O_DIRECT.
    @Test(.enabled(if: CardImage.isAvailable(.ext4), "mounting an ext4 image needs root and loop devices"))
    func aPageInMemoryIsNotBelievedWithoutODirect() throws {
        try expectTheChange(.ext4, options: "journal_data", method: .cacheDropped)
    }

    @Test(.enabled(if: CardImage.isAvailable(.exfat), "mounting exFAT needs root, /dev/fuse, loop devices, exfat-fuse"))
    func aPageInMemoryIsNotBelievedOnExfat() throws {
        try expectTheChange(.exfat, method: .direct)
    }

    @Test(.enabled(if: CardImage.isAvailable(.fat), "mounting a FAT image needs root, /dev/fuse and fusefat"))
    func aPageInMemoryIsNotBelievedOnFAT() throws {
        try expectTheChange(.fat, method: .direct)
    }

    private func expectTheChange(
        _ format: CardImage.Format, options: String? = nil, method: SecondReading.Method
    ) throws {
        let card = try CardImage(format, in: folder)
        if let options { try Tool.run("tune2fs", "-o", options, card.image.display) }
        let content = randomBytes(300_000, seed: 5)
        let point = folder.path.appending("card")
        try card.mount(at: point)
        try put(content, at: point.appending("clip"))
        if format == .ext4 {
            // Out of the journal, and to its place.
            try Tool.run("fsfreeze", "--freeze", point.display)
            try Tool.run("fsfreeze", "--unfreeze", point.display)
        } else {
            // Such a file system writes to its image when it likes.
            try card.unmount()
            try card.mount(at: point)
        }
        let device = format == .ext4 ? nil : RawPath(format == .fat ? card.image.display : try source(of: point))
        let old = try cached(point.appending("clip"))
        let before = try read(point.appending("clip"), device: device)
        #expect(before.digest == old && before.method == method)
        _ = try cached(point.appending("clip"))
        try changeImage(card.image, holding: content)
        var changed = content
        changed[changed.startIndex + 5000] = ~changed[changed.startIndex + 5000]
        #expect(try cached(point.appending("clip")) == old || format != .ext4, "else this test proves nothing")
        #expect(try read(point.appending("clip"), device: device).digest == .sha256(of: changed))
    }

    /// What the file system at `point` was mounted from.
    private func source(of point: RawPath) throws -> String {
        try Tool.run("findmnt", "-n", "-o", "SOURCE", point.display).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// ramfs has neither O_DIRECT nor anything but memory.
    @Test(.enabled(if: geteuid() == 0)) func whatStaysInMemoryIsNoSecondReading() throws {
        let point = try folder.folder("memory")
        try Tool.run("mount", "-t", "ramfs", "none", point.display)
        try write("content", to: point.appending("clip"))
        let failure = #expect(throws: SecondReadingFailure.self) { try read(point.appending("clip")) }
        guard case .cached(let reason) = failure else {
            Issue.record("\(String(describing: failure))")
            return
        }
        #expect(reason.contains("past the page cache"))
    }

    @Test func aDeviceThatCannotBeEmptiedIsSaid() throws {
        let path = try folder.file("clip")
        let failure = #expect(throws: SecondReadingFailure.self) {
            try read(path, device: folder.path.appending("nothing"))
        }
        guard case .cached(let reason) = failure else {
            Issue.record("\(String(describing: failure))")
            return
        }
        #expect(reason.contains("group `disk`"))
    }

    @Test(.enabled(if: FaultyCard.isAvailable, "needs root, /dev/fuse, test-tools"))
    func aCardThatLiesAtTheSecondReadingIsFound() throws {
        let card = try FaultyCard(in: folder)
        let content = randomBytes(2 << 20, seed: 8)
        try put(content, at: card.backing.appending("clip"))
        let point = folder.path.appending("card")
        try card.mount(at: point)
        var fault = FaultyCard.Fault()
        (fault.liesFromOpening, fault.liesAt) = (2, 1_234_567)
        try card.set(fault, on: "clip")
        let clip = point.appending("clip")
        #expect(try cached(clip) == .sha256(of: content))
        #expect(try cached(clip) == .sha256(of: content), "the kernel kept it, so that nobody is asked")
        let second = try read(clip)
        #expect(second.digest != .sha256(of: content))
        #expect(second.method == .direct)
        try card.set(FaultyCard.Fault(), on: "clip")
        let before = try card.count(of: "clip").bytes
        #expect(try read(clip).digest == .sha256(of: content))
        #expect(try card.count(of: "clip").bytes - before >= 2 << 20, "all of it came from the card")
    }

    @Test(.enabled(if: FaultyCard.isAvailable, "needs root, /dev/fuse, test-tools"))
    func errorsAtTheSecondReadingAreTheSources() throws {
        let card = try FaultyCard(in: folder)
        try put(randomBytes(2 << 20, seed: 8), at: card.backing.appending("clip"))
        let point = folder.path.appending("card")
        try card.mount(at: point)
        var fault = FaultyCard.Fault()
        fault.bad = [ByteSpan(offset: 1 << 20, length: 1)]
        try card.set(fault, on: "clip")
        let failure = #expect(throws: SecondReadingFailure.self) { try read(point.appending("clip")) }
        guard case .source(.unreadable) = failure else {
            Issue.record("\(String(describing: failure))")
            return
        }
    }
}
