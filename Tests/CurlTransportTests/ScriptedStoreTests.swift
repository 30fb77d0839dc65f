import EvidenceModel
import Foundation
import StationTesting
import SyncEngine
import Testing

/// Stores that lose, change, mix up or restart, and what is special about single ones.
@Suite("Stores that lose and change", .timeLimit(.minutes(2)))
struct ScriptedStoreTests {
    /// Runs one upload of five parts with these faults; what it came to must be the object.
    private func expectWhole(
        _ faults: String..., again bytes: Int = 0, open: Int = 0, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let world = try ScriptedWorld()
        let sample = ScriptedWorld.parts(20)
        let station = UploadStation([sample])
        for fault in faults { try world.store.tell("fault \(fault)") }
        try await world.work(station)
        let comment: Comment = "\(faults)"
        try world.expect([sample], station, open: open, comment, sourceLocation: sourceLocation)
        #expect(try world.bytesAgain(sample.content.size) <= bytes, comment, sourceLocation: sourceLocation)
    }

    @Test func aPartAcknowledgedAndNotThere() async throws {
        try await expectWhole("UploadPart#3 1 forget", again: ScriptedWorld.partSize)
    }

    @Test func aPartUnderAnotherTag() async throws {
        try await expectWhole("UploadPart#3 1 etag \"0123\"")
        try await expectWhole("UploadPart#3 1 upper-etag", "UploadPart#4 1 plain-etag")
    }

    @Test func anObjectCompletedAndNotThere() async throws {
        let all = 5 * ScriptedWorld.partSize
        try await expectWhole("CompleteMultipartUpload 1 forget", again: all)
    }

    @Test func aCompletionThatNamesUnknownParts() async throws {
        try await expectWhole("CompleteMultipartUpload 1 status 400 InvalidPart")
        try await expectWhole("CompleteMultipartUpload 1 status 400 InvalidPartOrder")
    }

    @Test func anUploadThatIsGone() async throws {
        let world = try ScriptedWorld()
        let sample = ScriptedWorld.parts(21)
        let station = UploadStation([sample])
        try await world.interrupted(station)
        try world.store.tell("restart lose")
        try await world.work(station)
        try world.expect([sample], station, "the store restarted without its uploads")
        #expect(station.contents.written.contains(.lost))
        #expect(try world.bytesAgain(sample.content.size) == 3 * ScriptedWorld.partSize)
    }

    @Test func aRestartThatKeepsUploads() async throws {
        let world = try ScriptedWorld()
        let sample = ScriptedWorld.parts(22)
        let station = UploadStation([sample])
        try await world.interrupted(station)
        try world.store.tell("restart keep")
        try await world.work(station)
        try world.expect([sample], station, "the store restarted")
        #expect(try world.bytesAgain(sample.content.size) == 0)
    }

    /// The journal lost its last words, and the store's list comes in pages, in halves, or with tags that are no MD5.
    @Test(arguments: [("set page 2", 0), ("fault ListParts 1 half-list", 2), ("set opaque_tags true", 3)])
    func aListOfPartsThatIsHardToRead(_ command: String, partsAgain: Int) async throws {
        let world = try ScriptedWorld()
        let sample = ScriptedWorld.parts(23)
        let station = UploadStation([sample])
        if command.hasPrefix("set opaque") { try world.store.tell(command) }
        try await world.interrupted(station)
        station.change { $0.uploads[0].tags = [:] }
        try world.store.tell(command)
        try await world.work(station)
        try world.expect([sample], station, "\(command)")
        #expect(try world.bytesAgain(sample.content.size) <= partsAgain * ScriptedWorld.partSize)
    }

    @Test func twoUploadsOfWhichNoneIsKnown() async throws {
        let world = try ScriptedWorld()
        let sample = ScriptedWorld.parts(24)
        let station = UploadStation([sample])
        _ = try await world.target.createUpload(sample.plan())
        _ = try await world.target.createUpload(sample.plan())
        station.change { $0.uploads[0].progress = .creating }
        try await world.work(station)
        try world.expect([sample], station, "both were given up")
    }

    /// Never verified: the object under the key says that it is of another upload, or has another size.
    @Test func anObjectOfSomebodyElse() async throws {
        let world = try ScriptedWorld()
        let sample = ScriptedWorld.parts(25)
        let station = UploadStation([sample])
        try world.store.tell("fault HeadObject * status 503")
        try await station.dispatching(to: world.target) {
            await station.until { $0.written.contains { if case .completed = $0 { true } else { false } } }
        }
        try world.store.tell("clear")
        try world.store.tell("claim clip somebody-else")
        try await world.work(station)
        #expect(station.contents.verified.isEmpty)
        #expect(station.contents.parked.map(\.value.kind) == [.differs])
    }

    @Test func aStoreThatFillsUp() async throws {
        let world = try ScriptedWorld()
        let sample = ScriptedWorld.parts(26)
        let station = UploadStation([sample])
        try world.store.tell("set room 150000")
        try await station.dispatching(to: world.target) {
            await station.passTime(until: \.isWaiting)
            #expect(station.contents.shown.last?.hint?.contains("make room") == true)
            try world.store.tell("set room null")
            await station.passTime(until: \.isDone)
        }
        try world.expect([sample], station, "room was made")
        #expect(try world.bytesAgain(sample.content.size) == 0)
    }

    @Test func keysThatAreChanged() async throws {
        let folder = try TemporaryDirectory()
        let file = folder.path.appending("keys")
        func write(_ secret: String) throws {
            let text = "[default]\naws_access_key_id = test\naws_secret_access_key = \(secret)\n"
            try Data(text.utf8).write(to: URL(fileURLWithPath: file.display))
        }
        try write("secret")
        let world = try ScriptedWorld(credentials: .file(file))
        let sample = ScriptedWorld.parts(27)
        let station = UploadStation([sample])
        try await world.interrupted(station)
        try world.store.tell("key test another")
        try await station.dispatching(to: world.target) {
            await station.passTime(until: \.isWaiting)
            #expect(station.contents.shown.last?.hint?.contains("access key") == true)
            try write("another")
            await station.passTime(until: \.isDone)
        }
        try world.expect([sample], station, "the new keys were read")
        #expect(try world.bytesAgain(sample.content.size) == 0)
    }

    @Test(arguments: [-1200.0, 1200, -400_000_000, 86_400_000])
    func aClockThatIsWrong(_ seconds: Double) async throws {
        let world = try ScriptedWorld(secondsAhead: seconds)
        let (large, small) = (ScriptedWorld.parts(28), ScriptedWorld.whole(29))
        let station = UploadStation([large, small])
        try await world.work(station)
        try world.expect([large, small], station, "the station's clock is \(seconds) s off")
    }

    @Test func aClockThatJumpsInTheMiddle() async throws {
        let world = try ScriptedWorld()
        let sample = ScriptedWorld.parts(30)
        let station = UploadStation([sample])
        try await world.interrupted(station)
        try world.store.tell("clock -5000")
        try await world.work(station)
        try world.expect([sample], station, "the store's clock went back")
    }

    @Test(arguments: ["aws", "r2", "minio", "ceph16", "rclone"])
    func everyKindOfStore(_ profile: String) async throws {
        let world = try ScriptedWorld(profile: profile)
        let (large, small) = (ScriptedWorld.parts(31), ScriptedWorld.whole(32))
        let station = UploadStation([large, small])
        try await world.interrupted(station)
        station.change { $0.uploads[0].tags[2] = nil }
        try await world.work(station)
        try world.expect([large, small], station, "\(profile)")
        #expect(try world.bytesAgain(large.content.size) == 0)
    }

    /// The lenient neighbour: a completion that fails ends the upload, and everything is sent again.
    @Test func aStoreThatBreaksUploads() async throws {
        let world = try ScriptedWorld(profile: "rclone")
        let sample = ScriptedWorld.parts(33)
        let station = UploadStation([sample])
        try world.store.tell("fault UploadPart#3 1 forget")
        try await world.work(station)
        try world.expect([sample], station, "a part was missing at completion")
    }

    @Test func partsThatAreTooSmallForTheStore() async throws {
        let world = try ScriptedWorld()
        try world.store.tell("set min_part 5242880")
        let station = UploadStation([ScriptedWorld.parts(34)])
        try await world.work(station)
        #expect(station.contents.parked.map(\.value.code) == ["EntityTooSmall"])
        #expect(try world.store.witness().objects == [])
    }

    @Test(arguments: [0, 1, ScriptedWorld.partSize, ScriptedWorld.partSize + 1, 2 * ScriptedWorld.partSize])
    func everySize(_ bytes: Int) async throws {
        let world = try ScriptedWorld()
        let sample = SampleRecording(seed: 35, size: bytes, partSize: ScriptedWorld.partSize)
        let station = UploadStation([sample])
        try await world.work(station)
        try world.expect([sample], station, "\(bytes) bytes")
        #expect(try world.store.witness().objects.map(\.size) == [bytes])
    }

    @Test func everyKey() async throws {
        let world = try ScriptedWorld()
        let long = String(repeating: "ä", count: 200)
        let keys = [
            "片段/一.mp4", "100%/%2F.mp4", "a+b c&d=e.mp4", "new\nline.mp4", "Case/a.mp4", "case/a.mp4", "case/A.mp4",
            "q?#[]\"'<>.mp4", long + "/" + long + "/" + String(repeating: "x", count: 200),
        ]
        let samples = keys.indices.map { ScriptedWorld.whole(UInt64(40 + $0)) }
        let station = UploadStation(samples)
        station.change { contents in
            contents.uploads = zip(samples, keys).map { JournaledUpload(plan: $0.plan(key: $1)) }
        }
        try await world.work(station)
        try world.expect(samples, station, "every key is another object")
        #expect(Set(try world.store.witness().objects.map(\.key)) == Set(keys.map { "prefix/\($0)" }))
    }

    /// Bytes that changed on the station are never sent, whatever their name.
    @Test func aRecordingThatChangedOnTheStation() async throws {
        let world = try ScriptedWorld()
        let sample = ScriptedWorld.parts(60)
        let station = UploadStation([sample])
        try await world.interrupted(station)
        station.change { $0.changed = [sample.id] }
        try await world.work(station)
        #expect(station.contents.parked.map(\.value.kind) == [.sourceChanged])
        #expect(try world.store.witness().objects == [])
    }
}
