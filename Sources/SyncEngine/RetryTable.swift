/// What follows from what: the one place in which an answer, a code or a broken connection gets its meaning.
///
/// From top to bottom: the first row that names the server's code counts; where none does, the first that names the status
/// (`docs/design/s3.md`; "Error responses", Amazon S3 API Reference; MinIO `cmd/api-errors.go`; RFC 9110, section 15).
/// Nothing is given up after a number of tries.
enum RetryTable {
    /// What is done at once, before the failure counts.
    enum Mend: Sendable, Hashable {
        case none
        /// Keys are read or asked for again; where they are others, the request is made once more.
        case keys
        /// The store's region or address is taken from the answer, once, and the request is made once more.
        case address
        /// The store's time is signed with from now on.
        case clock
    }

    struct Row: Sendable {
        /// Tests name the row by it.
        var name: String
        var codes: Set<String> = []
        var statuses: [ClosedRange<Int>] = []
        var kind: TargetFailure.Kind
        var mend = Mend.none
    }

    static let rows: [Row] = [
        Row(
            name: "throttled",
            codes: [
                "SlowDown", "SlowDownRead", "SlowDownWrite", "Throttling", "ThrottlingException",
                "RequestLimitExceeded", "TooManyRequests", "XMinioServerNotInitialized",
            ], statuses: [429...429, 503...503, 509...509], kind: .throttled(afterSeconds: nil)),
        Row(
            name: "the store's own fault",
            codes: [
                "InternalError", "ServiceUnavailable", "RequestTimeout", "OperationAborted", "RequestCanceled",
                "RequestCancelled",
            ], statuses: [408...409, 412...412, 499...500, 502...502, 504...504, 520...524], kind: .serverFault),
        Row(
            name: "the body did not arrive whole", codes: ["IncompleteBody", "MissingContentLength"],
            statuses: [411...411, 417...417], kind: .serverFault),
        Row(name: "a success that is none", statuses: [200...299], kind: .serverFault),
        // An answer to If-None-Match, which is not sent. Who gives it unasked is asked again: after a completion the object
        // is looked for first, and the upload that is there is not thrown away.
        Row(name: "a conflict", codes: ["ConditionalRequestConflict"], kind: .serverFault),
        Row(name: "the clock", codes: ["RequestTimeTooSkewed", "RequestExpired"], kind: .clock, mend: .clock),
        Row(
            name: "keys that were good once", codes: ["ExpiredToken", "InvalidToken", "TokenRefreshRequired"],
            kind: .denied, mend: .keys),
        Row(
            name: "refused",
            codes: [
                "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "AccountProblem", "AllAccessDisabled",
                "NoCredentials",
            ], statuses: [401...401, 403...403, 407...407], kind: .denied),
        Row(
            name: "another region or address",
            codes: [
                "PermanentRedirect", "TemporaryRedirect", "Redirect", "AuthorizationHeaderMalformed",
                "IllegalLocationConstraintException",
            ], statuses: [301...302, 307...308], kind: .misconfigured, mend: .address),
        Row(
            name: "not what the configuration says",
            codes: ["NoSuchBucket", "InvalidBucketName", "ObjectLockConfigurationNotFoundError"],
            // Of a proxy that lets no part of this size through; a store says EntityTooLarge.
            statuses: [413...413], kind: .misconfigured),
        Row(
            name: "no room",
            codes: [
                "XMinioStorageFull", "QuotaExceeded", "InsufficientStorage", "XMinioAdminBucketQuotaExceeded",
                "InsufficientCapacity",
            ], statuses: [507...507], kind: .full),
        Row(name: "the upload is not known", codes: ["NoSuchUpload"], kind: .uploadUnknown),
        Row(
            name: "not the bytes that were sent",
            codes: ["BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch"],
            kind: .corruptedOnTheWay),
        Row(name: "not the parts that were named", codes: ["InvalidPart", "InvalidPartOrder"], kind: .partsDisagree),
        Row(
            name: "never in this form",
            codes: [
                "EntityTooSmall", "EntityTooLarge", "InvalidArgument", "InvalidRequest", "MetadataTooLarge",
                "KeyTooLongError", "NotImplemented", "MethodNotAllowed",
            ], statuses: [300...499, 501...501], kind: .rejected),
        Row(name: "a fault nobody has named", statuses: [0...999], kind: .serverFault),
    ]

    /// The row for an answer; `code` is empty where the answer has none.
    static func row(code: String, status: Int) -> Row {
        if let row = rows.first(where: { $0.codes.contains(code) }) { return row }
        let found = rows.first { row in row.statuses.contains { $0.contains(status) } }
        return found ?? Row(name: "no status of HTTP", kind: .serverFault)
    }

    /// What a broken connection means. libcurl's codes become these kinds in `EasyHandle.kind`.
    static func kind(_ kind: TransportFailure.Kind) -> TargetFailure.Kind {
        switch kind {
        // 5, 6, 7, 28 before a connection was there, 35: the link or the store is down; nothing was carried out.
        case .unreachable: .unreachable
        // 58, 60, 77: never fallen back from.
        case .certificate: .certificate
        // 18, 28, 52, 55, 56, 65, 92 and all others: whether it was carried out is not known.
        case .interrupted: .interrupted
        case .cancelled: .cancelled
        }
    }
}

extension TargetFailure {
    /// What follows from a failure.
    package enum Consequence: Sendable, Hashable {
        /// The same step again, after a while.
        case retry
        /// Nothing more to this target for a while: whatever is sent next would fail in the same way.
        case pauseTarget
        /// The upload's parts are asked for again.
        case listAgain
        /// It is looked whether the object is there; where it is not, a new upload, from its first part.
        case startAgain
        /// The recording waits, shown with the reason; it is tried again much later.
        case park
        /// The agent is stopping.
        case stop
    }

    package var consequence: Consequence {
        switch kind {
        case .interrupted, .throttled, .serverFault, .clock, .corruptedOnTheWay: .retry
        case .unreachable, .certificate, .denied, .misconfigured, .full, .stationFault: .pauseTarget
        case .partsDisagree: .listAgain
        case .uploadUnknown: .startAgain
        case .rejected, .sourceUnavailable, .sourceChanged, .differs, .unlocked: .park
        case .cancelled: .stop
        }
    }

    /// The longest pause of a target, seconds: what a person has to mend is asked about more rarely than a line.
    package var longestPauseSeconds: Double {
        switch kind {
        case .denied, .certificate, .misconfigured, .full: 300
        default: 60
        }
    }
}
