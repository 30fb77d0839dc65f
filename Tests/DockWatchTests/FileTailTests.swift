import DockWatch
import EvidenceModel
import FileAccess
import Glibc
import StationTesting
import Testing

@Suite("How a file ends")
struct FileTailTests {
    private let directory: TemporaryDirectory

    init() throws {
        directory = try TemporaryDirectory()
    }

    /// A file of `size` bytes, zero but for ones in `data`.
    private func tail(_ size: Int64, data: Range<Int64>...) throws -> FileTail {
        let path = directory.path.appending("a.mp4")
        let file = try OwnedDescriptor.open(absolute: path, flags: O_RDWR | O_CREAT | O_TRUNC, mode: 0o600)
        try #require(ftruncate(file.number, off_t(size)) == 0)
        for span in data { try file.write([UInt8](repeating: 1, count: span.count), at: span.lowerBound) }
        return try FileTail.read(file)
    }

    @Test func whatIsWrittenToItsEnd() throws {
        #expect(try tail(0) == .written)
        #expect(try tail(1, data: 0..<1) == .written)
        #expect(try tail(1 << 20, data: (1 << 20) - 1..<1 << 20) == .written)
        #expect(try tail(1 << 20, data: (1 << 20) - (64 << 10)..<(1 << 20) - (64 << 10) + 1) == .written)
    }

    @Test(arguments: [1, 4096, 4097, 100_000, 500_000, 900_000] as [Int64])
    func theEndOfDataIsFound(end: Int64) throws {
        guard case .zeros(let found) = try tail(1 << 20, data: 0..<end) else { Issue.record("written"); return }
        // To a probe's 4 KiB.
        #expect(found >= end && found - end < 4096)
    }

    @Test func nothingWrittenEndsAtItsBeginning() throws {
        #expect(try tail(5) == .zeros(dataEnd: 0))
        #expect(try tail(64 << 20) == .zeros(dataEnd: 0))
    }

    /// Of a file of 64 GiB little is read: it is sparse, and this is over at once.
    @Test func theEndMovesWithWhatIsWritten() throws {
        var ends: [FileTail] = []
        for end in stride(from: Int64(1 << 20), through: 8 << 20, by: 1 << 20) {
            ends.append(try tail(64 << 30, data: 0..<end))
        }
        #expect(Set(ends).count == 8 && !ends.contains(.written))
    }

    @Test(.enabled(if: CardImage.isAvailable(.fat), "mounting a FAT image needs root, /dev/fuse and fusefat"))
    func itIsAskedWhereTheKernelCannotTell() throws {
        let card = try CardImage(.fat, in: directory)
        let point = directory.path.appending("card")
        try card.mount(at: point)
        try write(String(repeating: "\0", count: 100_000), to: point.appending("zeros.mp4"))
        try write("footage", to: point.appending("whole.mp4"))
        let root = WatchedRoot(source: "share", kind: .directory, path: point, fileSystem: "x")
        let paths = ["zeros.mp4", "whole.mp4"].map { RawPath($0) }
        let answers = try WriterCheck.ask(about: paths[...], in: root)
        guard case .asked(.unknown, _, .zeros(dataEnd: 0)) = answers[0].outcome,
            case .asked(.unknown, _, .written) = answers[1].outcome
        else { Issue.record("\(answers)"); return }
        #expect(try !TreeScanner.scan(root).seesEveryWriter)
        card.close()
    }

    @Test func onALocalFileSystemTheLeaseIsEnough() throws {
        try directory.file("zeros.mp4", String(repeating: "\0", count: 100_000))
        let root = WatchedRoot(source: "room", kind: .directory, path: directory.path, fileSystem: "x")
        let answers = try WriterCheck.ask(about: [RawPath("zeros.mp4")][...], in: root)
        guard case .asked(.none, _, .written) = answers[0].outcome else { Issue.record("\(answers)"); return }
        #expect(try TreeScanner.scan(root).seesEveryWriter)
    }

    /// FUSE, and a local driver all the same.
    @Test(.enabled(if: CardImage.isAvailable(.exfat), "mounting exFAT needs root, /dev/fuse, loop devices, exfat-fuse"))
    func aFUSEDriverOnABlockDeviceIsLocal() throws {
        let card = try CardImage(.exfat, in: directory)
        let point = directory.path.appending("card")
        try card.mount(at: point)
        let root = WatchedRoot(source: "docks", kind: .mount, path: point, fileSystem: "x")
        #expect(try TreeScanner.scan(root).seesEveryWriter)
        card.close()
    }
}
