import ContentHash
package import EvidenceModel
import Synchronization

/// Where an S3 bucket is, and how it is spoken to.
package struct S3Location: Sendable, Hashable {
    /// `https://s3.example.org:9000`, without a path.
    package var endpoint: String
    package var region: String
    package var bucket: String
    /// Put before every key; empty, or ending in `/`.
    package var prefix: String
    /// `endpoint/bucket/key` instead of `bucket.endpoint/key`.
    package var isPathStyle: Bool

    package init(endpoint: String, region: String, bucket: String, prefix: String, isPathStyle: Bool) {
        self.endpoint = endpoint
        self.region = region
        self.bucket = bucket
        self.prefix = prefix
        self.isPathStyle = isPathStyle
    }
}

/// A bucket of an S3 store (Amazon S3 API Reference, 2006-03-01), over signed requests with the hash of every body.
package struct S3Target: StorageTarget {
    package let name: String
    /// One PutObject up to 16 MiB: the most that is sent again when it fails.
    package let wholeLimit: Int64

    let location: S3Location
    private let transport: any HTTPTransport
    private let credentials: S3CredentialSource
    private let now: @Sendable () -> WallTime
    private let clock: S3Clock
    let behaviour = S3Behaviour()

    /// - Parameters:
    ///   - now: the station's clock.
    ///   - wholeLimit: bytes up to which an object goes in one request.
    package init(
        name: String, location: S3Location, credentials: S3CredentialSource, transport: any HTTPTransport,
        now: @escaping @Sendable () -> WallTime, wholeLimit: Int64 = 16 << 20
    ) {
        self.wholeLimit = wholeLimit
        self.name = name
        self.location = location
        self.credentials = credentials
        self.transport = transport
        self.now = now
        clock = S3Clock()
    }

    /// Seconds that the store's clock is ahead of the station's, by its last answer.
    package var clockOffsetSeconds: Double? { clock.offsetSeconds }

    /// One question to the store.
    struct Query {
        var method: String
        var key: String?
        var query: [(name: String, value: String)] = []
        var headers: [String: String] = [:]
        var body = HTTPBody.bytes([])
        /// SHA-256 of `body`, where it is known already.
        var payload: ContentDigest?
        var patience: HTTPRequest.Patience = .seconds(60)
        var answerLimit = 8 << 20
        /// For messages: `PUT part 3 of …`.
        var tried: String
    }

    /// Asks, and gives every answer that is not one of `accepted` as a failure.
    func ask(_ query: Query, accepting accepted: Set<Int> = [200]) async throws(TargetFailure) -> HTTPResponse {
        let request = try signed(query)
        let sentAt = now()
        let response: HTTPResponse
        do throws(TransportFailure) {
            response = try await transport.perform(request)
        } catch {
            throw S3Failures.failure(error, tried: query.tried, endpoint: location.endpoint)
        }
        clock.answered(date: response.headers["date"], between: sentAt, and: now())
        guard accepted.contains(response.status) else {
            var failure = S3Failures.failure(response, tried: query.tried, endpoint: location.endpoint)
            // A refused HEAD has no body to say why; a clock that is this wrong is why.
            if failure.kind == .denied, response.body.isEmpty, clock.isTooFarOff { failure.kind = .clock }
            if failure.kind == .denied { credentials.forget() }
            if failure.kind == .clock { clock.adopt() }
            throw failure
        }
        return response
    }

    private func signed(_ query: Query) throws(TargetFailure) -> HTTPRequest {
        let (scheme, host) = try address()
        let bucket = location.isPathStyle ? [location.bucket] : []
        // By bytes: to Swift a slash and a combining letter behind it are one character.
        let key = query.key.map { key in
            (location.prefix + key).utf8.split(separator: UInt8(ascii: "/")).map { String(Substring($0)) }
        }
        let unsigned = S3Signer.Unsigned(
            method: query.method, host: host, path: bucket + (key ?? []), query: query.query, headers: query.headers,
            payload: query.payload ?? query.body.withUnsafeBytes { .sha256(of: $0) })
        let signed = S3Signer.sign(
            unsigned, credentials: try credentials.credentials(), region: location.region,
            at: now().adding(seconds: clock.adoptedOffsetSeconds))
        return HTTPRequest(
            method: query.method, url: "\(scheme)://\(host)\(signed.pathAndQuery)", headers: signed.headers,
            body: query.body, patience: query.patience, answerLimit: query.answerLimit)
    }

    private func address() throws(TargetFailure) -> (scheme: String, host: String) {
        guard let match = location.endpoint.wholeMatch(of: /(https?):\/\/([^\/]+)\/?/) else {
            throw TargetFailure(
                kind: .misconfigured, sentence: "the endpoint \"\(location.endpoint)\" is not http(s)://host[:port]")
        }
        let host = String(match.2)
        return (String(match.1), location.isPathStyle ? host : "\(location.bucket).\(host)")
    }

    func metadata(_ plan: UploadPlan) -> [String: String] {
        [
            "x-amz-meta-capture-recording": plan.recording.text,
            "x-amz-meta-capture-sha256": plan.content.digest.hex,
            "x-amz-meta-capture-upload": plan.upload,
        ]
    }
}

/// The store's clock against the station's. A signature must not be more than 15 minutes off.
private final class S3Clock: Sendable {
    private struct Offsets {
        var measured: Double?
        var adopted = 0.0
    }

    private let offsets = Mutex(Offsets())

    var offsetSeconds: Double? { offsets.withLock { $0.measured } }
    var adoptedOffsetSeconds: Double { offsets.withLock { $0.adopted } }

    /// Whether a request that is signed now is refused for its time ("RequestTimeTooSkewed": 15 minutes).
    var isTooFarOff: Bool { offsets.withLock { abs(($0.measured ?? 0) - $0.adopted) > 900 } }

    func answered(date: String?, between sent: WallTime, and received: WallTime) {
        guard let date, let theirs = HTTPDate.parse(date) else { return }
        let middle = sent.adding(seconds: received.seconds(since: sent) / 2)
        // The header has whole seconds: half a one is its middle.
        offsets.withLock { $0.measured = theirs.adding(seconds: 0.5).seconds(since: middle) }
    }

    /// From now on requests are signed with the store's time.
    func adopt() {
        offsets.withLock { $0.adopted = $0.measured ?? 0 }
    }
}

/// Dates of HTTP headers (RFC 9110, section 5.6.7, IMF-fixdate).
enum HTTPDate {
    static func parse(_ text: String) -> WallTime? {
        let pattern = /[A-Z][a-z]{2}, (\d{2}) ([A-Z][a-z]{2}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) GMT/
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        guard let match = text.wholeMatch(of: pattern), let month = months.firstIndex(of: String(match.2)),
            let day = Int(match.1), let year = Int(match.3), let hour = Int(match.4), let minute = Int(match.5),
            let second = Int(match.6)
        else { return nil }
        return CalendarTime(
            year: year, month: month + 1, day: day, hour: hour, minute: minute, second: min(second, 59)
        )?.wallTime(offsetSeconds: 0)
    }
}
