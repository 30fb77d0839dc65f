import EvidenceModel
import Testing

@testable import SyncEngine

/// Every row of the one table, by its name: what it takes, and what follows.
@Suite("What follows from what")
struct RetryTableTests {
    struct Expected: Sendable, CustomTestStringConvertible {
        var row: String
        var answers: [(code: String, status: Int)]
        var consequence: TargetFailure.Consequence
        var mend = RetryTable.Mend.none
        var testDescription: String { row }
    }

    static let expected: [Expected] = [
        Expected(
            row: "throttled",
            answers: [
                ("SlowDown", 503), ("SlowDownRead", 503), ("SlowDownWrite", 503), ("Throttling", 400), ("", 429),
                ("", 503), ("", 509), ("RequestLimitExceeded", 400),
            ], consequence: .retry),
        Expected(
            row: "the store's own fault",
            answers: [
                ("InternalError", 500), ("InternalError", 200), ("", 500), ("", 502), ("", 504), ("", 520), ("", 524),
                ("", 499), ("", 408), ("RequestTimeout", 400), ("RequestCanceled", 400), ("OperationAborted", 409),
                ("PreconditionFailed", 412),
            ], consequence: .retry),
        Expected(
            row: "the body did not arrive whole",
            answers: [("IncompleteBody", 400), ("MissingContentLength", 411), ("", 411), ("", 417)],
            consequence: .retry),
        Expected(row: "a success that is none", answers: [("", 200), ("", 204)], consequence: .retry),
        Expected(
            row: "a conflict", answers: [("ConditionalRequestConflict", 409)], consequence: .retry),
        Expected(
            row: "the clock", answers: [("RequestTimeTooSkewed", 403), ("RequestExpired", 403)], consequence: .retry,
            mend: .clock),
        Expected(
            row: "keys that were good once",
            answers: [("ExpiredToken", 400), ("InvalidToken", 400), ("TokenRefreshRequired", 400)],
            consequence: .pauseTarget, mend: .keys),
        Expected(
            row: "refused",
            answers: [
                ("AccessDenied", 403), ("InvalidAccessKeyId", 403), ("SignatureDoesNotMatch", 403),
                ("AccountProblem", 403), ("", 401), ("", 403), ("", 407),
            ], consequence: .pauseTarget),
        Expected(
            row: "another region or address",
            answers: [
                ("PermanentRedirect", 301), ("TemporaryRedirect", 307), ("", 301), ("", 302), ("", 307), ("", 308),
                ("AuthorizationHeaderMalformed", 400),
            ], consequence: .pauseTarget, mend: .address),
        Expected(
            row: "not what the configuration says", answers: [("NoSuchBucket", 404), ("", 413)],
            consequence: .pauseTarget),
        Expected(
            row: "no room",
            answers: [
                ("XMinioStorageFull", 507), ("QuotaExceeded", 403), ("InsufficientStorage", 507), ("", 507),
            ], consequence: .pauseTarget),
        Expected(row: "the upload is not known", answers: [("NoSuchUpload", 404)], consequence: .startAgain),
        Expected(
            row: "not the bytes that were sent",
            answers: [("BadDigest", 400), ("InvalidDigest", 400), ("XAmzContentSHA256Mismatch", 400)],
            consequence: .retry),
        Expected(
            row: "not the parts that were named", answers: [("InvalidPart", 400), ("InvalidPartOrder", 400)],
            consequence: .listAgain),
        Expected(
            row: "never in this form",
            answers: [
                ("EntityTooSmall", 400), ("EntityTooLarge", 413), ("InvalidArgument", 400), ("MetadataTooLarge", 400),
                ("KeyTooLongError", 400), ("NotImplemented", 501), ("", 501), ("", 400), ("", 405), ("NoSuchKey", 404),
            ], consequence: .park),
        Expected(row: "a fault nobody has named", answers: [("", 599), ("", 0), ("", 199)], consequence: .retry),
    ]

    @Test(arguments: expected)
    func aRowOfTheTable(_ expected: Expected) {
        for answer in expected.answers {
            let row = RetryTable.row(code: answer.code, status: answer.status)
            #expect(row.name == expected.row, "\(answer)")
            #expect(row.mend == expected.mend)
            #expect(TargetFailure(kind: row.kind, sentence: "").consequence == expected.consequence, "\(answer)")
        }
    }

    @Test func everyRowHasItsTest() {
        #expect(RetryTable.rows.map(\.name) == Self.expected.map(\.row))
        let codes = RetryTable.rows.flatMap { Array($0.codes) }
        #expect(Set(codes).count == codes.count, "a code stands in two rows")
    }

    @Test func connectionsThatFail() {
        func consequence(_ kind: TransportFailure.Kind) -> TargetFailure.Consequence {
            TargetFailure(kind: RetryTable.kind(kind), sentence: "").consequence
        }
        #expect(consequence(.unreachable) == .pauseTarget)
        #expect(consequence(.certificate) == .pauseTarget)
        #expect(consequence(.interrupted) == .retry)
        #expect(consequence(.cancelled) == .stop)
    }

    /// What a person must mend is asked about every five minutes, what mends itself every minute; neither ever ends.
    @Test func pausesGrowToAMinuteOrToFive() {
        for (kind, longest) in [(TargetFailure.Kind.denied, 300.0), (.full, 300), (.unreachable, 60)] {
            var machine = TargetMachine()
            var pause = 0.0
            for _ in 0..<200 {
                let failure = TargetFailure(kind: kind, sentence: "s")
                let actions = machine.suspended(failure, at: .init(millisecondsSince1970: 0), jitter: 1)
                guard case .pause(let seconds)? = actions.first else {
                    Issue.record("no pause")
                    return
                }
                pause = seconds
                _ = machine.pauseOver()
            }
            #expect(pause == longest)
        }
    }
}
