import EvidenceModel
import Foundation
import StationTesting
import SyncEngine
import Testing

/// What every `StorageTarget` promises, tried on real ones.
@Suite(
    "Storage targets", .serialized, .timeLimit(.minutes(3)),
    .enabled(if: S3Server.isAvailable, "needs Scripts/test-tools: real servers of S3 and tus"))
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

    private func expectMatch(
        _ world: TargetWorld, _ plan: UploadPlan, _ object: StoredObject, _ tag: String?,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let verdict = world.target.verdict(plan, object: object, tag: tag)
        guard case .matches(let method) = verdict else {
            Issue.record("\(verdict)", sourceLocation: sourceLocation)
            return
        }
        let wanted =
            switch world.kind {
            case .s3: "size+metadata+etag"
            case .checkedTus: "size+metadata+checksum"
            default: "read_back"
            }
        #expect(method == wanted, sourceLocation: sourceLocation)
    }

    @Test(arguments: Kind.allCases)
    func aWholeObject(_ kind: Kind) async throws {
        let (world, plan) = (try await TargetWorld(kind), Self.small.plan())
        #expect(try await world.target.inspect(plan) == nil)
        let tag = try await world.target.putWhole(plan, bytes: Self.small.bytes)
        let known = plan.given(object: tag)
        let object = try #require(try await world.target.inspect(known))
        #expect(object.size == plan.content.size)
        #expect(object.tag == tag)
        try expectMatch(world, known, object, tag)
        // The answer may have been lost: the same again is the same.
        #expect(try await world.target.putWhole(plan, bytes: Self.small.bytes) == tag)
        #expect(try await world.target.inspect(known) == object)
        // Nor does an agent that was started again see anything else.
        #expect(try await world.reopened().inspect(known) == object)
    }

    @Test(arguments: Kind.allCases)
    func anObjectInParts(_ kind: Kind) async throws {
        let (world, plan) = (try await TargetWorld(kind), Self.large.plan())
        let target = world.target
        let token = try await target.createUpload(plan)
        // tus has no word for asking which uploads there are.
        #expect(try await target.findUploads(plan) == (kind.isTus ? [] : [token]))
        #expect(try await target.listParts(plan, token: token) == [])
        let isInOrder = await target.takesPartsInOrder(plan, token: token)
        #expect(isInOrder == [.tusInOrder, .strictTus, .plainTus].contains(kind))
        var tags: [Int: String] = [:]
        // Not in order, where the target lets them come so; and one twice.
        for number in isInOrder ? [1, 2, 2, 3, 4] : [2, 4, 1, 2, 3] {
            let bytes = Self.large.bytes(ofPart: number)
            let tag = try await target.putPart(plan, token: token, number: number, bytes: bytes)
            if !kind.isTus { #expect(tag == target.partTag(PartBytes(bytes))) }
            tags[number] = tag
            // Of an agent that was started again the same is asked.
            for target in [target, try world.reopened()] {
                let listed = try await target.listParts(plan.given(parts: tags), token: token)
                #expect(listed.map(\.number) == tags.keys.sorted())
                for part in listed {
                    #expect(tags[part.number] == part.tag)
                    #expect(part.size == plan.content.layout.span(ofPart: part.number).length)
                }
            }
            let object = kind.isTus && !isInOrder ? nil : token
            if number != 4 || !isInOrder {
                #expect(try await target.inspect(plan.given(object: object)) == nil, "visible before it is complete")
            }
        }
        let ordered = tags.sorted { $0.key < $1.key }.map(\.value)
        let tag = try await target.complete(plan.given(parts: tags), token: token, tags: ordered)
        let known = plan.given(object: tag)
        let object = try #require(try await target.inspect(known))
        try expectMatch(world, known, object, tag)
        #expect(try await target.findUploads(plan) == [])
        try await expectBytes(world, known)
        // Completion whose answer was lost is asked for again: what is there stays, or is asked for once more.
        let again = await self.kind { () async throws(TargetFailure) in
            try await target.complete(plan.given(parts: tags), token: token, tags: ordered)
        }
        #expect(again == nil || again == .uploadUnknown)
        #expect(try await target.inspect(known) == object)
        // OpenStack Swift, and a tus server, take parts of an upload that is over; nobody will ever see them.
        if kind == .s3 || kind.isTus { return }
        let late = await self.kind { () async throws(TargetFailure) in
            try await target.putPart(plan, token: token, number: 1, bytes: Self.large.bytes(ofPart: 1))
        }
        #expect(late == .uploadUnknown)
    }

    private func expectBytes(_ world: TargetWorld, _ plan: UploadPlan) async throws {
        // One gives nothing back, the others no ranges, so that nothing large is read in pieces.
        if [.checkedTus, .plainTus, .tus, .tusInOrder].contains(world.kind) { return }
        for span in [(0, 1), (8_388_600, 16), (25_178_168, 1), (5, 0), (0, 25_178_169)] as [(Int64, Int64)] {
            let span = ByteSpan(offset: span.0, length: span.1)
            #expect(try await world.target.read(plan, span: span) == Self.large.bytes(span))
        }
    }

    @Test(arguments: Kind.allCases)
    func anObjectOfNothing(_ kind: Kind) async throws {
        let empty = SampleRecording(seed: 3, size: 0)
        let (world, plan) = (try await TargetWorld(kind), empty.plan())
        let tag = try await world.target.putWhole(plan, bytes: [])
        let known = plan.given(object: tag)
        let object = try #require(try await world.target.inspect(known))
        #expect(object.size == 0)
        try expectMatch(world, known, object, tag)
        #expect(try await world.target.read(known, span: ByteSpan(offset: 0, length: 0)) == [])
    }

    private static let names = [
        "日本語/動画 1.mp4", "100%/50%41.mp4", "a+b/c d.mp4", "%2E%2E/%252F.mp4", "~t_-.()!'*,;:@&=$#?[].mp4",
        "e\u{301}/é.mp4", "\u{e31}\u{301}.mp4", "กั/\u{e31}กก.mp4", String(repeating: "日", count: 80) + ".mp4",
    ]

    // FAT and exFAT have fewer names; the keys of recordings are all theirs (`ObjectKey`).
    @Test(arguments: Kind.allCases.filter { $0 != .exfat })
    func namesOfAllKinds(_ kind: Kind) async throws {
        let world = try await TargetWorld(kind)
        for (seed, name) in Self.names.enumerated() {
            let sample = SampleRecording(seed: UInt64(100 + seed), size: 2000)
            let plan = sample.plan(key: "recordings/\(name)")
            let tag = try await world.target.putWhole(plan, bytes: sample.bytes)
            let known = plan.given(object: tag)
            let object = try #require(try await world.target.inspect(known))
            #expect(object.tag == tag)
            if kind.isTus { #expect(object.metadata["capture-key"] == plan.key) }
            if kind != .checkedTus {
                let bytes = try await world.target.read(known, span: ByteSpan(offset: 9, length: 3))
                #expect(bytes == Array(sample.bytes[9..<12]))
            }
            let other = sample.plan(key: "recordings/other/\(name)")
            let token = try await world.target.createUpload(other)
            #expect(try await world.target.findUploads(other) == (kind.isTus ? [] : [token]))
        }
    }

    @Test(arguments: Kind.allCases)
    func anUploadGivenUpIsGone(_ kind: Kind) async throws {
        let (world, plan) = (try await TargetWorld(kind), Self.large.plan())
        let target = world.target
        let token = try await target.createUpload(plan)
        let isInOrder = await target.takesPartsInOrder(plan, token: token)
        let number = isInOrder ? 1 : 4
        let tag = try await target.putPart(plan, token: token, number: number, bytes: Self.large.bytes(ofPart: number))
        let known = plan.given(parts: [number: tag])
        try await target.abort(known, token: token)
        #expect(try await target.findUploads(plan) == [])
        try await target.abort(known, token: token)
        // Without termination a tus server keeps what it has until it expires.
        if kind == .plainTus { return }
        if kind.isTus, !isInOrder {
            #expect(try await target.listParts(known, token: token) == [])
        } else {
            let listed = await self.kind { () async throws(TargetFailure) in
                try await target.listParts(known, token: token)
            }
            #expect(listed == .uploadUnknown)
        }
        let completion = await self.kind { () async throws(TargetFailure) in
            try await target.complete(known, token: token, tags: [tag, tag, tag, tag])
        }
        #expect(completion == (kind.isTus && !isInOrder ? .partsDisagree : .uploadUnknown))
        #expect(try await target.inspect(plan.given(object: token)) == nil)
    }

    /// Of an upload that never was, in a folder that never was.
    @Test(arguments: Kind.allCases)
    func whatNeverWasCanBeGivenUp(_ kind: Kind) async throws {
        let (world, plan) = (try await TargetWorld(kind), Self.large.plan())
        #expect(try await world.target.findUploads(plan) == [])
        try await world.target.abort(plan, token: plan.upload)
    }
}
