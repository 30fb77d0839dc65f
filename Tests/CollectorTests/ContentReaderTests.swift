import Collector
import ContentHash
import EvidenceModel
import FileAccess
import Foundation
import StationTesting
import Synchronization
import Testing

func randomBytes(_ count: Int, seed: UInt64) -> Data {
    var random = SeededRandom(seed: seed)
    let words = [UInt64](unsafeUninitializedCapacity: count / 8 + 1) { buffer, initialized in
        for index in 0..<buffer.count { buffer[index] = random.next() }
        initialized = buffer.count
    }
    return words.withUnsafeBytes { Data($0.prefix(count)) }
}

func openFile(_ path: RawPath) throws -> OwnedDescriptor { try OwnedDescriptor.open(absolute: path, flags: O_RDONLY) }

@Suite("Content reader")
struct ContentReaderTests {
    private let folder: TemporaryDirectory
    private let path: RawPath

    init() throws {
        folder = try TemporaryDirectory()
        path = folder.path.appending("clip.mp4")
    }

    private func make(_ size: Int) throws {
        try randomBytes(size, seed: UInt64(size)).write(to: URL(fileURLWithPath: path.display))
    }

    @Test(arguments: [0, 1, 1 << 20, 8 << 20, (8 << 20) + 1, 20 << 20]) func hashesWholeAndParts(_ size: Int) throws {
        try make(size)
        let file = try openFile(path)
        var kept = Data()
        let content = try ContentReader().read(file, stamp: file.status().stamp) { block, offset in
            #expect(offset == Int64(kept.count))
            kept.append(contentsOf: block)
        }
        #expect(kept == randomBytes(size, seed: UInt64(size)))
        #expect(content.size == Int64(size))
        #expect(content.digest.hex == (try Tool.run("sha256sum", path.display)).prefix(64))
        #expect(content.partDigests.count == (size + (8 << 20) - 1) >> 23)
        for (index, digest) in content.partDigests.enumerated() {
            let part = folder.path.appending("part").display
            try Tool.run("dd", "if=\(path.display)", "of=\(part)", "bs=8M", "skip=\(index)", "count=1", "status=none")
            #expect(digest.hex == (try Tool.run("sha256sum", part)).prefix(64))
        }
    }

    private func outcome(_ reader: ContentReader) throws -> CollectFailure? {
        let file = try openFile(path)
        let stamp = try file.status().stamp
        do throws(CollectFailure) {
            _ = try reader.read(file, stamp: stamp)
            return nil
        } catch {
            return error
        }
    }

    /// Does `change` once, after the first block.
    private func changing(_ change: @escaping @Sendable () -> Void) -> ContentReader {
        ContentReader(progress: { if $0 == 1 << 20 { change() } })
    }

    @Test func aFileThatChangesWhileItIsReadIsChanged() throws {
        let name = path.display
        let changes: [@Sendable () -> Void] = [
            { truncate(name, 2 << 20) }, { truncate(name, 0) }, { truncate(name, (3 << 20) + 1) },
            { _ = utimes(name, [timeval(tv_sec: 1, tv_usec: 0), timeval(tv_sec: 1, tv_usec: 0)]) },
        ]
        for change in changes {
            try make(3 << 20)
            #expect(try outcome(changing(change)) == .changed)
        }
        try make(3 << 20)
        #expect(try outcome(changing {}) == nil)
    }

    @Test func aFileThatIsNotTheOneThatSettledIsChanged() throws {
        try make(10)
        let file = try openFile(path)
        var stamp = try file.status().stamp
        stamp.modifiedNanoseconds -= 1
        #expect(throws: CollectFailure.changed) { _ = try ContentReader().read(file, stamp: stamp) }
    }

    @Test func stopsWhenAsked() throws {
        try make(3 << 20)
        let blocks = Mutex(0)
        let reader = ContentReader(
            isCancelled: { blocks.withLock { $0 } == 2 }, progress: { _ in blocks.withLock { $0 += 1 } })
        #expect(try outcome(reader) == .cancelled)
        #expect(blocks.withLock { $0 } == 2)
    }

    @Test func aSentinelIsBothEnds() throws {
        for size in [0, 1, 65_536, 65_537, 131_072, 300_000] {
            try make(size)
            let file = try openFile(path)
            let bytes = [UInt8](randomBytes(size, seed: UInt64(size)))
            let expected = bytes.prefix(65_536) + bytes.dropFirst(65_536).suffix(65_536)
            let sentinel = try ContentReader().sentinel(of: file, stamp: file.status().stamp)
            #expect(sentinel.digest == .sha256(of: expected), "\(size)")
        }
    }

    @Test func aSentinelOfAShorterFileIsChanged() throws {
        try make(100)
        let file = try openFile(path)
        let stamp = try file.status().stamp
        truncate(path.display, 50)
        #expect(throws: CollectFailure.changed) { _ = try ContentReader().sentinel(of: file, stamp: stamp) }
    }

    @Test(.enabled(if: CardImage.isAvailable(.fat)), .timeLimit(.minutes(1)))
    func aCardPulledOutWhileItIsReadIsGone() throws {
        let card = try CardImage(.fat, in: folder)
        let mount = folder.path.appending("card")
        try card.mount(at: mount)
        // By another process: a child that another test starts meanwhile would keep this one's open file, and the card busy.
        let draft = folder.path.appending("draft").display
        try randomBytes(6 << 20, seed: 1).write(to: URL(fileURLWithPath: draft))
        try Tool.run("cp", draft, mount.appending("clip.mp4").display)
        try card.unmount()
        try card.mount(at: mount)
        let file = try openFile(mount.appending("clip.mp4"))
        let stamp = try file.status().stamp
        let failure = #expect(throws: CollectFailure.self) {
            _ = try changing { card.pullOut() }.read(file, stamp: stamp)
        }
        guard case .deviceGone = failure else {
            Issue.record("\(String(describing: failure))")
            return
        }
    }

    @Test func errorsOfTheSourceSayWhatToDo() {
        func failure(_ code: Int32) -> CollectFailure {
            CollectFailure(source: FileAccessError(call: "read", path: path, code: code))
        }
        #expect(failure(ENOENT) == .vanished)
        #expect(failure(EIO) == .unreadable(FileAccessError(call: "read", path: path, code: EIO)))
        #expect(failure(EACCES) == .unreadable(FileAccessError(call: "read", path: path, code: EACCES)))
        #expect(failure(ENOTCONN) == .deviceGone(FileAccessError(call: "read", path: path, code: ENOTCONN)))
    }
}
