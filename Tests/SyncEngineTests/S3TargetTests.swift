import ContentHash
import EvidenceModel
import Foundation
import StationTesting
import SyncEngine
import Synchronization
import Testing

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

    private func target(_ script: Script, credentials: S3CredentialSource? = nil, prefix: String = "") -> S3Target {
        S3Target(
            name: "target",
            location: S3Location(
                endpoint: "https://s3.example.org", region: "r", bucket: "bucket", prefix: prefix, isPathStyle: false),
            credentials: credentials ?? S3CredentialSource(.environment(keys)), transport: script,
            now: { WallTime(millisecondsSince1970: 784_111_777_000) })
    }

    private func answer(_ status: Int = 200, _ body: String = "", _ headers: [String: String] = [:]) -> HTTPResponse {
        HTTPResponse(status: status, headers: headers, body: Array(body.utf8))
    }

    private func failure(_ body: () async throws(TargetFailure) -> some Any) async -> TargetFailure? {
        do throws(TargetFailure) {
            _ = try await body()
            return nil
        } catch { return error }
    }

    @Test(
        arguments: [
            (400, "<Error><Code>XAmzContentSHA256Mismatch</Code></Error>", true, ["PUT"]),
            (400, "<Error><Code>BadDigest</Code></Error>", true, ["PUT"]),
            // It is taken, and removed again.
            (200, "", false, ["PUT", "DELETE"]),
            // No answer to the question: it is asked again the next time.
            (503, "<Error><Code>SlowDown</Code></Error>", false, ["PUT", "PUT"]),
            (403, "<Error><Code>AccessDenied</Code></Error>", false, ["PUT", "PUT"]),
        ])
    func aStoreThatChecksBytesIsKnownByItsRefusal(
        _ status: Int, _ body: String, _ checks: Bool, _ methods: [String]
    ) async throws {
        let script = Script([answer(status, body)])
        let store = target(script, prefix: "p/")
        #expect(await store.checksBytes() == checks)
        #expect(await store.checksBytes() == checks)
        #expect(script.asked.map(\.method) == methods)
        let first = try #require(script.asked.first)
        #expect(first.url.hasPrefix("https://bucket.s3.example.org/p/.capture-probe/"))
        #expect(Set(script.asked.map(\.url)).count == (methods.last == "PUT" ? methods.count : 1))
        let claimed = first.headers.first { $0.name == "x-amz-content-sha256" }?.value
        #expect(claimed?.count == 64)
        #expect(claimed != first.body.withUnsafeBytes { ContentDigest.sha256(of: $0).hex })
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

    @Test(arguments: [["1"], ["1", "2"], ["1", "2", "3"]])
    func pagesThatGoRoundEnd(_ markers: [String]) async throws {
        let round = (markers + markers + markers).map { page([1], next: $0) }
        let store = target(Script(round))
        let failure = await failure { () async throws(TargetFailure) in
            try await store.listParts(sample.plan(), token: "t")
        }
        #expect(failure?.kind == .serverFault)
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
        let store = target(script, credentials: S3CredentialSource(.file(try write("old"))))
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
