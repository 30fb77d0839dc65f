import EvidenceModel
import StationTesting
import Testing

@testable import SyncEngine

@Suite("What answers of S3 stores mean")
struct S3FailuresTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var status: Int
        var code: String?
        var kind: TargetFailure.Kind
        var testDescription: String { "\(status) \(code ?? "without a code")" }

        init(_ status: Int, _ code: String, _ kind: TargetFailure.Kind) {
            (self.status, self.code, self.kind) = (status, code, kind)
        }

        init(_ status: Int, _ kind: TargetFailure.Kind) {
            (self.status, self.kind) = (status, kind)
        }
    }

    private static let patience = TargetFailure.Kind.throttled(afterSeconds: nil)

    static let rows: [Row] = [
        Row(503, "SlowDown", patience), Row(503, "SlowDownRead", patience), Row(503, "SlowDownWrite", patience),
        Row(400, "Throttling", patience), Row(400, "ThrottlingException", patience),
        Row(400, "RequestLimitExceeded", patience), Row(429, "TooManyRequests", patience), Row(429, patience),
        Row(503, patience), Row(509, patience),
        Row(500, "InternalError", .serverFault), Row(503, "ServiceUnavailable", .serverFault),
        Row(400, "RequestTimeout", .serverFault), Row(408, .serverFault), Row(409, "OperationAborted", .serverFault),
        Row(499, "RequestCanceled", .serverFault), Row(499, .serverFault), Row(400, "IncompleteBody", .serverFault),
        Row(411, "MissingContentLength", .serverFault), Row(411, .serverFault), Row(417, .serverFault),
        Row(409, "ConditionalRequestConflict", .serverFault), Row(412, "PreconditionFailed", .serverFault),
        Row(500, .serverFault), Row(502, .serverFault), Row(504, .serverFault), Row(520, .serverFault),
        Row(524, .serverFault), Row(200, "InternalError", .serverFault), Row(200, .serverFault),
        Row(403, "RequestTimeTooSkewed", .clock), Row(403, "RequestExpired", .clock),
        Row(403, "AccessDenied", .denied), Row(403, "InvalidAccessKeyId", .denied),
        Row(403, "SignatureDoesNotMatch", .denied), Row(403, "AccountProblem", .denied),
        Row(400, "ExpiredToken", .denied), Row(400, "InvalidToken", .denied), Row(400, "TokenRefreshRequired", .denied),
        Row(400, "AuthorizationHeaderMalformed", .misconfigured), Row(403, .denied), Row(401, .denied),
        Row(407, .denied),
        Row(404, "NoSuchBucket", .misconfigured), Row(301, "PermanentRedirect", .misconfigured),
        Row(307, "TemporaryRedirect", .misconfigured), Row(301, .misconfigured), Row(302, .misconfigured),
        Row(507, .full), Row(507, "XMinioStorageFull", .full), Row(403, "QuotaExceeded", .full),
        Row(507, "InsufficientStorage", .full),
        Row(404, "NoSuchUpload", .uploadUnknown),
        Row(400, "BadDigest", .corruptedOnTheWay), Row(400, "InvalidDigest", .corruptedOnTheWay),
        Row(400, "XAmzContentSHA256Mismatch", .corruptedOnTheWay),
        Row(400, "InvalidPart", .partsDisagree), Row(400, "InvalidPartOrder", .partsDisagree),
        Row(400, "EntityTooSmall", .rejected), Row(400, "EntityTooLarge", .rejected),
        Row(400, "InvalidArgument", .rejected), Row(400, "MetadataTooLarge", .rejected),
        Row(400, "KeyTooLongError", .rejected), Row(400, .rejected), Row(405, "MethodNotAllowed", .rejected),
        // What a store has not built it will not have built after a while either.
        Row(501, "NotImplemented", .rejected), Row(501, .rejected),
    ]

    @Test(arguments: rows)
    func kindOfAnAnswer(_ row: Row) {
        let body = row.code.map { "<?xml version='1.0'?><Error><Code>\($0)</Code><Message>why</Message></Error>" } ?? ""
        let failure = S3Failures.failure(
            HTTPResponse(status: row.status, body: Array(body.utf8)), tried: "PUT k", endpoint: "http://s3")
        #expect(failure.kind == row.kind)
        #expect(failure.code == row.code ?? String(row.status))
        #expect(failure.sentence.hasPrefix("PUT k at http://s3 was answered with "))
        #expect(failure.sentence.contains("status \(row.status)"))
        #expect(!failure.hint.isEmpty)
    }

    @Test(
        arguments: [
            ("7", 7.0), ("0", 0), ("100000", 300), ("-5", 0), ("1.5", 1.5), ("Fri, 24 May 2013 00:00:00 GMT", nil),
            ("", nil),
            ("nan", nil),
        ] as [(String, Double?)])
    func retryAfter(_ header: String, _ seconds: Double?) {
        let response = HTTPResponse(status: 503, headers: ["retry-after": header])
        #expect(
            S3Failures.failure(response, tried: "PUT", endpoint: "e").kind == .throttled(afterSeconds: seconds))
    }

    @Test func aPageOfAProxyIsNoErrorOfTheStore() {
        let page = HTTPResponse(status: 403, body: Array("<html><Code>NoSuchBucket</Code></html>".utf8))
        #expect(S3Failures.failure(page, tried: "PUT", endpoint: "e").kind == .denied)
    }

    @Test func transportFailuresKeepTheirKind() {
        func kind(_ kind: TransportFailure.Kind) -> TargetFailure.Kind {
            S3Failures.failure(TransportFailure(kind: kind, sentence: "s"), tried: "t", endpoint: "e").kind
        }
        #expect(kind(.unreachable) == .unreachable)
        #expect(kind(.certificate) == .certificate)
        #expect(kind(.interrupted) == .interrupted)
        #expect(kind(.cancelled) == .cancelled)
    }

    @Test(
        arguments: [
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777), ("Fri, 31 Dec 2021 23:59:60 GMT", 1_640_995_199),
            ("Thu, 29 Feb 2024 00:00:00 GMT", 1_709_164_800), ("Thu, 29 Feb 2023 00:00:00 GMT", nil),
            ("Sunday, 06-Nov-94 08:49:37 GMT", nil), ("Sun, 06 Nov 1994 08:49:37 UTC", nil), ("", nil),
            ("Sun, 06 Nov 1994 25:49:37 GMT", nil), ("Sun, 06 Xyz 1994 08:49:37 GMT", nil),
            ("Sun, 06 Nov 0000 08:49:37 GMT", nil),
        ] as [(String, Int64?)])
    func datesOfHeaders(_ text: String, _ seconds: Int64?) {
        #expect(HTTPDate.parse(text)?.millisecondsSince1970 == seconds.map { $0 * 1000 })
    }
}
