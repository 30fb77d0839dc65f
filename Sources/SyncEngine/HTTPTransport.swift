/// One HTTP/1.1 request, complete: nothing is added to it but what the protocol itself demands.
package struct HTTPRequest: Sendable {
    package var method: String
    /// Absolute, with path and query already encoded.
    package var url: String
    package var headers: [(name: String, value: String)]
    package var body: HTTPBody
    package var patience: Patience
    /// The most bytes an answer's body may have; a longer one is a failure.
    package var answerLimit: Int
    /// The most bytes of the body that go on the line in a second; none for as fast as it goes.
    package var sendBytesPerSecond: Int?

    /// How long an answer may take.
    package enum Patience: Sendable, Hashable {
        /// Data moves: given up when less than 1 KiB/s moved for 30 s.
        case whileMoving
        /// The server works: given up after so many seconds in all.
        case seconds(Int)
        /// The answer is a stream that may be silent for long: given up when the connection breaks.
        case endless
    }

    package init(
        method: String, url: String, headers: [(name: String, value: String)] = [], body: HTTPBody,
        patience: Patience = .whileMoving, answerLimit: Int = 1 << 20
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.patience = patience
        self.answerLimit = answerLimit
        sendBytesPerSecond = SendSpeed.bytesPerSecond
    }

    package init(
        method: String, url: String, headers: [(name: String, value: String)] = [], body: [UInt8] = [],
        patience: Patience = .whileMoving, answerLimit: Int = 1 << 20
    ) {
        self.init(
            method: method, url: url, headers: headers, body: .bytes(body), patience: patience,
            answerLimit: answerLimit)
    }
}

/// What a request carries.
package enum HTTPBody: Sendable {
    case bytes([UInt8])
    /// Shared, not copied.
    case part(PartBytes)

    package var count: Int {
        switch self {
        case .bytes(let bytes): bytes.count
        case .part(let part): part.count
        }
    }

    package func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        switch self {
        case .bytes(let bytes): bytes.withUnsafeBytes(body)
        case .part(let part): part.withUnsafeBytes(body)
        }
    }
}

/// The final answer to a request: not an interim one (1xx), and not followed elsewhere (3xx).
package struct HTTPResponse: Sendable, Hashable {
    package var status: Int
    /// By lowercase name; of a repeated header the last.
    package var headers: [String: String]
    package var body: [UInt8]
    /// Bytes of the request's body that left, as often as they did.
    package var sentBytes: Int64

    package init(status: Int, headers: [String: String] = [:], body: [UInt8] = [], sentBytes: Int64 = 0) {
        self.status = status
        self.headers = headers
        self.body = body
        self.sentBytes = sentBytes
    }
}

/// Why there is no answer.
package struct TransportFailure: Error, Sendable, Hashable {
    package enum Kind: Sendable, Hashable {
        /// No connection came about: the request was not seen by the server.
        case unreachable
        /// The server is not who it should be (its certificate).
        case certificate
        /// The connection broke, or stalled, when the request was on its way: whether it was carried out is not known.
        case interrupted
        /// The caller's task was cancelled.
        case cancelled
    }

    package var kind: Kind
    /// One sentence without a full stop.
    package var sentence: String
    /// Bytes of the request's body that left before.
    package var sentBytes: Int64

    package init(kind: Kind, sentence: String, sentBytes: Int64 = 0) {
        self.kind = kind
        self.sentence = sentence
        self.sentBytes = sentBytes
    }
}

/// Carries requests to servers.
package protocol HTTPTransport: Sendable {
    /// Sends `request` and waits for the answer. May be called from many tasks; a cancelled task gives its request up.
    func perform(_ request: HTTPRequest) async throws(TransportFailure) -> HTTPResponse
    /// Sends `request` and hands the body of an answer with status 200 to `receiver` as it comes, until the server ends
    /// it; the answer without that body. What `receiver` does holds up other requests.
    func stream(
        _ request: HTTPRequest, to receiver: @escaping @Sendable ([UInt8]) -> Void
    ) async throws(TransportFailure) -> HTTPResponse
}

extension HTTPTransport {
    /// Of a transport that keeps answers whole.
    package func stream(
        _ request: HTTPRequest, to receiver: @escaping @Sendable ([UInt8]) -> Void
    ) async throws(TransportFailure) -> HTTPResponse {
        var response = try await perform(request)
        if response.status == 200 {
            receiver(response.body)
            response.body = []
        }
        return response
    }
}
