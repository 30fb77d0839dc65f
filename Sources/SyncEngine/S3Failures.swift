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
        switch RetryTable.row(code: code, status: response.status).kind {
        case .throttled: .throttled(afterSeconds: retryAfter(response))
        case let kind: kind
        }
    }

    /// Seconds the answer asks for, at most five minutes of them.
    static func retryAfter(_ response: HTTPResponse) -> Double? {
        response.headers["retry-after"].flatMap { Double($0) }.flatMap {
            $0.isNaN ? nil : min(max($0, 0), 300)
        }
    }

    static func failure(_ failure: TransportFailure, tried: String, endpoint: String) -> TargetFailure {
        TargetFailure(
            kind: RetryTable.kind(failure.kind), sentence: "\(tried) at \(endpoint): \(failure.sentence)")
    }
}
