import EvidenceModel
import Foundation
import StationTesting
import SyncEngine
import Testing

/// A dispatcher, a network that breaks on command, a real S3 server.
@Suite(
    "Uploads over a network that breaks", .serialized, .timeLimit(.minutes(3)),
    .enabled(if: S3Server.isAvailable, "needs Scripts/test-tools: a real S3 server"))
struct NetworkFaultTests {
    /// A bucket behind a relay, and one recording of three parts to put there.
    private struct World {
        let sample = SampleRecording(seed: 40, size: 20 << 20)
        let station: UploadStation
        let relay: Companion
        let target: any StorageTarget
        private let bucket: String
        private let folder: TemporaryDirectory

        init() async throws {
            station = UploadStation([sample])
            folder = try TemporaryDirectory()
            let address = try S3Server.shared.get().endpoint.dropFirst("http://".count)
            relay = try Companion(
                "python3", Repository.path("Scripts/s3/relay.py"), "--to", String(address), "--log",
                folder.path.appending("log").display, "--stdin", beginsWith: "listening ")
            let port = try #require(relay.greeting.split(separator: " ").last.flatMap { Int($0) })
            let world = try await TargetWorld(.s3, throughPort: port)
            (target, bucket) = (world.target, world.bucket)
        }

        /// The path of the object, as the relay sees it.
        var path: String { "/\(bucket)/prefix/\(sample.plan().key)" }

        struct Entry: Decodable {
            var method: String
            var target: String
            var status: Int?
            var fault: String?
        }

        /// What passed the relay, in the order in which it ended.
        func log() throws -> [Entry] {
            try String(contentsOfFile: folder.path.appending("log").display, encoding: .utf8).split(separator: "\n")
                .map { try JSONDecoder().decode(Entry.self, from: Data($0.utf8)) }
        }

        /// How often the server carried out such a request.
        func count(_ method: String, _ query: String) throws -> Int {
            try log().filter {
                $0.method == method && $0.target.contains(query) && $0.status == 200 && $0.fault != "failed"
            }
            .count
        }

        /// Part, to how often the server took it.
        func partsTaken() throws -> [String: Int] {
            let parts = try log().filter { $0.method == "PUT" && $0.status == 200 }
                .compactMap { $0.target.firstMatch(of: /partNumber=\d+/).map { String($0.0) } }
            return Dictionary(parts.map { ($0, 1) }, uniquingKeysWith: +)
        }

        func expectTheObject() async throws {
            #expect(station.contents.verified.count == 1)
            let whole = ByteSpan(offset: 0, length: sample.content.size)
            #expect(try await target.read(sample.plan(), span: whole) == sample.bytes)
            #expect(try await target.findUploads(sample.plan()) == [])
        }
    }

    private let everyPartOnce = ["partNumber=1": 1, "partNumber=2": 1, "partNumber=3": 1]

    @Test func theAnswerToCompletionIsLost() async throws {
        let world = try await World()
        try world.relay.tell("drop-answer POST \(world.path)?uploadId=")
        try await world.station.dispatching(to: world.target) { await world.station.passTime(until: \.isDone) }
        try await world.expectTheObject()
        #expect(try world.count("POST", "?uploadId=") == 1, "completed once")
        #expect(try world.count("POST", "?uploads=") == 1, "one upload")
        #expect(try world.partsTaken() == everyPartOnce)
    }

    @Test func theAnswerToCreationIsLost() async throws {
        let world = try await World()
        try world.relay.tell("drop-answer POST \(world.path)?uploads=")
        try await world.station.dispatching(to: world.target) { await world.station.passTime(until: \.isDone) }
        #expect(world.station.contents.verified.count == 1)
        #expect(try world.partsTaken() == everyPartOnce)
    }

    @Test func theServerAsksForPatience() async throws {
        let world = try await World()
        try world.relay.tell("fail 5 503 partNumber=")
        try world.relay.tell("fail 2 503 ?uploads=")
        try world.relay.tell("fail 2 500 HEAD")
        try await world.station.dispatching(to: world.target) { await world.station.passTime(until: \.isDone) }
        try await world.expectTheObject()
        #expect(try world.partsTaken() == everyPartOnce)
        #expect(world.station.contents.shown.allSatisfy { $0.state == "up" })
    }

    @Test func theConnectionBreaksInTheMiddleOfAPart() async throws {
        let world = try await World()
        try world.relay.tell("reset-after 10000000")
        try await world.station.dispatching(to: world.target) { await world.station.passTime(until: \.isDone) }
        try await world.expectTheObject()
        #expect(try world.partsTaken() == everyPartOnce)
        #expect(try world.log().contains { $0.fault == "reset" })
    }

    @Test func theAnswerToAPartIsLost() async throws {
        let world = try await World()
        try world.relay.tell("drop-answer partNumber=2")
        try await world.station.dispatching(to: world.target) { await world.station.passTime(until: \.isDone) }
        try await world.expectTheObject()
        #expect(try world.count("POST", "?uploadId=") == 1)
    }

    @Test func theNetworkGoesAndComes() async throws {
        let world = try await World()
        try world.relay.tell("hold partNumber=3")
        try await world.station.dispatching(to: world.target) {
            await world.station.until { $0.uploads[0].tags.count == 2 }
            try world.relay.tell("down")
            await world.station.passTime(until: \.isWaiting)
            #expect(world.station.contents.shown.last?.hint?.contains("network") == true)
            try world.relay.tell("clear")
            await world.station.passTime(until: \.isDone)
            await world.station.until { !$0.isWaiting }
        }
        try await world.expectTheObject()
        #expect(try world.partsTaken() == everyPartOnce)
    }

    @Test func theAgentEndsInTheMiddle() async throws {
        let world = try await World()
        try world.relay.tell("fail 1000 503 partNumber=3")
        try await world.station.dispatching(to: world.target) {
            await world.station.until { $0.uploads[0].tags.count == 2 }
        }
        try world.relay.tell("clear")
        try await world.station.dispatching(to: world.target) { await world.station.passTime(until: \.isDone) }
        try await world.expectTheObject()
        #expect(try world.partsTaken() == everyPartOnce)
    }

    /// The journal lost its last words: the store has parts that it does not know.
    @Test func thePowerIsCutAfterAPart() async throws {
        let world = try await World()
        try world.relay.tell("fail 1000 503 partNumber=3")
        try await world.station.dispatching(to: world.target) {
            await world.station.until { $0.uploads[0].tags.count == 2 }
        }
        world.station.change { $0.uploads[0].tags = [:] }
        try world.relay.tell("clear")
        try await world.station.dispatching(to: world.target) { await world.station.passTime(until: \.isDone) }
        try await world.expectTheObject()
        #expect(try world.partsTaken() == everyPartOnce, "bytes that the store has are compared, not sent")
    }

    /// Before the token was in the journal.
    @Test func thePowerIsCutAfterCreation() async throws {
        let world = try await World()
        let token = try await world.target.createUpload(world.sample.plan())
        world.station.change { $0.uploads[0].progress = .creating }
        try await world.station.dispatching(to: world.target) { await world.station.passTime(until: \.isDone) }
        try await world.expectTheObject()
        #expect(world.station.contents.written.contains(.opened(token: token)))
    }

    /// A lifecycle rule gave the upload up while parts were on their way.
    @Test func theUploadIsGivenUpByTheStore() async throws {
        let world = try await World()
        try world.relay.tell("fail 1000 503 partNumber=3")
        try await world.station.dispatching(to: world.target) {
            await world.station.until { $0.uploads[0].tags.count == 2 }
        }
        guard case .open(let token) = world.station.contents.uploads[0].progress else {
            Issue.record("not open")
            return
        }
        try await world.target.abort(world.sample.plan(), token: token)
        try world.relay.tell("clear")
        try await world.station.dispatching(to: world.target) { await world.station.passTime(until: \.isDone) }
        try await world.expectTheObject()
        #expect(world.station.contents.written.contains(.lost))
    }
}
