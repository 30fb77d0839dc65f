import EvidenceModel
import Foundation
import StationTesting
import Testing

@testable import SyncEngine

/// Stores of many kinds: what they show, how copies at them are proved, and locks.
@Suite("S3 stores of every kind", .timeLimit(.minutes(2)))
struct S3StoreTests {
    @Test(arguments: ["aws", "r2", "minio", "ceph16", "rclone"])
    func scriptedStoresAreTriedOut(_ profile: String) async throws {
        let world = try ScriptedWorld(profile: profile, isKnown: false)
        #expect(try await world.target.capabilities() == ScriptedWorld.capabilities(of: profile))
        let witness = try world.store.witness(hasTrials: true)
        #expect(witness.objects.isEmpty, "a trial was left behind")
        #expect(witness.uploads.isEmpty, "a trial's upload was left behind")
    }

    @Test(.enabled(if: S3Server.isAvailable, "needs Scripts/test-tools: a real S3 server"))
    func openStackSwiftIsTriedOut() async throws {
        let world = try await TargetWorld(.s3)
        let target = try #require(world.target as? S3Target)
        let capabilities = try await target.capabilities()
        #expect(capabilities.level == .l2)
        #expect(capabilities.refusesWrongMD5)
        #expect(capabilities.replacesParts)
        #expect(capabilities.pagesParts)
        #expect(capabilities.tellsTime)
        #expect(!capabilities.isDoubtful)
    }

    private func method(_ station: UploadStation) -> String? {
        station.contents.written.compactMap { if case .verified(_, let method) = $0 { method } else { nil } }.last
    }

    private func foundLock(_ station: UploadStation) -> ObjectLock? {
        station.contents.written.compactMap { if case .verified(let object, _) = $0 { object.lock } else { nil } }.last
    }

    /// Tried out at the first use, and then each copy is proved as well as the store lets it be.
    @Test(arguments: [
        ("aws", "size+metadata+etag+crc64nvme"), ("r2", "size+metadata+etag"), ("ceph16", "size+metadata+etag"),
        ("rclone", "size+metadata+etag+md5"),
    ])
    func copiesAreProved(_ profile: String, _ expected: String) async throws {
        for sample in [ScriptedWorld.parts(60), ScriptedWorld.whole(61)] {
            let world = try ScriptedWorld(profile: profile, isKnown: false)
            let station = UploadStation([sample])
            try await world.work(station)
            try world.expect([sample], station, "\(profile)")
            #expect(method(station) == expected)
        }
    }

    /// Nothing is proved to a store that checks nothing but by reading back; and there a changed byte is found.
    @Test(arguments: [false, true])
    func aStoreThatChecksNothingIsReadBack(_ isSpoiled: Bool) async throws {
        let world = try ScriptedWorld(profile: "rclone", isKnown: false)
        try world.store.tell("set opaque_tags true")
        let sample = ScriptedWorld.parts(62)
        let station = UploadStation([sample])
        if isSpoiled {
            // The first two parts are the trial's.
            try world.store.tell("fault UploadPart#3 1 flip")
        }
        try await world.work(station)
        #expect(method(station) == (isSpoiled ? nil : "read_back"))
        #expect(station.contents.parked.map(\.value.kind) == (isSpoiled ? [.differs] : []))
    }

    // MARK: Locks

    private let week = S3Lock(mode: .compliance, days: 7)

    private func worldWithLocks(_ profile: String, isKnown: Bool = true) throws -> ScriptedWorld {
        let world = try ScriptedWorld(profile: profile, isKnown: isKnown, lock: week)
        try world.store.tell("set versions true")
        return world
    }

    private func expectLocked(_ station: UploadStation, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let lock = try #require(foundLock(station), sourceLocation: sourceLocation)
        #expect(lock.mode == "COMPLIANCE", sourceLocation: sourceLocation)
        let days = lock.until.seconds(since: TargetWorld.now()) / 86_400
        #expect((6.9...7.1).contains(days), "\(days) days", sourceLocation: sourceLocation)
    }

    @Test(arguments: ["aws", "ceph16"])
    func copiesAreLockedWhenTheyAreVerified(_ profile: String) async throws {
        for sample in [ScriptedWorld.parts(63), ScriptedWorld.whole(64)] {
            let world = try worldWithLocks(profile)
            let station = UploadStation([sample])
            try await world.work(station)
            try world.expect([sample], station, "\(profile)")
            try expectLocked(station)
            // Ceph 16 drops the lock of an upload in parts without a word: it is set afterwards.
            let log = try world.store.tell("log")
            let isSet = profile == "ceph16" && sample.plan().content.layout.count > 1
            #expect(log.contains("PutObjectRetention") == isSet)
        }
    }

    @Test func aLockThatDoesNotStayKeepsACopyFromBeingVerified() async throws {
        let world = try worldWithLocks("ceph16")
        try world.store.tell("fault PutObjectRetention * answer 200")
        let station = UploadStation([ScriptedWorld.parts(65)])
        try await world.work(station)
        #expect(station.contents.verified.isEmpty)
        let failure = try #require(station.contents.parked.first?.value)
        #expect(failure.kind == .unlocked)
        #expect(failure.sentence.contains("is none, not COMPLIANCE for 7 days"))
        #expect(failure.hint.contains("object lock"))
    }

    @Test func aLockThatMayNotBeSetPausesTheTarget() async throws {
        let world = try worldWithLocks("ceph16")
        try world.store.tell("fault PutObjectRetention * status 403 AccessDenied")
        let station = UploadStation([ScriptedWorld.parts(66)])
        try await station.dispatching(to: world.target) { await station.passTime(until: \.isWaiting) }
        #expect(station.contents.verified.isEmpty)
    }

    /// Before anything is sent.
    @Test func aBucketWithoutLocksIsMisconfigured() async throws {
        let world = try ScriptedWorld(isKnown: false, lock: week)
        let station = UploadStation([ScriptedWorld.whole(67)])
        try await station.dispatching(to: world.target) {
            await station.passTime(until: \.isWaiting)
            #expect(station.contents.shown.last?.reason?.contains("object_lock is configured") == true)
            // The bucket is made anew, with locks.
            try world.store.tell("set versions true")
            await station.passTime(until: \.isDone)
        }
        try expectLocked(station)
    }

    @Test func trialsInABucketThatLocksLeaveOneKeyWithoutALock() async throws {
        let world = try worldWithLocks("aws", isKnown: false)
        #expect(try await world.target.capabilities().keepsLocks)
        let left = try world.store.witness(hasTrials: true).objects
        #expect(Set(left.map(\.key)) == ["prefix/.capture-probe/object"])
        #expect(try !world.store.tell("witness").contains("retain-until"))
    }

    @Test func whatALockMustBe() {
        let noon = WallTime(millisecondsSince1970: 1_800_000_000_500)
        let asked = S3Lock(mode: .governance, days: 2)
        #expect(asked.headers(at: noon)["x-amz-object-lock-retain-until-date"] == "2027-01-17T08:00:01Z")
        func isKept(_ mode: String, _ seconds: Double) -> Bool {
            asked.isKept(by: ObjectLock(mode: mode, until: noon.adding(seconds: seconds)), at: noon)
        }
        let two = 2 * 86_400.0
        #expect(isKept("GOVERNANCE", two))
        #expect(isKept("COMPLIANCE", two))
        #expect(isKept("GOVERNANCE", two - 3000), "it was asked for when the upload began")
        #expect(!isKept("GOVERNANCE", two - 4000))
        #expect(!week.isKept(by: ObjectLock(mode: "GOVERNANCE", until: noon.adding(seconds: 9e6)), at: noon))
        #expect(!asked.isKept(by: nil, at: noon))
    }

    /// A real store that drops the lock of an upload in parts without a word: it is set, and looked at; what is locked
    /// cannot be deleted. Of two parts, the first as small as a store takes it.
    @Test(
        .enabled(if: S3Server.hasCeph, "needs Ceph: Scripts/s3/ceph fetch"),
        arguments: [S3Lock.Mode.governance, .compliance])
    func cephKeepsLocksThatAreLookedAt(_ mode: S3Lock.Mode) async throws {
        let bucket = "b" + UUID().uuidString.lowercased()
        try await TargetWorld.makeBucket(bucket, at: .ceph, hasLocks: true)
        let lock = S3Lock(mode: mode, days: 3)
        let target = try TargetWorld.s3(bucket, lock: lock, wholeLimit: 5 << 20)
        #expect(try await target.capabilities().level == .l2)
        #expect(try await target.capabilities().keepsLocks)
        let samples = [
            SampleRecording(seed: 70, size: (5 << 20) + 99, partSize: 5 << 20), SampleRecording(seed: 71, size: 5000),
        ]
        let station = UploadStation(samples)
        try await station.dispatching(to: target) { await station.passTime(until: \.isDone) }
        #expect(station.contents.parked.isEmpty)
        let locks = station.contents.written.compactMap { entry -> ObjectLock? in
            if case .verified(let object, _) = entry { object.lock } else { nil }
        }
        #expect(locks.map(\.mode) == [mode.word, mode.word])
        for sample in samples {
            let object = try #require(try await target.inspect(sample.plan()))
            #expect(lock.isKept(by: object.lock, at: TargetWorld.now()))
            let version = try #require(object.versionID)
            let refused = await #expect(throws: TargetFailure.self) {
                try await target.ask(
                    S3Target.Query(
                        method: "DELETE", key: sample.plan().key, query: [(name: "versionId", value: version)],
                        tried: "DELETE"), accepting: [200, 204])
            }
            #expect(refused?.code == "AccessDenied")
        }
    }

    @Test(.enabled(if: S3Server.hasCeph, "needs Ceph: Scripts/s3/ceph fetch"))
    func aBucketOfCephWithoutLocksIsMisconfigured() async throws {
        let bucket = "b" + UUID().uuidString.lowercased()
        let target = try TargetWorld.s3(bucket, lock: week)
        for isThere in [false, true] {
            if isThere { try await TargetWorld.makeBucket(bucket, at: .ceph) }
            let failure = await #expect(throws: TargetFailure.self) { try await target.capabilities() }
            #expect(failure?.kind == .misconfigured)
            #expect(failure?.code == (isThere ? "ObjectLockConfigurationNotFoundError" : "NoSuchBucket"))
        }
    }

    // MARK: Elsewhere

    @Test func theRegionThatAStoreNamesIsSignedFor() async throws {
        let world = try ScriptedWorld()
        try world.store.tell("fault PutObject 1 status 301 PermanentRedirect region=eu-west-1")
        let sample = ScriptedWorld.whole(68)
        let station = UploadStation([sample])
        try await station.dispatching(to: world.target) { await station.until(\.isDone) }
        try world.expect([sample], station, "without a pause")
    }
}
