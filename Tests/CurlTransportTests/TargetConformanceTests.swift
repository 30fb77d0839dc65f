import EvidenceModel
import Foundation
import StationTesting
import SyncEngine
import Testing

/// What every `StorageTarget` promises, tried on real ones.
@Suite(
    "Storage targets", .serialized, .timeLimit(.minutes(3)),
    .enabled(if: S3Server.isAvailable, "needs Scripts/test-tools: a real S3 server"))
struct TargetConformanceTests {
    typealias Kind = TargetWorld.Kind

    static let mebibyte = 1 << 20
    /// Three parts of 8 MiB and a short one.
    static let large = SampleRecording(seed: 1, size: 24 * mebibyte + 12_345)
    static let small = SampleRecording(seed: 2, size: 100_000)

    private func kind(_ body: () async throws(TargetFailure) -> some Any) async -> TargetFailure.Kind? {
        do throws(TargetFailure) {
            _ = try await body()
            return nil
        } catch { return error.kind }
    }

    @Test(arguments: Kind.allCases)
    func aWholeObject(_ kind: Kind) async throws {
        let (world, plan) = (try await TargetWorld(kind), Self.small.plan())
        #expect(try await world.target.inspect(plan) == nil)
        let tag = try await world.target.putWhole(plan, bytes: Self.small.bytes)
        let object = try #require(try await world.target.inspect(plan))
        #expect(object.size == plan.content.size)
        #expect(object.tag == tag)
        guard case .matches = world.target.verdict(plan, object: object, tag: tag) else {
            Issue.record("\(world.target.verdict(plan, object: object, tag: tag))")
            return
        }
        // The answer may have been lost: the same again is the same.
        #expect(try await world.target.putWhole(plan, bytes: Self.small.bytes) == tag)
        #expect(try await world.target.inspect(plan) == object)
    }

    @Test(arguments: Kind.allCases)
    func anObjectInParts(_ kind: Kind) async throws {
        let (world, plan) = (try await TargetWorld(kind), Self.large.plan())
        let target = world.target
        let token = try await target.createUpload(plan)
        #expect(try await target.findUploads(plan) == [token])
        #expect(try await target.listParts(plan, token: token) == [])
        var tags: [String: Int] = [:]
        // Not in order, and one twice.
        for number in [2, 4, 1, 2, 3] {
            let bytes = Self.large.bytes(ofPart: number)
            let tag = try await target.putPart(plan, token: token, number: number, bytes: bytes)
            #expect(tag == target.partTag(PartBytes(bytes)))
            tags[tag] = number
            let listed = try await target.listParts(plan, token: token)
            #expect(listed.map(\.number) == tags.values.sorted())
            for part in listed {
                #expect(tags[part.tag] == part.number)
                #expect(part.size == plan.content.layout.span(ofPart: part.number).length)
            }
            #expect(try await target.inspect(plan) == nil, "visible before it is complete")
        }
        let tag = try await target.complete(plan, token: token, tags: tags.sorted { $0.value < $1.value }.map(\.key))
        let object = try #require(try await target.inspect(plan))
        guard case .matches = target.verdict(plan, object: object, tag: tag) else {
            Issue.record("\(target.verdict(plan, object: object, tag: tag))")
            return
        }
        #expect(try await target.findUploads(plan) == [])
        for span in [(0, 1), (8_388_600, 16), (25_178_168, 1), (5, 0), (0, 25_178_169)] as [(Int64, Int64)] {
            let span = ByteSpan(offset: span.0, length: span.1)
            #expect(try await target.read(plan, span: span) == Self.large.bytes(span))
        }
        // OpenStack Swift takes parts of an upload that is over; nobody will ever see them.
        if kind == .s3 { return }
        let late = await self.kind { () async throws(TargetFailure) in
            try await target.putPart(plan, token: token, number: 1, bytes: Self.large.bytes(ofPart: 1))
        }
        #expect(late == .uploadUnknown)
    }

    @Test(arguments: Kind.allCases)
    func anObjectOfNothing(_ kind: Kind) async throws {
        let empty = SampleRecording(seed: 3, size: 0)
        let (world, plan) = (try await TargetWorld(kind), empty.plan())
        let tag = try await world.target.putWhole(plan, bytes: [])
        let object = try #require(try await world.target.inspect(plan))
        #expect(object.size == 0)
        guard case .matches = world.target.verdict(plan, object: object, tag: tag) else {
            Issue.record("\(world.target.verdict(plan, object: object, tag: tag))")
            return
        }
        #expect(try await world.target.read(plan, span: ByteSpan(offset: 0, length: 0)) == [])
    }

    @Test(
        arguments: Kind.allCases,
        [
            "日本語/動画 1.mp4", "100%/50%41.mp4", "a+b/c d.mp4", "%2E%2E/%252F.mp4", "~t_-.()!'*,;:@&=$#?[].mp4",
            "e\u{301}/é.mp4", "\u{e31}\u{301}.mp4", "กั/\u{e31}กก.mp4", String(repeating: "日", count: 80) + ".mp4",
        ])
    func namesOfAllKinds(_ kind: Kind, _ name: String) async throws {
        let (world, plan) = (try await TargetWorld(kind), Self.small.plan(key: "recordings/\(name)"))
        let tag = try await world.target.putWhole(plan, bytes: Self.small.bytes)
        let object = try #require(try await world.target.inspect(plan))
        #expect(object.tag == tag)
        #expect(
            try await world.target.read(plan, span: ByteSpan(offset: 9, length: 3)) == Array(Self.small.bytes[9..<12]))
        let other = Self.small.plan(key: "recordings/other/\(name)")
        let token = try await world.target.createUpload(other)
        #expect(try await world.target.findUploads(other) == [token])
    }

    @Test(arguments: Kind.allCases)
    func anUploadGivenUpIsGone(_ kind: Kind) async throws {
        let (world, plan) = (try await TargetWorld(kind), Self.large.plan())
        let target = world.target
        let token = try await target.createUpload(plan)
        _ = try await target.putPart(plan, token: token, number: 4, bytes: Self.large.bytes(ofPart: 4))
        try await target.abort(plan, token: token)
        #expect(try await target.findUploads(plan) == [])
        try await target.abort(plan, token: token)
        #expect(
            await self.kind { () async throws(TargetFailure) in try await target.listParts(plan, token: token) }
                == .uploadUnknown)
        let completion = await self.kind { () async throws(TargetFailure) in
            try await target.complete(plan, token: token, tags: ["a", "b", "c", "d"])
        }
        #expect(completion == .uploadUnknown)
        #expect(try await target.inspect(plan) == nil)
    }

    /// Of an upload that never was, in a folder that never was.
    @Test(arguments: Kind.allCases)
    func whatNeverWasCanBeGivenUp(_ kind: Kind) async throws {
        let (world, plan) = (try await TargetWorld(kind), Self.large.plan())
        #expect(try await world.target.findUploads(plan) == [])
        try await world.target.abort(plan, token: plan.upload)
    }

    @Test(arguments: Kind.allCases)
    func aPlaceThatIsNotThereIsMisconfigured(_ kind: Kind) async throws {
        let (world, plan) = (try await TargetWorld(kind), Self.small.plan())
        let target = world.missing
        let kinds = [
            await self.kind { () async throws(TargetFailure) in
                try await target.putWhole(plan, bytes: Self.small.bytes)
            }, await self.kind { () async throws(TargetFailure) in try await target.createUpload(plan) },
            await self.kind { () async throws(TargetFailure) in try await target.findUploads(plan) },
            await self.kind { () async throws(TargetFailure) in try await target.inspect(plan) },
        ]
        #expect(kinds == Array(repeating: .misconfigured, count: 4))
    }

    @Test func aWrongKeyIsDenied() async throws {
        let (world, plan) = (try await TargetWorld(.s3), Self.small.plan())
        let target = try #require(world.denied)
        let kinds = [
            await kind { () async throws(TargetFailure) in try await target.putWhole(plan, bytes: Self.small.bytes) },
            await kind { () async throws(TargetFailure) in try await target.createUpload(plan) },
            await kind { () async throws(TargetFailure) in try await target.inspect(plan) },
        ]
        #expect(kinds == [.denied, .denied, .denied])
    }

    /// A real store that checks the signed hash, and a folder, which checks nothing when it is written to.
    @Test(arguments: Kind.allCases)
    func whoRefusesWrongBytesIsFoundOut(_ kind: Kind) async throws {
        let world = try await TargetWorld(kind)
        #expect(await world.target.checksBytes() == (kind == .s3))
        #expect(await world.target.checksBytes() == (kind == .s3))
    }

    @Test func bytesThatAreNotThePlansAreNotTaken() async throws {
        let (world, plan) = (try await TargetWorld(.s3), Self.small.plan())
        var wrong = Self.small.bytes
        wrong[5] ^= 1
        let whole = await kind { () async throws(TargetFailure) in try await world.target.putWhole(plan, bytes: wrong) }
        #expect(whole == .corruptedOnTheWay)
        #expect(try await world.target.inspect(plan) == nil)
        let token = try await world.target.createUpload(plan)
        let part = await kind { () async throws(TargetFailure) in
            try await world.target.putPart(plan, token: token, number: 1, bytes: wrong)
        }
        #expect(part == .corruptedOnTheWay)
        #expect(try await world.target.listParts(plan, token: token) == [])
    }

    @Test(arguments: Kind.allCases)
    func aCancelledRequestSaysSo(_ kind: Kind) async throws {
        let (world, plan) = (try await TargetWorld(kind), Self.large.plan())
        let target = world.target
        let token = try await target.createUpload(plan)
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return await self.kind { () async throws(TargetFailure) in
                try await target.putPart(plan, token: token, number: 1, bytes: Self.large.bytes(ofPart: 1))
            }
        }
        #expect(await task.value == .cancelled)
    }

    /// A stranger's object under the key is neither replaced nor taken for the recording.
    @Test(arguments: Kind.allCases)
    func anotherObjectUnderTheKeyDiffers(_ kind: Kind) async throws {
        let (world, plan) = (try await TargetWorld(kind), Self.small.plan())
        let stranger = SampleRecording(seed: 99, size: 100_000).plan(key: plan.key)
        _ = try await world.target.putWhole(stranger, bytes: SampleRecording(seed: 99, size: 100_000).bytes)
        let object = try #require(try await world.target.inspect(plan))
        guard case .differs = world.target.verdict(plan, object: object, tag: nil) else {
            Issue.record("a stranger's object is taken for the recording")
            return
        }
    }

    /// After a power cut the station's clock may stand at 1970 until NTP has it; a HEAD's refusal has no body.
    @Test func aClockThatIsWrongIsFoundOutByAHead() async throws {
        let bucket = "b" + UUID().uuidString.lowercased()
        try await TargetWorld.makeBucket(bucket)
        let target = try TargetWorld.s3(bucket) { WallTime(millisecondsSince1970: 86_400_000) }
        let plan = Self.small.plan()
        let first = await kind { () async throws(TargetFailure) in try await target.inspect(plan) }
        #expect(first == .clock)
        #expect(try await target.inspect(plan) == nil)
        #expect((target.clockOffsetSeconds ?? 0) > 1e9)
    }
}
