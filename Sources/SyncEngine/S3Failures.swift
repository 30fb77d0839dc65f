/// What an answer of an S3 store that is no success means ("Error responses", Amazon S3 API Reference).
enum S3Failures {
    /// - Parameters:
    ///   - tried: what was asked: `PUT part 3 of recordings/…`.
    ///   - endpoint: of what.
    static func failure(_ response: HTTPResponse, tried: String, endpoint: String) -> TargetFailure {
        let body = S3Messages.parse(response.body)
        let code = body.flatMap { $0.name == "Error" ? $0.text("Code") : nil } ?? ""
        let message = body?.text("Message").map { ": \($0)" } ?? ""
        let answer = code.isEmpty ? "status \(response.status)" : "\(code) (status \(response.status))"
        return TargetFailure(
            kind: kind(code: code, response), sentence: "\(tried) at \(endpoint) was answered with \(answer)\(message)",
            code: code.isEmpty ? String(response.status) : code)
    }

    private static func kind(code: String, _ response: HTTPResponse) -> TargetFailure.Kind {
        switch code {
        case "SlowDown", "SlowDownRead", "SlowDownWrite", "Throttling", "ThrottlingException", "RequestLimitExceeded",
            "TooManyRequests":
            .throttled(afterSeconds: retryAfter(response))
        case "InternalError", "ServiceUnavailable", "RequestTimeout", "OperationAborted", "RequestCanceled",
            "IncompleteBody", "MissingContentLength", "ConditionalRequestConflict":
            .serverFault
        case "RequestTimeTooSkewed", "RequestExpired": .clock
        case "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "AccountProblem", "ExpiredToken",
            "InvalidToken", "TokenRefreshRequired", "AuthorizationHeaderMalformed", "AllAccessDisabled":
            .denied
        case "NoSuchBucket", "PermanentRedirect", "TemporaryRedirect", "Redirect", "InvalidBucketName",
            "IllegalLocationConstraintException":
            .misconfigured
        case "XMinioStorageFull", "QuotaExceeded", "InsufficientStorage", "XMinioAdminBucketQuotaExceeded": .full
        case "NoSuchUpload": .uploadUnknown
        case "BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch":
            .corruptedOnTheWay
        case "InvalidPart", "InvalidPartOrder": .partsDisagree
        default: kind(status: response.status, response)
        }
    }

    private static func kind(status: Int, _ response: HTTPResponse) -> TargetFailure.Kind {
        switch status {
        case 429, 503, 509: .throttled(afterSeconds: retryAfter(response))
        case 507: .full
        case 401, 403, 407: .denied
        case 301, 302, 307, 308: .misconfigured
        case 501: .rejected
        // A 2xx that was not understood, and everything that is the server's own fault or a proxy's.
        case 200..<300, 408, 409, 411, 412, 417, 499, 500...: .serverFault
        default: .rejected
        }
    }

    /// Seconds the answer asks for, at most five minutes of them.
    static func retryAfter(_ response: HTTPResponse) -> Double? {
        response.headers["retry-after"].flatMap { Double($0) }.flatMap {
            $0.isNaN ? nil : min(max($0, 0), 300)
        }
    }

    static func failure(_ failure: TransportFailure, tried: String, endpoint: String) -> TargetFailure {
        let kind: TargetFailure.Kind =
            switch failure.kind {
            case .unreachable: .unreachable
            case .certificate: .certificate
            case .interrupted: .interrupted
            case .cancelled: .cancelled
            }
        return TargetFailure(kind: kind, sentence: "\(tried) at \(endpoint): \(failure.sentence)")
    }
}
