import EvidenceModel
import Foundation
import StationTesting
import SyncEngine
import Testing

/// What servers of tus do besides working: answers of the strict one.
@Suite("tus target", .serialized, .timeLimit(.minutes(1)))
struct TusTargetTests {
    private static let part = 64 << 10
    private let small = SampleRecording(seed: 1, size: 50_000, partSize: part)
    private let large = SampleRecording(seed: 2, size: 5 * part - 100, partSize: part)

    private struct World {
        let target: TusTarget
        let server: TusServer
        /// Holds the token file.
        let directory: TemporaryDirectory

        init(_ commands: String...) throws {
            directory = try TemporaryDirectory()
            server = try TusServer(strict: directory)
            for command in commands { try server.tell(command) }
            target = TargetWorld.tus(server.url, server.tokenFile, wholeLimit: Int64(TusTargetTests.part))
        }
    }

    private func failure(_ body: () async throws(TargetFailure) -> some Any) async -> TargetFailure? {
        do throws(TargetFailure) {
            _ = try await body()
            return nil
        } catch { return error }
    }

    private func put(_ target: TusTarget) async -> TargetFailure? {
        await failure { () async throws(TargetFailure) in
            try await target.putWhole(small.plan(), bytes: PartBytes(small.bytes))
        }
    }

    /// The server kept what it had when the connection broke: only the rest is sent.
    @Test func aPatchThatWasCutGoesOnWhereItWasCut() async throws {
        let world = try World("extensions creation", "cut 20000")
        let (target, server) = (world.target, world.server)
        // libcurl itself sends it again, which the server refuses; then the rest goes.
        #expect(await put(target) == nil)
        #expect(try server.uploads().map(\.sha256) == [small.content.digest.hex])
        #expect(try server.asked()["PATCH"] == 3)
        #expect(try server.tell("bytes") == "50000")
        #expect(try server.violations() == [])
    }

    /// Where checksums are the proof, bytes that none was compared with are given up.
    @Test func aPatchThatWasCutBeginsAnewWhereChecksumsAreTheProof() async throws {
        let world = try World("cut 20000")
        let (target, server) = (world.target, world.server)
        #expect(await put(target)?.kind == .interrupted)
        #expect(await put(target) == nil)
        #expect(try server.uploads().map(\.sha256) == [small.content.digest.hex])
        #expect(try server.asked()["DELETE"] == 1)
    }

    @Test func aPartThatWasCutGoesOnInOrder() async throws {
        let world = try World("extensions creation")
        let (target, server) = (world.target, world.server)
        let (plan, station) = (large.plan(), UploadStation([large]))
        try server.tell("cut 1000")
        try await station.dispatching(to: target) { await station.passTime(until: \.isDone) }
        #expect(station.contents.verified == [plan.upload])
        #expect(try server.uploads().map(\.sha256) == [large.content.digest.hex])
        #expect(try server.violations() == [])
    }

    @Test(
        arguments: [
            ("fault PATCH 1 423", TargetFailure.Kind.serverFault), ("fault PATCH 1 460", .corruptedOnTheWay),
            ("fault PATCH 1 503", .throttled(afterSeconds: 1)), ("fault PATCH 1 413", .misconfigured),
            ("fault POST 1 413", .rejected), ("fault POST 1 507", .full), ("fault POST 1 412", .misconfigured),
            ("fault POST 1 404", .misconfigured), ("fault OPTIONS 1 404", .misconfigured),
            ("fault OPTIONS 1 502", .serverFault), ("fault POST 1 401", .denied), ("lose POST 1", .interrupted),
            ("most 40000", .rejected), ("extensions termination", .misconfigured),
        ])
    func answersAndWhatTheyMean(_ command: String, _ kind: TargetFailure.Kind) async throws {
        let world = try World(command)
        let (target, server) = (world.target, world.server)
        #expect(await put(target)?.kind == kind)
        if ["most", "extensions"].contains(where: command.hasPrefix) { return }
        #expect(await put(target) == nil, "the same again")
        #expect(try server.violations() == [])
    }

    /// A 409 says that the server is elsewhere: it is asked where.
    @Test func anOffsetThatIsAnotherIsAskedFor() async throws {
        let world = try World("fault PATCH 1 409")
        let (target, server) = (world.target, world.server)
        #expect(await put(target) == nil)
        #expect(try server.asked()["HEAD"] == 1)
    }

    @Test func anAnswerToAPatchThatIsLostIsNotMissed() async throws {
        let world = try World("lose PATCH 1")
        #expect(await put(world.target) == nil)
        #expect(try world.server.uploads().map(\.sha256) == [small.content.digest.hex])
        #expect(try world.server.tell("bytes") == "50000")
    }

    @Test func aTokenFileThatIsCorrectedIsReadAgain() async throws {
        let world = try World("token another")
        let (target, server) = (world.target, world.server)
        #expect(await put(target)?.kind == .denied)
        try write("another\n", to: server.tokenFile)
        #expect(await put(target) == nil)
    }

    @Test func uploadsThatExpiredBeginAgain() async throws {
        for extensions in ["creation", "creation termination expiration checksum concatenation"] {
            let world = try World("extensions \(extensions)")
            let (target, server) = (world.target, world.server)
            let station = UploadStation([large])
            try await station.dispatching(to: target) {
                await station.until { $0.uploads[0].tags.count >= 2 }
            }
            try server.tell("forget")
            try await station.dispatching(to: target) { await station.passTime(until: \.isDone) }
            #expect(station.contents.verified.count == 1)
            #expect(try server.uploads().contains { $0.sha256 == large.content.digest.hex })
        }
    }

    /// An agent that is started again sends no part that the server has.
    @Test func whatTheServerHasIsNotSentAgain() async throws {
        for extensions in ["creation", "creation concatenation"] {
            let world = try World("extensions \(extensions)")
            let (target, server) = (world.target, world.server)
            let station = UploadStation([large])
            // The fifth part fails for as long as the first agent runs.
            try await station.dispatching(to: target) { await station.until { $0.uploads[0].tags.count >= 3 } }
            let sent = try #require(try server.asked()["PATCH"])
            let again = TargetWorld.tus(server.url, server.tokenFile, wholeLimit: Int64(Self.part))
            try await station.dispatching(to: again) { await station.passTime(until: \.isDone) }
            #expect(station.contents.verified.count == 1)
            let all = try #require(try server.asked()["PATCH"])
            // What was on its way when the first agent ended may have come twice.
            #expect(all - sent <= 5 - 3 && all >= 5)
        }
    }

    @Test func aByteThatChangesAtTheServerIsFound() async throws {
        let world = try World()
        let (target, server) = (world.target, world.server)
        let tag = try await target.putWhole(small.plan(), bytes: PartBytes(small.bytes))
        try server.tell("flip")
        let plan = small.plan().given(object: tag)
        let object = try #require(try await target.inspect(plan))
        guard case .differs = target.verdict(plan, object: object, tag: tag) else {
            Issue.record("it is taken for the recording")
            return
        }
    }

    @Test func whatCannotBeVerifiedIsSaid() async throws {
        let world = try World("extensions creation", "downloads no")
        let target = world.target
        let tag = try await target.putWhole(small.plan(), bytes: PartBytes(small.bytes))
        let failure = await failure { () async throws(TargetFailure) in
            try await target.inspect(small.plan().given(object: tag))
        }
        #expect(failure?.kind == .misconfigured)
        #expect(failure?.sentence.contains("cannot be verified") == true)
    }

    /// More partial uploads than one header can name.
    @Test func longRecordingsGoInOrder() async throws {
        let world = try World()
        let (target, server) = (world.target, world.server)
        let long = SampleRecording(seed: 3, size: 70_000, partSize: 1000)
        #expect(await target.takesPartsInOrder(long.plan(), token: nil))
        #expect(await !target.takesPartsInOrder(large.plan(), token: nil))
        let token = try await target.createUpload(long.plan())
        #expect(await target.takesPartsInOrder(large.plan(), token: token))
        #expect(try server.uploads().map(\.concat) == [""])
    }

    /// Behind a proxy it may name itself by an absolute URL.
    @Test func aLocationMayBeAbsolute() async throws {
        let world = try World()
        let (target, server) = (world.target, world.server)
        try server.tell("absolute \(server.url.replacing("/files/", with: ""))")
        let station = UploadStation([large])
        try await station.dispatching(to: target) { await station.passTime(until: \.isDone) }
        #expect(station.contents.verified.count == 1)
        #expect(try server.violations() == [])
    }
}
