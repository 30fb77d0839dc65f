import EvidenceModel
import Foundation
import StationTesting
import Synchronization
import Testing

@testable import SyncEngine

/// Answers that no well-behaved server gives.
@Suite("S3 target, given odd answers", .timeLimit(.minutes(1)))
struct S3TargetTests {
    /// Gives the answers in order, the last one for ever, and keeps what was asked.
    private final class Script: HTTPTransport {
        private let state: Mutex<(answers: [HTTPResponse], asked: [HTTPRequest])>

        init(_ answers: [HTTPResponse]) {
            state = Mutex((answers, []))
        }

        var asked: [HTTPRequest] { state.withLock(\.asked) }

        func perform(_ request: HTTPRequest) async throws(TransportFailure) -> HTTPResponse {
            state.withLock { state in
                state.asked.append(request)
                return state.answers.count > 1 ? state.answers.removeFirst() : state.answers[0]
            }
        }
    }

    private let sample = SampleRecording(seed: 1, size: 35, partSize: 10)
    private let keys = ["AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"]

    private let now = WallTime(millisecondsSince1970: 784_111_777_000)

    private func target(
        _ script: Script, origin: S3CredentialSource.Origin? = nil, prefix: String = "", isPathStyle: Bool = false,
        level: S3Capabilities.Level = .l2, lock: S3Lock? = nil
    ) -> S3Target {
        let now = now
        var capabilities = S3Capabilities.only(level)
        capabilities.keepsLocks = lock != nil
        return S3Target(
            name: "target",
            location: S3Location(
                endpoint: "https://s3.example.org", region: "r", bucket: "bucket", prefix: prefix,
                isPathStyle: isPathStyle, lock: lock),
            credentials: S3CredentialSource(origin ?? .environment(keys), transport: script, now: { now }),
            transport: script, now: { now }, known: S3KnownCapabilities(capabilities: capabilities, triedAt: now))
    }

    private func answer(
        _ status: Int = 200, _ body: String = "", _ headers: [String: String] = [:], bytes: [UInt8]? = nil
    ) -> HTTPResponse {
        HTTPResponse(status: status, headers: headers, body: bytes ?? Array(body.utf8))
    }

    private func failure(_ body: () async throws(TargetFailure) -> some Any) async -> TargetFailure? {
        do throws(TargetFailure) {
            _ = try await body()
            return nil
        } catch { return error }
    }

    @Test(
        arguments: [
            ("", .serverFault), ("   \n", .serverFault), ("<CompleteMultipartUploadResult>", .serverFault),
            ("<CompleteMultipartUploadResult/>", .serverFault), ("<html/>", .serverFault),
            ("  <Error><Code>InternalError</Code></Error>", .serverFault),
            ("<Error><Code>InvalidPart</Code></Error>", .partsDisagree),
            ("<Error><Code>SlowDown</Code></Error>", .throttled(afterSeconds: nil)),
            ("\n\n<CompleteMultipartUploadResult><ETag>&quot;AB-4&quot;</ETag></CompleteMultipartUploadResult>", nil),
        ] as [(String, TargetFailure.Kind?)])
    func aCompletionCountsOnlyWithItsResult(_ body: String, _ kind: TargetFailure.Kind?) async throws {
        let store = target(Script([answer(200, body)]))
        let failure = await failure { () async throws(TargetFailure) in
            try await store.complete(sample.plan(), token: "t", tags: ["a", "b", "c", "d"])
        }
        #expect(failure?.kind == kind)
    }

    @Test func aSuccessWithoutItsETagIsNone() async throws {
        let store = target(Script([answer()]))
        let kinds = [
            await failure { () async throws(TargetFailure) in try await store.putWhole(sample.plan(), bytes: []) },
            await failure { () async throws(TargetFailure) in
                try await store.putPart(sample.plan(), token: "t", number: 1, bytes: [])
            }, await failure { () async throws(TargetFailure) in try await store.createUpload(sample.plan()) },
            await failure { () async throws(TargetFailure) in try await store.findUploads(sample.plan()) },
            await failure { () async throws(TargetFailure) in try await store.inspect(sample.plan()) },
        ].map { $0?.kind }
        #expect(kinds == Array(repeating: .serverFault, count: 5))
    }

    private func page(_ numbers: [Int], next: String?) -> HTTPResponse {
        let parts = numbers.map { "<Part><PartNumber>\($0)</PartNumber><ETag>e</ETag><Size>10</Size></Part>" }
        let more = next.map {
            "<IsTruncated>true</IsTruncated><NextPartNumberMarker>\($0)</NextPartNumberMarker>"
        }
        return answer(200, "<ListPartsResult>\(parts.joined())\(more ?? "")</ListPartsResult>")
    }

    @Test func everyPageOfPartsIsAskedFor() async throws {
        let script = Script([page([1, 2], next: "2"), page([3], next: "3"), page([4], next: nil)])
        let parts = try await target(script).listParts(sample.plan(), token: "t")
        #expect(parts.map(\.number) == [1, 2, 3, 4])
        #expect(script.asked.map { $0.url.contains("part-number-marker=") } == [false, true, true])
        #expect(script.asked[2].url.hasSuffix("?max-parts=1000&part-number-marker=3&uploadId=t"))
    }

    /// What rclone says of a bucket without uploads.
    @Test func noUploadAtAllIsNoFailure() async throws {
        let none = answer(404, "<Error><Code>NoSuchUpload</Code></Error>")
        #expect(try await target(Script([none])).findUploads(sample.plan()) == [])
    }

    @Test func anUploadIsKnownByItsIDWhateverTheAnswerIsCalled() async throws {
        let begun = answer(200, "<InitiateMultipartUpload><UploadId>u</UploadId></InitiateMultipartUpload>")
        #expect(try await target(Script([begun])).createUpload(sample.plan()) == "u")
    }

    @Test(arguments: [["1"], ["1", "2"], ["1", "2", "3"]])
    func pagesThatGoRoundEnd(_ markers: [String]) async throws {
        let round = (markers + markers + markers).map { page([1], next: $0) }
        let store = target(Script(round))
        let failure = await failure { () async throws(TargetFailure) in
            try await store.listParts(sample.plan(), token: "t")
        }
        #expect(failure?.kind == .serverFault)
    }

    @Test func aRangeIsKnownByItsHeaderToo() async throws {
        let range = answer(200, "56", ["content-range": "bytes 5-6/35"])
        let bytes = try await target(Script([range])).read(sample.plan(), span: ByteSpan(offset: 5, length: 2))
        #expect(bytes == Array("56".utf8))
    }

    /// The whole object instead of a range would be taken for damage.
    @Test func aStoreThatIgnoresRangesIsNotRead() async throws {
        let store = target(Script([answer(200, "0123456789")]))
        let failure = await failure { () async throws(TargetFailure) in
            try await store.read(sample.plan(), span: ByteSpan(offset: 5, length: 2))
        }
        #expect(failure?.kind == .serverFault)
    }

    @Test func theBucketMayBePartOfTheHost() async throws {
        let script = Script([answer(200, "", ["etag": "\"e\""])])
        _ = try await target(script, prefix: "a b/").putWhole(sample.plan(key: "c/\u{e31}%.mp4"), bytes: sample.bytes)
        #expect(script.asked[0].url == "https://bucket.s3.example.org/a%20b/c/%E0%B8%B1%25.mp4")
    }

    @Test func refusedKeysAreReadAgain() async throws {
        let directory = try TemporaryDirectory()
        func write(_ id: String) throws -> RawPath {
            try directory.file("keys", "[default]\naws_access_key_id=\(id)\naws_secret_access_key=s\n")
        }
        let script = Script([answer(403, "<Error><Code>InvalidAccessKeyId</Code></Error>")])
        let store = target(script, origin: .file(try write("old")))
        for id in ["old", "new"] {
            _ = try write(id)
            let failure = await failure { () async throws(TargetFailure) in try await store.inspect(sample.plan()) }
            #expect(failure?.kind == .denied)
            #expect(script.asked.last?.headers.contains { $0.value.contains("Credential=\(id)/") } == true)
        }
    }

    @Test func theStoresClockIsTakenWhenItInsists() async throws {
        let skewed = answer(
            403, "<Error><Code>RequestTimeTooSkewed</Code></Error>", ["date": "Sun, 06 Nov 1994 10:49:37 GMT"])
        let script = Script([skewed, answer(404)])
        let store = target(script)
        _ = await failure { () async throws(TargetFailure) in try await store.inspect(sample.plan()) }
        _ = await failure { () async throws(TargetFailure) in try await store.inspect(sample.plan()) }
        let stamps = script.asked.compactMap { $0.headers.first { $0.name == "x-amz-date" }?.value }
        #expect(stamps.prefix(2) == ["19941106T084937Z", "19941106T104937Z"])
        #expect(store.clockOffsetSeconds == 7200.5)
    }

    /// Ceph 20.2.4 refuses what is sent beside the signature.
    @Test func theTypeOfABodyIsSigned() async throws {
        let script = Script([answer(200, "", ["etag": "e"])])
        _ = try await target(script).putWhole(sample.plan(), bytes: sample.bytes)
        #expect(header("content-type", script.asked[0]) == "application/octet-stream")
        #expect(header("authorization", script.asked[0])?.contains("SignedHeaders=content-type;host;x-amz-") == true)
    }

    // MARK: Other regions, other keys

    private func regions(_ script: Script) -> [String] {
        script.asked.compactMap { request in
            request.headers.first { $0.name == "authorization" }?.value
                .split(separator: "/").dropFirst(2).first.map(String.init)
        }
    }

    private func hosts(_ script: Script) -> [String] {
        script.asked.compactMap { $0.url.split(separator: "/").dropFirst().first.map(String.init) }
    }

    @Test func aRegionThatTheStoreNamesIsTakenOnceAndForGood() async throws {
        let answers = [
            answer(301, "", ["x-amz-bucket-region": "eu-west-1"]),
            answer(400, "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>"),
            answer(400, "", ["x-amz-bucket-region": "eu-west-1"]),
        ]
        for moved in answers {
            let good = answer(200, "", ["etag": "e", "content-length": "35"])
            let script = Script([moved, good])
            let store = target(script)
            #expect(try await store.inspect(sample.plan())?.size == 35)
            _ = try await store.inspect(sample.plan())
            #expect(regions(script) == ["r", "eu-west-1", "eu-west-1"])
        }
    }

    @Test func aStoreThatSendsOnAndOnIsMisconfigured() async throws {
        let script = Script([
            answer(301, "", ["x-amz-bucket-region": "eu-west-1"]),
            answer(301, "", ["x-amz-bucket-region": "eu-west-2"]),
        ])
        let store = target(script)
        for asked in [2, 3] {
            let failure = await failure { () async throws(TargetFailure) in try await store.inspect(sample.plan()) }
            #expect(failure?.kind == .misconfigured)
            #expect(script.asked.count == asked)
        }
    }

    @Test(
        arguments: [
            (307, ["location": "https://bucket.s3-eu.example.org/k?x=1"], "", "bucket.s3-eu.example.org"),
            (307, ["location": "http://evil.example.org/k"], "", nil), (302, ["location": "/login"], "", nil),
            (
                301, [:], "<Error><Code>PermanentRedirect</Code><Endpoint>bucket.s3-eu.example.org</Endpoint></Error>",
                "bucket.s3-eu.example.org"
            ),
        ] as [(Int, [String: String], String, String?)])
    func anAddressThatTheStoreNames(
        _ status: Int, _ headers: [String: String], _ body: String, _ host: String?
    ) async throws {
        let script = Script([
            answer(status, body, headers), answer(200, "", ["etag": "e", "content-length": "35"]),
        ])
        let store = target(script)
        let failure = await failure { () async throws(TargetFailure) in try await store.inspect(sample.plan()) }
        #expect(failure?.kind == (host == nil ? .misconfigured : nil))
        #expect(hosts(script) == ["bucket.s3.example.org"] + [host].compactMap(\.self))
    }

    @Test func bothStylesOfAddress() async throws {
        let good = answer(200, "", ["etag": "e", "content-length": "35"])
        for (isPathStyle, url) in [
            (true, "https://s3.example.org/bucket/k"), (false, "https://bucket.s3.example.org/k"),
        ] {
            let script = Script([good])
            _ = try await target(script, isPathStyle: isPathStyle).inspect(sample.plan(key: "k"))
            #expect(script.asked.map(\.url) == [url])
        }
    }

    @Test func expiredKeysAreReadAgainAtOnce() async throws {
        let directory = try TemporaryDirectory()
        func write(_ id: String) throws -> RawPath {
            try directory.file("keys", "[default]\naws_access_key_id=\(id)\naws_secret_access_key=s\n")
        }
        let expired = answer(400, "<Error><Code>ExpiredToken</Code></Error>")
        let good = answer(200, "", ["etag": "e"])
        let script = Script([good, expired, good])
        let store = target(script, origin: .file(try write("old")))
        _ = try await store.putWhole(sample.plan(), bytes: sample.bytes)
        _ = try write("new")
        _ = try await store.putWhole(sample.plan(), bytes: sample.bytes)
        #expect(script.asked.count == 3)
        // The same keys again: no second try, and the target waits.
        let stale = Script([expired])
        let failure = await failure { () async throws(TargetFailure) in
            try await target(stale).putWhole(sample.plan(), bytes: sample.bytes)
        }
        #expect(failure?.consequence == .pauseTarget)
        #expect(stale.asked.count == 1)
    }

    // MARK: Sums

    private func header(_ name: String, _ request: HTTPRequest) -> String? {
        request.headers.first { $0.name == name }?.value
    }

    @Test func sumsGoAlongWhereTheStoreLooksAtThem() async throws {
        let script = Script([answer(200, "", ["etag": "e"])])
        let tag = try await target(script, level: .l3).putWhole(sample.plan(), bytes: sample.bytes)
        let sum = S3Sums.crc64(sample.bytes)
        #expect(S3Tag(tag) == S3Tag(etag: "e", crc64: sum))
        #expect(header("x-amz-checksum-crc64nvme", script.asked[0]) == S3Sums.text(sum))
        #expect(header("x-amz-sdk-checksum-algorithm", script.asked[0]) == "CRC64NVME")
        let plain = Script([answer(200, "", ["etag": "e"])])
        #expect(try await target(plain).putWhole(sample.plan(), bytes: sample.bytes) == "e")
        #expect(!plain.asked[0].headers.contains { $0.name.contains("checksum") || $0.name == "content-md5" })
    }

    @Test func theSumOfTheWholeIsMadeOfThoseOfItsParts() async throws {
        let done = "<CompleteMultipartUploadResult><ETag>e-4</ETag></CompleteMultipartUploadResult>"
        let begun = "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
        let part = answer(200, "", ["etag": "p"])
        let script = Script([answer(200, begun), part, part, part, part, answer(200, done)])
        let store = target(script, level: .l3)
        let token = try await store.createUpload(sample.plan())
        #expect(token == "u;crc64nvme")
        #expect(header("x-amz-checksum-type", script.asked[0]) == "FULL_OBJECT")
        var tags: [String] = []
        for number in 1...4 {
            let bytes = sample.bytes(ofPart: number)
            tags.append(try await store.putPart(sample.plan(), token: token, number: number, bytes: bytes))
        }
        let tag = try await store.complete(sample.plan(), token: token, tags: tags)
        let sum = S3Sums.crc64(sample.bytes)
        #expect(S3Tag(tag) == S3Tag(etag: "e-4", crc64: sum))
        let last = try #require(script.asked.last)
        #expect(last.url.hasSuffix("uploadId=u"))
        #expect(header("x-amz-checksum-crc64nvme", last) == S3Sums.text(sum))
        #expect(header("x-amz-mp-object-size", last) == "35")
        // A part whose sum the station has lost: the store is asked to complete without.
        let lost = Script([answer(200, done)])
        let plain = try await target(lost, level: .l3).complete(
            sample.plan(), token: token, tags: tags.dropLast() + ["p"])
        #expect(plain == "e-4")
        #expect(header("x-amz-checksum-crc64nvme", lost.asked[0]) == nil)
    }

    private func stored(_ etag: String, _ sums: [String: String] = [:]) -> HTTPResponse {
        let plan = sample.plan()
        return answer(
            200, "",
            [
                "etag": etag, "content-length": "35", "x-amz-meta-capture-upload": plan.upload,
                "x-amz-meta-capture-sha256": plan.content.digest.hex,
            ].merging(sums) { $1 })
    }

    @Test func anotherSumOfTheWholeDiffers() async throws {
        let plan = sample.plan()
        let tag = S3Tag(etag: "e", crc64: S3Sums.crc64(sample.bytes)).text
        for (sum, isSame) in [(sample.bytes, true), ([1, 2, 3], false)] {
            let sums = ["x-amz-checksum-crc64nvme": S3Sums.text(S3Sums.crc64(sum))]
            let found = try #require(
                try await target(Script([stored("e", sums)]), level: .l3).examine(plan, tag: tag))
            #expect((found.verdict == .matches(method: "size+metadata+etag+crc64nvme")) == isSame)
        }
        // A sum of sums says nothing about the whole.
        let parts = ["x-amz-checksum-crc64nvme": S3Sums.text(7), "x-amz-checksum-type": "COMPOSITE"]
        let found = try await target(Script([stored("e", parts)]), level: .l3).examine(plan, tag: tag)
        #expect(found?.verdict == .matches(method: "size+metadata+etag"))
    }

    /// What each level is content with, and what it reads back.
    @Test func eachLevelHasItsProof() async throws {
        let plan = sample.plan()
        let md5 = S3Tag(etag: "e", isMD5: true).text
        func method(_ level: S3Capabilities.Level, tag: String?, _ bytes: [UInt8]) async throws -> String {
            let pieces = (1...4).map { number in
                let span = plan.content.layout.span(ofPart: number)
                return answer(206, "", [:], bytes: Array(bytes[Int(span.offset)..<Int(span.end)]))
            }
            let found = try await target(Script([stored("e")] + pieces), level: level).examine(plan, tag: tag)
            if case .matches(let method)? = found?.verdict { return method }
            return "differs"
        }
        #expect(try await method(.l2, tag: "e", sample.bytes) == "size+metadata+etag")
        #expect(try await method(.l1, tag: md5, sample.bytes) == "size+metadata+etag+md5")
        #expect(try await method(.l1, tag: "e", sample.bytes) == "read_back")
        #expect(try await method(.l1, tag: nil, sample.bytes) == "read_back")
        #expect(try await method(.l0, tag: md5, sample.bytes) == "read_back")
        // Called otherwise than when it was made, and yet the same bytes.
        #expect(try await method(.l1, tag: "other;md5", sample.bytes) == "read_back")
        #expect(try await method(.l2, tag: "other", sample.bytes) == "differs")
        #expect(try await method(.l0, tag: "e", Array(sample.bytes.reversed())) == "differs")
    }

    @Test func anETagThatIsNotTheMD5OfWhatWasSentIsNotTaken() async throws {
        let store = target(Script([answer(200, "", ["etag": "e"])]), level: .l1)
        let failure = await failure { () async throws(TargetFailure) in
            try await store.putWhole(sample.plan(), bytes: sample.bytes)
        }
        #expect(failure?.kind == .corruptedOnTheWay)
    }

    /// Keys that are wrong stay wrong: the clock is not blamed when it is right.
    @Test func aRefusedHeadWithTheRightTimeIsDenied() async throws {
        for (date, kind) in [
            ("Sun, 06 Nov 1994 08:50:37 GMT", TargetFailure.Kind.denied), ("Sun, 06 Nov 1994 10:49:37 GMT", .clock),
        ] {
            let store = target(Script([answer(403, "", ["date": date])]))
            let failure = await failure { () async throws(TargetFailure) in try await store.inspect(sample.plan()) }
            #expect(failure?.kind == kind)
        }
    }
}

extension StorageTarget {
    func putWhole(_ plan: UploadPlan, bytes: [UInt8]) async throws(TargetFailure) -> String {
        try await putWhole(plan, bytes: PartBytes(bytes))
    }

    func putPart(
        _ plan: UploadPlan, token: String, number: Int, bytes: [UInt8]
    ) async throws(TargetFailure) -> String {
        try await putPart(plan, token: token, number: number, bytes: PartBytes(bytes))
    }
}
