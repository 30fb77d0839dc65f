import EvidenceModel
import Foundation
import StationTesting
import SyncEngine
import Testing

/// What a store can answer wrongly, at each of its operations. The outcome counts: the object whole and once, nothing
/// left behind, and no more sent again than the fault cost.
@Suite("Answers that are wrong", .timeLimit(.minutes(2)))
struct ScriptedFaultTests {
    /// What passes by itself, whichever operation it hits.
    static let passing = [
        "status 503 SlowDown", "status 503 SlowDownRead", "status 503 SlowDownWrite", "status 429 TooManyRequests",
        "status 400 ThrottlingException", "status 400 RequestLimitExceeded", "status 509 BandwidthLimitExceeded",
        "status 503 SlowDown retry-after=2", "status 500 InternalError", "status 502 empty", "status 504 empty",
        "status 520 empty", "status 524 empty", "status 499 RequestCanceled", "status 408 RequestTimeout",
        "status 400 RequestTimeout", "status 409 OperationAborted", "status 409 ConditionalRequestConflict",
        "status 411 MissingContentLength", "status 400 IncompleteBody", "status 417 empty", "early 503 SlowDown",
        "cut-before", "cut-middle", "cut-head", "lose-answer", "delay 5", "slow 8192 1", "no-continue", "continue 5",
        "date 3600", "late-apply 5", "no-etag",
    ]
    /// Of operations whose answer has a body, or whose body has a hash.
    static let ofBodies = [
        "error-200 InternalError", "error-200 SlowDown", "error-200 InternalError applied", "empty", "truncated",
        "answer 200 <html>Welcome!</html>", "answer 200 <x><y></x>", "cut-body", "blanks 20 1",
    ]
    static let ofHashes = [
        "status 400 BadDigest", "status 400 InvalidDigest", "status 400 XAmzContentSHA256Mismatch",
        "status 400 XAmzContentChecksumMismatch",
    ]

    /// - Parameter open: uploads whose name the station never learned, for each fault.
    private func expectPassing(
        _ operation: String, _ faults: [String], times: [String] = ["1", "1-3"], open: Int = 0, again parts: Int = 0,
        sample: (UInt64) -> SampleRecording, begin: (ScriptedWorld, UploadStation) async throws -> Void = { _, _ in }
    ) async throws {
        let world = try ScriptedWorld()
        for (number, fault) in faults.enumerated() {
            for time in times {
                let next = sample(UInt64(number + 1000))
                let station = UploadStation([next])
                try world.store.tell("empty")
                try await begin(world, station)
                try world.store.tell("fault \(operation) \(time) \(fault)")
                try await world.work(station)
                try world.store.tell("clear")
                try world.store.tell("settled")
                let comment: Comment = "\(operation) \(time) \(fault)"
                try world.expect([next], station, open: time == "1" ? open : 3 * open, comment)
                let again = try world.bytesAgain(next.content.size)
                #expect(again <= parts * 3 * ScriptedWorld.partSize, comment)
            }
        }
    }

    @Test func ofAWholeObject() async throws {
        try await expectPassing(
            "PutObject", Self.passing + Self.ofHashes + ["cut-body"], sample: ScriptedWorld.whole)
    }

    /// A creation whose answer is lost leaves an upload that nobody knows; so it is with every S3 client.
    @Test func ofACreation() async throws {
        try await expectPassing(
            "CreateMultipartUpload", Self.passing.filter { $0 != "no-etag" } + Self.ofBodies, open: 1,
            sample: ScriptedWorld.parts)
    }

    @Test func ofAPart() async throws {
        try await expectPassing(
            "UploadPart#2", Self.passing + Self.ofHashes + ["cut-body"], again: 1, sample: ScriptedWorld.parts)
    }

    @Test func ofACompletion() async throws {
        try await expectPassing(
            "CompleteMultipartUpload", Self.passing + Self.ofBodies + ["twice"], sample: ScriptedWorld.parts)
    }

    /// A 400 has its code in the body, and the answer to HEAD has none: it cannot be told to pass.
    @Test func ofALookAtTheObject() async throws {
        try await expectPassing(
            "HeadObject", Self.passing.filter { !$0.hasPrefix("status 400") } + ["answer 200 <html>"],
            sample: ScriptedWorld.whole)
    }

    @Test func ofAListOfParts() async throws {
        let faults = Self.passing.filter { $0 != "no-etag" } + Self.ofBodies + ["same-page", "strange-list"]
        try await expectPassing(
            "ListParts", faults, times: ["1-3"], sample: ScriptedWorld.parts
        ) { world, station in
            try await world.interrupted(station)
            let taken = station.contents.uploads[0].tags
            station.change { $0.uploads[0].tags = taken.filter { $0.key != 2 } }
        }
    }

    @Test func ofASearchForUploads() async throws {
        let faults = Self.passing.filter { $0 != "no-etag" } + Self.ofBodies.filter { $0 != "empty" }
        try await expectPassing(
            "ListMultipartUploads", faults, times: ["1-3"], sample: ScriptedWorld.parts
        ) { world, station in
            let plan = station.contents.uploads[0].plan
            _ = try await world.target.createUpload(plan)
            station.change { $0.uploads[0].progress = .creating }
        }
    }

    /// A minute of refusals, and then another: it goes on, and every part is taken once.
    @Test func aStormOfRefusals() async throws {
        let world = try ScriptedWorld()
        let sample = ScriptedWorld.parts(7)
        let station = UploadStation([sample])
        for operation in ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "HeadObject"] {
            try world.store.tell("fault \(operation) 1-40 status 503 SlowDown")
        }
        try await world.work(station)
        try world.expect([sample], station, "40 refusals of each")
        #expect(try world.bytesAgain(sample.content.size) == 0)
    }

    /// Refusals that hold until somebody does something: all of the target waits, and goes on when it is done.
    @Test(
        arguments: [
            "status 403 AccessDenied", "status 403 InvalidAccessKeyId", "status 403 SignatureDoesNotMatch",
            "status 403 AccountProblem", "status 400 ExpiredToken", "status 403 InvalidToken",
            "status 400 TokenRefreshRequired", "status 404 NoSuchBucket", "status 301 PermanentRedirect",
            "status 307 TemporaryRedirect", "status 507 InsufficientStorage", "status 507 XMinioStorageFull",
            "status 403 QuotaExceeded", "status 407 empty", "status 401 empty",
        ], ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "PutObject"])
    func aTargetThatRefusesIsWaitedFor(_ fault: String, _ operation: String) async throws {
        let world = try ScriptedWorld()
        let sample = operation == "PutObject" ? ScriptedWorld.whole(8) : ScriptedWorld.parts(8)
        let station = UploadStation([sample])
        try world.store.tell("fault \(operation) * \(fault)")
        try await station.dispatching(to: world.target) {
            await station.passTime(until: \.isWaiting)
            #expect(station.contents.shown.last?.reason?.isEmpty == false)
            #expect(station.contents.verified.isEmpty && station.contents.parked.isEmpty)
            try world.store.tell("clear")
            await station.passTime(until: \.isDone)
        }
        try world.expect([sample], station, "\(operation) \(fault)")
    }

    /// What this store will never take is shown and kept; nothing else waits for it.
    @Test(
        arguments: [
            "EntityTooSmall", "EntityTooLarge", "InvalidArgument", "MetadataTooLarge", "KeyTooLongError",
            "NotImplemented",
        ])
    func whatIsRefusedForGoodIsParked(_ code: String) async throws {
        let world = try ScriptedWorld()
        let (bad, good) = (ScriptedWorld.parts(9), ScriptedWorld.whole(10))
        let station = UploadStation([bad, good])
        let status = code == "NotImplemented" ? 501 : 400
        try world.store.tell("fault UploadPart * status \(status) \(code)")
        try await world.work(station)
        #expect(station.contents.parked.map(\.value.kind) == [.rejected])
        #expect(station.contents.parked.first?.value.sentence.contains(code) == true)
        #expect(station.contents.verified.count == 1)
        #expect(try world.store.witness().objects.map(\.sha256) == [good.content.digest.hex])
    }

    /// A proxy that takes no such bodies: held, whether for this recording or for all.
    @Test func aProxyThatTakesNoLargeBodies() async throws {
        let world = try ScriptedWorld()
        let station = UploadStation([ScriptedWorld.parts(11)])
        try world.store.tell("fault UploadPart * status 413 empty")
        try await station.dispatching(to: world.target) { await station.passTime { $0.isWaiting || $0.isDone } }
        #expect(station.contents.verified.isEmpty)
        #expect(station.contents.isWaiting || station.contents.parked.count == 1)
        #expect(try world.store.witness().objects == [])
    }
}
