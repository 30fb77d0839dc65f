import Collector
import ContentHash
import EvidenceModel
import FileAccess
import Foundation
import StationTesting
import Synchronization
import Testing

@Suite(
    "Salvage of broken files", .enabled(if: FaultyCard.isAvailable, "needs root, /dev/fuse, test-tools"),
    .timeLimit(.minutes(2)))
struct SalvageTests {
    private let folder: TemporaryDirectory
    private let card: FaultyCard
    private let point: RawPath
    private let spool: Spool
    private let size = (9 << 20) + 700
    private let id = RecordingID(time: WallTime(millisecondsSince1970: 1), random: (1, 1))

    init() throws {
        folder = try TemporaryDirectory()
        card = try FaultyCard(in: folder)
        point = folder.path.appending("card")
        spool = Spool(path: folder.path.appending("spool"), floorBytes: 0)
        try spool.prepare(below: folder.path) { _ in false }
        try randomBytes(size, seed: 31).write(to: URL(fileURLWithPath: card.backing.appending("clip").display))
        try card.mount(at: point)
    }

    private func fail(_ bad: [ByteSpan], tries: Int? = nil) throws {
        var fault = FaultyCard.Fault()
        (fault.bad, fault.tries) = (bad, tries)
        try card.set(fault, on: "clip")
    }

    private func salvage(_ reader: ContentReader = ContentReader(), isAlive: Bool? = nil) throws -> Salvaged {
        let file = try openFile(point.appending("clip"))
        return try spool.salvage(file, stamp: file.status().stamp, as: id, with: reader) {
            if isAlive == nil { Issue.record("the file itself can tell") }
            return isAlive ?? true
        }
    }

    private func expectNothingLeft() throws {
        #expect(try FileManager.default.contentsOfDirectory(atPath: spool.path.display) == [])
    }

    @Test func whatCannotBeReadIsZerosAndKnownToThePage() throws {
        let bad = [
            ByteSpan(offset: 5000, length: 10), ByteSpan(offset: (3 << 20) - 1, length: 2),
            ByteSpan(offset: 5 << 20, length: 200_000), ByteSpan(offset: Int64(size) - 1, length: 1),
        ]
        let unreadable = [
            ByteSpan(offset: 4096, length: 4096), ByteSpan(offset: (3 << 20) - 4096, length: 8192),
            ByteSpan(offset: 5 << 20, length: 200_704), ByteSpan(offset: 9 << 20, length: 700),
        ]
        try fail(bad)
        #expect(throws: CollectFailure.self) {
            let file = try openFile(point.appending("clip"))
            _ = try spool.copy(file, of: origin(file.status().stamp), as: id, with: ContentReader())
        }
        let salvaged = try salvage()
        #expect(salvaged.unreadable == unreadable)
        var expected = randomBytes(size, seed: 31)
        for span in unreadable {
            expected.replaceSubrange(Int(span.offset)..<Int(span.end), with: Data(count: Int(span.length)))
        }
        #expect(salvaged.content.digest == .sha256(of: expected))
        #expect(salvaged.content.partDigests.count == 2)
        #expect(try Data(contentsOf: URL(fileURLWithPath: spool.path.appending("\(id).partial").display)) == expected)
        #expect(try spool.interruptedCopies() == [])
    }

    @Test func aFailureThatDoesNotComeBackIsNoDamage() throws {
        try fail([ByteSpan(offset: 5000, length: 10), ByteSpan(offset: 8 << 20, length: 1)], tries: 1)
        let salvaged = try salvage()
        #expect(salvaged.unreadable == [])
        #expect(salvaged.content.digest == .sha256(of: randomBytes(size, seed: 31)))
    }

    /// It answers for a while, and then with nothing but errors: what a card does whose contacts go.
    @Test(arguments: [1 << 20, 4 << 20, 8 << 20]) func aDeviceThatGoesIsNotABrokenFile(_ bytes: Int64) throws {
        let card = card
        let failure = #expect(throws: CollectFailure.self) {
            try salvage(ContentReader(progress: { if $0 == bytes { try? card.yank() } }))
        }
        guard case .deviceGone(let error) = failure else {
            Issue.record("\(String(describing: failure))")
            return
        }
        #expect(error.code == EIO)
        try expectNothingLeft()
    }

    /// The page that is asked for at the end must not come from memory.
    @Test func aDeviceThatGoesAtTheLastMomentIsGone() throws {
        try fail([ByteSpan(offset: 5 << 20, length: 4096)])
        let (card, readable) = (card, Int64(size) - 4096)
        let file = try openFile(point.appending("clip"))
        // Somebody has read its head, and it is still in memory.
        _ = try file.readBytes(ByteSpan(offset: 0, length: 4096))
        let failure = #expect(throws: CollectFailure.self) {
            try spool.salvage(
                file, stamp: file.status().stamp, as: id,
                with: ContentReader(progress: { if $0 == readable { try? card.failReads() } }), isAlive: { true })
        }
        guard case .deviceGone = failure else {
            Issue.record("\(String(describing: failure))")
            return
        }
        try expectNothingLeft()
    }

    /// Where the page cache keeps the page, no proof of life can be had.
    @Test func aPageThatStaysInMemoryProvesNothing() throws {
        try fail([ByteSpan(offset: 5 << 20, length: 4096)])
        let file = try openFile(point.appending("clip"))
        // What is mapped stays in the page cache, whatever it is told.
        let page = try #require(mmap(nil, 4096, PROT_READ, MAP_SHARED, file.number, 0))
        try #require(page != MAP_FAILED)
        defer { munmap(page, 4096) }
        #expect(page.load(as: UInt8.self) == randomBytes(1, seed: 31)[0])
        let failure = #expect(throws: CollectFailure.self) {
            try spool.salvage(file, stamp: file.status().stamp, as: id, with: ContentReader()) {
                Issue.record("something of the file was readable")
                return true
            }
        }
        guard case .deviceGone = failure else {
            Issue.record("\(String(describing: failure))")
            return
        }
        try expectNothingLeft()
    }

    /// A card whose table promises more than it gives, as one that was filled by a lying controller.
    @Test func aLongFileThatEndsEarlyIsSalvaged() throws {
        var fault = FaultyCard.Fault()
        fault.shortBytes = 3 << 20
        try card.set(fault, on: "clip")
        let file = try openFile(point.appending("clip"))
        let failure = #expect(throws: CollectFailure.self) {
            _ = try spool.copy(file, of: origin(file.status().stamp), as: id, with: ContentReader())
        }
        #expect(failure?.asksForSalvage == true, "\(String(describing: failure))")
        #expect(try salvage().unreadable == [ByteSpan(offset: 3 << 20, length: Int64(size) - 3 << 20)])
    }

    @Test func zerosAloneAreNoRecording() throws {
        try fail([ByteSpan(offset: 0, length: Int64(size))])
        let unreadable = #expect(throws: CollectFailure.self) { try salvage(isAlive: true) }
        guard case .unreadable = unreadable else {
            Issue.record("\(String(describing: unreadable))")
            return
        }
        try expectNothingLeft()
        let gone = #expect(throws: CollectFailure.self) { try salvage(isAlive: false) }
        guard case .deviceGone = gone else {
            Issue.record("\(String(describing: gone))")
            return
        }
        try expectNothingLeft()
    }

    @Test func aCardThatIsPulledOutIsGone() throws {
        let card = card
        let failure = #expect(throws: CollectFailure.self) {
            try salvage(ContentReader(progress: { if $0 == 2 << 20 { card.pullOut() } }))
        }
        guard case .deviceGone(let error) = failure else {
            Issue.record("\(String(describing: failure))")
            return
        }
        #expect(error.code == ENOTCONN)
    }

    @Test func stopsWhenAsked() throws {
        let over = Mutex(false)
        #expect(throws: CollectFailure.cancelled) {
            try salvage(
                ContentReader(
                    isCancelled: { over.withLock { $0 } },
                    progress: { if $0 == 2 << 20 { over.withLock { $0 = true } } }))
        }
        try expectNothingLeft()
    }

    @Test func aFileThatChangesIsChanged() throws {
        let backing = card.backing.appending("clip").display
        #expect(throws: CollectFailure.changed) {
            try salvage(ContentReader(progress: { if $0 == 2 << 20 { truncate(backing, 3 << 20) } }))
        }
        try expectNothingLeft()
    }
}

extension FaultyCard {
    /// Every read of the file fails from now on, and nothing else does.
    fileprivate func failReads() throws {
        var fault = Fault()
        fault.bad = [ByteSpan(offset: 0, length: 1 << 40)]
        try set(fault, on: "clip")
    }
}
