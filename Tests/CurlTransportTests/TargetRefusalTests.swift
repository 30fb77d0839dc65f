import EvidenceModel
import Foundation
import StationTesting
import SyncEngine
import Testing

/// What every `StorageTarget` refuses, and how it says so; tried on real ones.
@Suite(
    "Refusals of storage targets", .serialized, .timeLimit(.minutes(3)),
    .enabled(if: S3Server.isAvailable, "needs Scripts/test-tools: real servers of S3 and tus"))
struct TargetRefusalTests {
    typealias Kind = TargetWorld.Kind

    static let small = SampleRecording(seed: 2, size: 100_000)
    static let large = SampleRecording(seed: 1, size: (8 << 20) + 12_345)

    private func kind(_ body: () async throws(TargetFailure) -> some Any) async -> TargetFailure.Kind? {
        do throws(TargetFailure) {
            _ = try await body()
            return nil
        } catch { return error.kind }
    }

    @Test(arguments: Kind.allCases)
    func aPlaceThatIsNotThereIsMisconfigured(_ kind: Kind) async throws {
        let (world, plan) = (try await TargetWorld(kind), Self.small.plan())
        let target = world.missing
        var kinds = [
            await self.kind { () async throws(TargetFailure) in
                try await target.putWhole(plan, bytes: Self.small.bytes)
            }, await self.kind { () async throws(TargetFailure) in try await target.createUpload(plan) },
        ]
        // The published server says at every path what it can do.
        if ![.tus, .tusInOrder].contains(kind) {
            kinds.append(await self.kind { () async throws(TargetFailure) in try await target.findUploads(plan) })
            kinds.append(await self.kind { () async throws(TargetFailure) in try await target.inspect(plan) })
        }
        #expect(kinds == Array(repeating: .misconfigured, count: kinds.count))
    }

    @Test(arguments: Kind.allCases.filter { !$0.isDirectory })
    func aWrongKeyIsDenied(_ kind: Kind) async throws {
        let (world, plan) = (try await TargetWorld(kind), Self.small.plan())
        let target = try #require(world.denied)
        let kinds = [
            await self.kind { () async throws(TargetFailure) in
                try await target.putWhole(plan, bytes: Self.small.bytes)
            },
            await self.kind { () async throws(TargetFailure) in try await target.createUpload(plan) },
            await self.kind { () async throws(TargetFailure) in try await target.inspect(plan) },
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

    /// Where the plan's digest is sent along, bytes that have another are refused; elsewhere they are found out when they
    /// are read back.
    @Test(arguments: Kind.allCases)
    func bytesThatAreNotThePlansAreFoundOut(_ kind: Kind) async throws {
        let (world, plan) = (try await TargetWorld(kind), Self.small.plan())
        var wrong = Self.small.bytes
        wrong[5] ^= 1
        if kind.isDirectory || kind == .plainTus {
            let tag = try await world.target.putWhole(plan, bytes: wrong)
            let known = plan.given(object: tag)
            let object = try #require(try await world.target.inspect(known))
            guard case .differs = world.target.verdict(known, object: object, tag: tag) else {
                Issue.record("wrong bytes are taken for the recording")
                return
            }
            return
        }
        let whole = await self.kind { () async throws(TargetFailure) in
            try await world.target.putWhole(plan, bytes: wrong)
        }
        #expect(whole == .corruptedOnTheWay)
        #expect(try await world.target.inspect(plan) == nil)
        let token = try await world.target.createUpload(plan)
        let part = await self.kind { () async throws(TargetFailure) in
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
    @Test(arguments: Kind.allCases.filter { !$0.isTus })
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
