import Collector
import ContentHash
import EvidenceModel
import FileAccess
import Foundation
import StationTesting
import Synchronization
import Testing

private let partBytes: Int64 = 8 << 20

/// What a reader told of its progress.
final class Progress: Sendable {
    private let offsets = Mutex<[Int64]>([])

    func add(_ offset: Int64) { offsets.withLock { $0.append(offset) } }
    var all: [Int64] { offsets.withLock { $0 } }

    /// Where reading the device began: the offset before the first that is no end of a part hashed again.
    var start: Int64 { all.first { !$0.isMultiple(of: partBytes) }.map { $0 - 512 << 10 } ?? -1 }
}

@Suite("Spool: copies that were cut")
struct ResumeTests {
    private let folder: TemporaryDirectory
    private let spool: Spool
    private let id = RecordingID(time: WallTime(millisecondsSince1970: 1), random: (1, 1))
    private let other = RecordingID(time: WallTime(millisecondsSince1970: 2), random: (2, 2))
    private let path: RawPath
    private let size = 4 * partBytes + 5

    init() throws {
        folder = try TemporaryDirectory()
        spool = Spool(path: folder.path.appending("spool"), floorBytes: 0)
        try spool.prepare(below: folder.path) { _ in false }
        path = folder.path.appending("clip")
        try randomBytes(Int(size), seed: 11).write(to: URL(fileURLWithPath: path.display))
    }

    private func local(_ name: String) -> String { spool.path.appending(name).display }

    private func journals() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: spool.path.display).filter { $0.hasSuffix(".journal") }
    }

    private func stamp() throws -> FileStamp { try openFile(path).status().stamp }

    /// Copies until `bytes` are read, and is stopped there.
    private func interrupt(at bytes: Int64, as id: RecordingID, fileSystem: String = "CARD-1") throws {
        let isOver = Mutex(false)
        let reader = ContentReader(
            isCancelled: { isOver.withLock { $0 } }, progress: { if $0 >= bytes { isOver.withLock { $0 = true } } })
        #expect(throws: CollectFailure.cancelled) {
            try spool.copy(openFile(path), of: origin(stamp(), fileSystem: fileSystem), as: id, with: reader)
        }
    }

    /// Copies to the end; where the reading of the device began.
    private func goOn(as id: RecordingID, fileSystem: String = "CARD-1") throws -> Int64 {
        let progress = Progress()
        let content = try spool.copy(
            openFile(path), of: origin(stamp(), fileSystem: fileSystem), as: id,
            with: ContentReader(progress: { progress.add($0) }))
        let expected = try Tool.run("sha256sum", path.display).prefix(64)
        #expect(content.digest.hex == expected)
        #expect(content.partDigests.count == 5)
        #expect(try Tool.run("sha256sum", local("\(id).partial")).prefix(64) == expected)
        return progress.start
    }

    @Test func goesOnBehindTheLastPartThatWasDone() throws {
        try interrupt(at: 2 * partBytes + 3 << 20, as: id)
        #expect(spool.interruptedCopy(of: try origin(stamp())) == id)
        let copies = try spool.interruptedCopies()
        #expect(copies.map(\.id) == [id])
        #expect(copies.first?.bytes == 2 * partBytes + 3 << 20)
        #expect(copies.first?.origin == (try origin(stamp())))
        #expect(try goOn(as: id) == 2 * partBytes)
        let again = try spool.copy(openFile(path), of: origin(stamp()), as: id, with: ContentReader())
        let read = try ContentReader().read(openFile(path), stamp: stamp())
        #expect(again == read, "every part has the digest that one reading gives it")
        try spool.seal(id)
        #expect(try spool.interruptedCopies() == [])
        #expect(try journals() == [])
    }

    @Test func aCopyThatWasCompleteIsNotReadAgain() throws {
        _ = try goOn(as: id)
        let progress = Progress()
        _ = try spool.copy(
            openFile(path), of: origin(stamp()), as: id, with: ContentReader(progress: { progress.add($0) }))
        #expect(progress.all == [1, 2, 3, 4].map { $0 * partBytes } + [size], "its parts alone are hashed")
    }

    @Test func isInterruptedAgainAndAgain() throws {
        for bytes in [1, 9, 10, 17, 31] { try interrupt(at: Int64(bytes) << 20, as: id) }
        #expect(try goOn(as: id) == 3 * partBytes)
    }

    @Test func aPartThatAPowerCutToreIsReadAgain() throws {
        try interrupt(at: 3 * partBytes + 1 << 20, as: id)
        let file = try OwnedDescriptor.open(absolute: RawPath(local("\(id).partial")), flags: O_RDWR)
        let offset = partBytes + 12345
        let byte = try file.readBytes(ByteSpan(offset: offset, length: 1))
        try file.write(byte.map { ~$0 }, at: offset)
        #expect(try goOn(as: id) == partBytes)
    }

    @Test func aCopyThatLostItsEndIsReadAgainFromThere() throws {
        try interrupt(at: 3 * partBytes + 1 << 20, as: id)
        truncate(local("\(id).partial"), Int(2 * partBytes - 1))
        #expect(try goOn(as: id) == partBytes)
    }

    @Test func aHalfWrittenRecordOfTheJournalIsNone() throws {
        try interrupt(at: 2 * partBytes + 1 << 20, as: id)
        let journal = local("\(id).journal")
        let bytes = try Data(contentsOf: URL(fileURLWithPath: journal))
        for (count, start) in [(16, 2), (-1, 1), (-32, 1), (-33, 0), (-64, 0)] {
            let torn = count < 0 ? bytes.dropLast(-count) : bytes + Data(repeating: 7, count: count)
            try interruptedAnew(journal: torn)
            #expect(try goOn(as: id) == Int64(start) * partBytes, "\(count)")
        }
        // Zeros, as a file system leaves them that had no time to write what it has the length of.
        try interruptedAnew(journal: bytes.dropLast(32) + Data(repeating: 0, count: 32))
        #expect(try goOn(as: id) == partBytes)
    }

    private func interruptedAnew(journal: Data) throws {
        try spool.discard(id)
        try interrupt(at: 2 * partBytes + 1 << 20, as: id)
        try journal.write(to: URL(fileURLWithPath: local("\(id).journal")))
    }

    @Test func aTornHeadOfTheJournalIsNone() throws {
        try interrupt(at: 2 * partBytes, as: id)
        let journal = local("\(id).journal")
        let bytes = try Data(contentsOf: URL(fileURLWithPath: journal))
        let headBytes = bytes.count - 2 * 32
        for position in [0, 9, 12, 30, 70, headBytes - 1] {
            var torn = bytes
            torn[position] ^= 1
            try torn.write(to: URL(fileURLWithPath: journal))
            #expect(spool.interruptedCopy(of: try origin(stamp())) == nil, "\(position)")
        }
        for count in [0, 7, 11, 40, headBytes - 1] {
            try bytes.prefix(count).write(to: URL(fileURLWithPath: journal))
            #expect(try spool.interruptedCopies() == [], "\(count)")
        }
        #expect(try goOn(as: id) == 0)
    }

    @Test func onlyTheSameFileIsGoneOnWith() throws {
        try interrupt(at: partBytes, as: id)
        let now = try origin(stamp())
        var others = [now, now, now, now, now, now]
        others[0].source = "other"
        others[1].fileSystem = "CARD-2"
        others[2].file.path = RawPath("DCIM/clip2")
        others[3].file.stamp.size += 1
        others[4].file.stamp.modifiedNanoseconds += 1
        others[5].file.stamp.changedNanoseconds += 1
        for other in others { #expect(spool.interruptedCopy(of: other) == nil) }
        var mountedAgain = now
        (mountedAgain.file.stamp.device, mountedAgain.file.stamp.inode) = (99, 99)
        #expect(spool.interruptedCopy(of: mountedAgain) == id)
        utimes(path.display, [timeval(tv_sec: 1, tv_usec: 0), timeval(tv_sec: 1, tv_usec: 0)])
        #expect(try goOn(as: id) == 0, "asked for under the same id, it begins anew all the same")
    }

    @Test func twoFileSystemsWithTheSamePathAreTwo() throws {
        try interrupt(at: partBytes, as: id)
        try interrupt(at: 2 * partBytes, as: other, fileSystem: "CARD-2")
        #expect(spool.interruptedCopy(of: try origin(stamp())) == id)
        #expect(spool.interruptedCopy(of: try origin(stamp(), fileSystem: "CARD-2")) == other)
        #expect(try goOn(as: other, fileSystem: "CARD-2") == 2 * partBytes)
        #expect(try goOn(as: id) == partBytes)
    }

    @Test func whatWasCutOfAnOlderFileGoesWhenTheNewOneIsCollected() throws {
        let third = RecordingID(time: WallTime(millisecondsSince1970: 3), random: (3, 3))
        try interrupt(at: partBytes, as: id)
        try interrupt(at: partBytes, as: third, fileSystem: "CARD-2")
        try randomBytes(Int(size), seed: 12).write(to: URL(fileURLWithPath: path.display))
        #expect(spool.interruptedCopy(of: try origin(stamp())) == nil)
        #expect(try goOn(as: other) == 0)
        #expect(try Set(spool.interruptedCopies().map(\.id)) == [id, other, third])
        try spool.discardInterrupted(of: origin(stamp()), except: other)
        #expect(try Set(spool.interruptedCopies().map(\.id)) == [other, third])
    }

    @Test func afterACrashItStays() throws {
        try interrupt(at: partBytes, as: id)
        try interrupt(at: partBytes, as: other, fileSystem: "CARD-2")
        try FileManager.default.removeItem(atPath: local("\(other).journal"))
        let third = RecordingID(time: WallTime(millisecondsSince1970: 3), random: (3, 3))
        try Data("orphan".utf8).write(to: URL(fileURLWithPath: local("\(third).journal")))
        try spool.prepare(below: folder.path) { _ in false }
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: spool.path.display).sorted()
                == ["\(id).journal", "\(id).partial"])
        #expect(try journals() == ["\(id).journal"])
        #expect(try goOn(as: id) == partBytes)
        try spool.prepare(below: folder.path) { $0 == id }
        #expect(try journals() == [])
        #expect(spool.holds(id, size: size))
    }

    @Test func theJournalGoesWithItsCopy() throws {
        for end in [spool.seal, spool.discard] {
            try interrupt(at: partBytes, as: id)
            try end(id)
            #expect(try journals() == [])
        }
        try interrupt(at: partBytes, as: id, fileSystem: "CARD-3")
        try spool.reassign(id, to: other)
        #expect(try journals() == [])
    }

    @Test func aFileThatChangesGivesBackWhatItAdded() throws {
        try interrupt(at: partBytes, as: id)
        let name = path.display
        let reader = ContentReader(progress: { if $0 == 3 * partBytes { truncate(name, 5) } })
        #expect(throws: CollectFailure.changed) {
            try spool.copy(openFile(path), of: origin(stamp()), as: id, with: reader)
        }
        #expect(try spool.interruptedCopies().first?.bytes == partBytes)
    }

    /// The card is seen at two mount points, or a reading that hangs goes on when the card is back.
    @Test func aCopyThatIsBeingMadeIsNobodyElses() throws {
        try interrupt(at: 2 * partBytes, as: id)
        let (spool, path, id, now) = (spool, path, id, try origin(stamp()))
        let offered = Mutex<[RecordingID?]>([])
        let failures = Mutex<[CollectFailure]>([])
        @Sendable func copyToo(into other: Spool) {
            do throws(CollectFailure) {
                guard let file = try? openFile(path) else { return }
                _ = try other.copy(file, of: now, as: id, with: ContentReader())
            } catch {
                failures.withLock { $0.append(error) }
            }
        }
        let reader = ContentReader(progress: { offset in
            guard offset == 3 * partBytes else { return }
            offered.withLock { $0.append(spool.interruptedCopy(of: now)) }
            copyToo(into: spool)
            // Another process, which knows nothing but the files.
            copyToo(into: Spool(path: spool.path, floorBytes: 0))
            try? spool.discardInterrupted(of: now, except: nil)
        })
        let content = try spool.copy(openFile(path), of: now, as: id, with: reader)
        #expect(offered.withLock { $0 } == [nil])
        #expect(failures.withLock { $0 }.count == 2)
        for case .spoolFailed(let error) in failures.withLock({ $0 }) { #expect(error.code == EBUSY) }
        #expect(try spool.check(id, content, with: ContentReader()) == .matches)
        #expect(spool.interruptedCopy(of: now) == nil, "it waits for the catalogue")
        try spool.discardInterrupted(of: now, except: nil)
        #expect(try spool.check(id, content, with: ContentReader()) == .matches)
        spool.giveBack(id)
        #expect(spool.interruptedCopy(of: now) == id)
    }

    /// What lies behind the last part with a digest is not what the device has, and that part is.
    @Test func anEndThatAPowerCutToreIsReadAgainFromThere() throws {
        try interrupt(at: 2 * partBytes + 7 << 20, as: id)
        let file = try OwnedDescriptor.open(absolute: RawPath(local("\(id).partial")), flags: O_RDWR)
        try file.write([UInt8](repeating: 0, count: 4096), at: 2 * partBytes + 5 << 20)
        #expect(try goOn(as: id) == 2 * partBytes)
        try spool.discard(id)
        try interrupt(at: 2 * partBytes + 7 << 20, as: id)
        truncate(local("\(id).partial"), Int(2 * partBytes + 3 << 20 + 5))
        #expect(try goOn(as: id) == 2 * partBytes)
    }

    @Test(.enabled(if: geteuid() == 0)) func aFullDiskTakesBackWhatWasAdded() throws {
        let mount = try folder.folder("small")
        try Tool.run("mount", "-t", "tmpfs", "-o", "size=40m", "none", mount.display)
        let small = Spool(path: mount.appending("spool"), floorBytes: 0)
        try small.prepare(below: mount) { _ in false }
        let ballast = mount.appending("ballast").display
        @Sendable func fill() { _ = try? Tool.run("dd", "if=/dev/zero", "of=\(ballast)", "bs=1M", "count=40") }
        let stop = ContentReader(isCancelled: { access(ballast, F_OK) == 0 }, progress: { if $0 == 9 << 20 { fill() } })
        #expect(throws: CollectFailure.self) {
            try small.copy(openFile(path), of: origin(stamp()), as: id, with: stop)
        }
        try FileManager.default.removeItem(atPath: ballast)
        #expect(try small.interruptedCopies().first?.bytes == 9 << 20)
        let thief = ContentReader(progress: { if $0 == 20 << 20 { fill() } })
        #expect(throws: CollectFailure.spoolFull(bytes: size - 9 << 20)) {
            try small.copy(openFile(path), of: origin(stamp()), as: id, with: thief)
        }
        #expect(try small.interruptedCopies().first?.bytes == 9 << 20)
    }
}

@Suite(
    "Spool: copies that were cut, on a card", .enabled(if: FaultyCard.isAvailable, "needs root, /dev/fuse, test-tools"),
    .timeLimit(.minutes(2)))
struct CardResumeTests {
    private let folder: TemporaryDirectory
    private let card: FaultyCard
    private let point: RawPath
    private let size = 5 * partBytes + 77
    private let id = RecordingID(time: WallTime(millisecondsSince1970: 1), random: (1, 1))

    init() throws {
        folder = try TemporaryDirectory()
        card = try FaultyCard(in: folder)
        point = folder.path.appending("card")
        try randomBytes(Int(size), seed: 21).write(
            to: URL(fileURLWithPath: card.backing.appending("clip").display))
    }

    private func freshSpool(_ name: String) throws -> Spool {
        let spool = Spool(path: folder.path.appending(name), floorBytes: 0)
        try spool.prepare(below: folder.path) { _ in false }
        return spool
    }

    private func copy(into spool: Spool, _ reader: ContentReader = ContentReader()) throws -> StoredContent {
        let file = try openFile(point.appending("clip"))
        return try spool.copy(file, of: origin(file.status().stamp), as: id, with: reader)
    }

    private func digest() throws -> String {
        String(try Tool.run("sha256sum", card.backing.appending("clip").display).prefix(64))
    }

    @Test func readsAtMostOnePartTwiceAfterEveryCut() throws {
        try card.mount(at: point)
        let expected = try digest()
        for tenth in 1...9 {
            let spool = try freshSpool("spool\(tenth)")
            let cut = size * Int64(tenth) / 10
            let card = card
            let failure = #expect(throws: CollectFailure.self) {
                try copy(into: spool, ContentReader(progress: { if $0 >= cut { try? card.yank(ENODEV) } }))
            }
            guard case .deviceGone = failure else {
                Issue.record("\(tenth): \(String(describing: failure))")
                return
            }
            try card.yank(0)
            let before = try card.count(of: "clip").bytes
            #expect(try copy(into: spool).digest.hex == expected)
            // All that was read twice, of what was read before the cut: blocks of 1 MiB end there.
            let read = ((cut + (1 << 20) - 1) >> 20) << 20
            let again = try card.count(of: "clip").bytes - before - (size - min(read, size))
            // One part and the ends. The kernel reads ahead by at most 128 KiB, once for each place where reading begins.
            #expect(again <= partBytes + 3 * 64 << 10 + 4 * 128 << 10, "\(tenth)")
            #expect(try Tool.run("sha256sum", spool.path.appending("\(id).partial").display).prefix(64) == expected)
        }
    }

    @Test func goesOnAfterTheCardWasPulledOutAndPutBack() throws {
        try card.mount(at: point)
        let spool = try freshSpool("spool")
        let card = card
        #expect(throws: CollectFailure.self) {
            try copy(into: spool, ContentReader(progress: { if $0 == 3 * partBytes { card.pullOut() } }))
        }
        card.close()
        try card.mount(at: point)
        #expect(spool.interruptedCopy(of: try origin(openFile(point.appending("clip")).status().stamp)) == id)
        #expect(try copy(into: spool).digest.hex == digest())
        #expect(try card.count(of: "clip").bytes < size - 2 * partBytes + 1 << 20)
    }

    /// Most of the last part is not read again where much lies behind it, unless that differs.
    @Test func anotherFileThatEndsItsPartsAlikeIsReadAnew() throws {
        try card.mount(at: point)
        let spool = try freshSpool("spool")
        let over = Mutex(false)
        #expect(throws: CollectFailure.cancelled) {
            try copy(
                into: spool,
                ContentReader(
                    isCancelled: { over.withLock { $0 } },
                    progress: { if $0 == 2 * partBytes + 7 << 20 { over.withLock { $0 = true } } }))
        }
        let partial = spool.path.appending("\(id).partial")
        let local = try OwnedDescriptor.open(absolute: partial, flags: O_RDWR)
        try local.write([1, 2, 3], at: 2 * partBytes + 6 << 20)
        card.close()
        try card.mount(at: point)
        var fault = FaultyCard.Fault()
        (fault.liesFromOpening, fault.liesAt) = (1, partBytes)
        try card.set(fault, on: "clip")
        var expected = randomBytes(Int(size), seed: 21)
        expected[Int(partBytes)] ^= 0xff
        #expect(try copy(into: spool).digest == .sha256(of: expected))
        #expect(try Data(contentsOf: URL(fileURLWithPath: partial.display)) == expected)
    }

    /// Size and times are the same, and yet it is not: 0 is in the head, the last byte in the tail.
    @Test(arguments: [0, 5 * partBytes + 76, 2 * partBytes - 1]) func aCardThatHoldsSomethingElseIsReadAnew(
        _ lie: Int64
    ) throws {
        try card.mount(at: point)
        let spool = try freshSpool("spool")
        let over = Mutex(false)
        #expect(throws: CollectFailure.cancelled) {
            try copy(
                into: spool,
                ContentReader(
                    isCancelled: { over.withLock { $0 } },
                    progress: { if $0 == 2 * partBytes { over.withLock { $0 = true } } }))
        }
        card.close()
        try card.mount(at: point)
        var fault = FaultyCard.Fault()
        (fault.liesFromOpening, fault.liesAt) = (1, lie)
        try card.set(fault, on: "clip")
        let content = try copy(into: spool)
        var expected = randomBytes(Int(size), seed: 21)
        expected[Int(lie)] ^= 0xff
        #expect(content.digest == .sha256(of: expected))
        #expect(try card.count(of: "clip").bytes >= size)
    }
}
