import EvidenceModel
import Foundation
import StationTesting
import SyncEngine
import Testing

/// What every `StorageTarget` must bear, with the engine before it: recordings of all sizes, the loss of any answer.
@Suite(
    "Ways to a storage target", .serialized, .timeLimit(.minutes(3)),
    .enabled(if: S3Server.isAvailable, "needs Scripts/test-tools: real servers of S3 and tus"))
struct TargetJourneyTests {
    typealias Kind = TargetWorld.Kind

    /// Small parts, so that little makes many.
    private func world(_ kind: Kind) async throws -> TargetWorld {
        try await TargetWorld(kind, wholeLimit: kind == .s3 ? 5 << 20 : 64 << 10)
    }

    private func sample(_ seed: UInt64, _ size: Int, _ world: TargetWorld) -> SampleRecording {
        SampleRecording(seed: seed, size: size, partSize: world.partSize)
    }

    /// What the agent has written of it, and what is really there, where the place can be looked into.
    private func expectArrived(
        _ samples: [SampleRecording], _ station: UploadStation, _ world: TargetWorld, _ what: Comment
    ) throws {
        let contents = station.contents
        #expect(contents.verified.count == samples.count, what)
        #expect(contents.parked.isEmpty, what)
        if world.kind.isDirectory {
            for sample in samples {
                let path = world.place.appending(sample.plan().key).display
                #expect(FileManager.default.contents(atPath: path).map { Array($0) } == sample.bytes, what)
            }
            let names = FileManager.default.enumerator(atPath: world.place.display)?.compactMap { $0 as? String } ?? []
            #expect(names.filter { $0.hasSuffix(".part") } == [], what)
        }
        guard [.strictTus, .checkedTus, .plainTus].contains(world.kind), let server = world.server else { return }
        let whole = Set(try server.uploads().filter { $0.concat != "partial" }.map(\.sha256))
        for sample in samples { #expect(whole.contains(sample.content.digest.hex), what) }
        #expect(try server.violations() == [], what)
    }

    @Test(arguments: Kind.allCases)
    func recordingsOfAllSizes(_ kind: Kind) async throws {
        let world = try await world(kind)
        let part = world.partSize
        var sizes = [0, 1, part - 1, part, part + 1, 2 * part]
        if kind != .s3 { sizes.append(20 * part + 5) }
        // More than are joined from partial uploads; the checksums alone would not prove them.
        if ![.s3, .checkedTus].contains(kind) { sizes.append(70 * part) }
        let samples = sizes.enumerated().map { sample(UInt64($0 + 1), $1, world) }
        let station = UploadStation(samples)
        try await station.dispatching(to: world.target) { await station.passTime(until: \.isDone) }
        try expectArrived(samples, station, world, "\(kind)")
    }

    /// The connection breaks when the answer is on its way, or the agent ends there and is started again: at each of the
    /// requests that a recording takes.
    @Test(arguments: Kind.allCases, [TargetFailure.Kind.interrupted, .cancelled])
    func anyAnswerMayBeLost(_ kind: Kind, _ loss: TargetFailure.Kind) async throws {
        let world = try await world(kind)
        for size in kind == .s3 ? [world.partSize + 9] : [9, 3 * world.partSize + 9] {
            for number in 1... {
                let sample = sample(UInt64(size + number), size, world)
                let station = UploadStation([sample])
                let target = LossyTarget(
                    try world.reopened(), losing: number, loss,
                    then: loss == .cancelled ? try world.reopened() : world.target)
                try await station.dispatching(to: target) { await station.passTime(until: \.isDone) }
                try expectArrived([sample], station, world, "\(kind), \(size) bytes, answer \(number)")
                if !target.hasLost { break }
            }
        }
    }

    /// As a share whose server is started again, or a card that is pulled out and put back.
    @Test(
        .enabled(if: FaultyCard.isAvailable, "needs root, /dev/fuse and Scripts/test-tools"), arguments: [ESTALE, EIO])
    func aShareGoesAwayAndComesBack(_ code: Int32) async throws {
        let world = try await world(.share)
        let share = try #require(world.share)
        let sample = sample(1, 10 * world.partSize, world)
        let station = UploadStation([sample])
        try await station.dispatching(to: world.target) {
            await station.until { $0.uploads[0].tags.count >= 2 }
            try share.yank(code)
            let written = station.contents.written.count
            await station.clock.sleepers(atLeast: 2)
            try share.yank(0)
            await station.passTime(until: \.isDone)
            #expect(station.contents.written.count > written)
        }
        try expectArrived([sample], station, world, "back again")
    }

    @Test(.enabled(if: geteuid() == 0, "needs root: a disk of its own is mounted"))
    func aFullDiskIsWaitedFor() async throws {
        let directory = try TemporaryDirectory()
        let disk = try directory.folder("disk")
        try Tool.run("mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", disk.display)
        let target = DirectoryTarget(name: "target", root: disk, wholeLimit: 64 << 10)
        let samples = [1, 2].map { SampleRecording(seed: $0, size: 10 * (64 << 10), partSize: 64 << 10) }
        let station = UploadStation(samples)
        try await station.dispatching(to: target) {
            await station.until(\.isWaiting)
            #expect(station.contents.shown.last?.hint?.contains("make room") == true)
            try Tool.run("mount", "-o", "remount,size=8m", disk.display)
            await station.passTime(until: \.isDone)
        }
        #expect(station.contents.verified.count == 2)
        for sample in samples {
            let path = disk.appending(sample.plan().key).display
            #expect(FileManager.default.contents(atPath: path).map { Array($0) } == sample.bytes)
        }
    }

    /// Where upper and lower case are one, the second of two such keys finds its place taken: nothing is replaced, and
    /// nothing is taken for what it is not.
    @Test(.enabled(if: CardImage.isAvailable(.exfat), "needs root, loop devices and exfat-fuse"))
    func keysThatDifferInCaseAloneDoNotReplaceEachOther() async throws {
        let world = try await world(.exfat)
        let (first, second) = (sample(1, 100_000, world), sample(2, 100_000, world))
        let (mine, theirs) = (first.plan(key: "recordings/CLIP.mp4"), second.plan(key: "recordings/clip.MP4"))
        for (plan, sample) in [(mine, first), (theirs, second)] {
            _ = try await world.target.putWhole(plan, bytes: sample.bytes)
        }
        let object = try #require(try await world.target.inspect(theirs))
        guard case .differs = world.target.verdict(theirs, object: object, tag: nil) else {
            Issue.record("the first recording is taken for the second")
            return
        }
        #expect(try await world.target.read(mine, span: ByteSpan(offset: 0, length: 100_000)) == first.bytes)
    }
}
