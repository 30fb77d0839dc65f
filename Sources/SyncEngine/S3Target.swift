import ContentHash
package import EvidenceModel

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
    /// Of every object that is stored from now on; none where nothing is locked.
    package var lock: S3Lock?

    package init(
        endpoint: String, region: String, bucket: String, prefix: String, isPathStyle: Bool, lock: S3Lock? = nil
    ) {
        self.lock = lock
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
    var lock: S3Lock? { location.lock }
    private let transport: any HTTPTransport
    private let credentials: S3CredentialSource
    let now: @Sendable () -> WallTime
    private let clock = S3Clock()
    private let address: S3Address
    let behaviour: S3Behaviour

    /// - Parameters:
    ///   - now: the station's clock.
    ///   - wholeLimit: bytes up to which an object goes in one request.
    ///   - known: what the store is known to do; none where it is to be tried out.
    ///   - memory: keeps what trials have shown.
    package init(
        name: String, location: S3Location, credentials: S3CredentialSource, transport: any HTTPTransport,
        now: @escaping @Sendable () -> WallTime, wholeLimit: Int64 = 16 << 20, known: S3KnownCapabilities? = nil,
        memory: (any CapabilityMemory)? = nil
    ) {
        self.wholeLimit = wholeLimit
        self.name = name
        self.location = location
        self.credentials = credentials
        self.transport = transport
        self.now = now
        address = S3Address(location)
        behaviour = S3Behaviour(target: name, known: known, memory: memory)
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

    /// The store's time, as far as requests are signed with it.
    var signingTime: WallTime { now().adding(seconds: clock.adoptedOffsetSeconds) }

    /// Asks, and gives every answer that is not one of `accepted` as a failure. What `RetryTable` knows to mend is mended
    /// first, once, and asked again at once.
    func ask(_ query: Query, accepting accepted: Set<Int> = [200]) async throws(TargetFailure) -> HTTPResponse {
        var keys = try await credentials.credentials()
        var mended: Set<RetryTable.Mend> = [.none, .clock]
        while true {
            let place = address.current
            let response = try await perform(query, keys, place)
            if accepted.contains(response.status) { return response }
            let (failure, mend) = failure(response, query)
            switch mend {
            case .keys where mended.insert(mend).inserted:
                let before = keys
                keys = try await credentials.credentials()
                if keys != before { continue }
            case .address where mended.insert(mend).inserted:
                if address.adopt(S3Address.hint(response), insteadOf: place) { continue }
            case .keys, .address, .clock, .none: break
            }
            throw failure
        }
    }

    private func failure(_ response: HTTPResponse, _ query: Query) -> (TargetFailure, RetryTable.Mend) {
        var failure = S3Failures.failure(response, tried: query.tried, endpoint: location.endpoint)
        var mend = RetryTable.row(code: failure.code, status: response.status).mend
        // A refused HEAD has no body to say why; a clock that is this wrong is why. So it is of a signature.
        let isSilent = response.body.isEmpty || failure.code == "SignatureDoesNotMatch"
        if failure.kind == .denied, isSilent, clock.isTooFarOff { failure.kind = .clock }
        if response.body.isEmpty, response.status == 400, S3Address.hint(response) != nil { mend = .address }
        switch failure.kind {
        case .denied: credentials.forget()
        case .clock: clock.adopt()
        case .rejected: behaviour.doubt()
        default: break
        }
        return (failure, mend)
    }

    private func perform(
        _ query: Query, _ keys: S3Credentials, _ place: S3Address.Place
    ) async throws(TargetFailure) -> HTTPResponse {
        let request = try signed(query, keys, place)
        let sentAt = now()
        let response: HTTPResponse
        do throws(TransportFailure) {
            response = try await transport.perform(request)
        } catch {
            throw S3Failures.failure(error, tried: query.tried, endpoint: location.endpoint)
        }
        clock.answered(date: response.headers["date"], between: sentAt, and: now())
        return response
    }

    private func signed(
        _ query: Query, _ keys: S3Credentials, _ place: S3Address.Place
    ) throws(TargetFailure) -> HTTPRequest {
        let (scheme, host) = try place.parts(location)
        let bucket = location.isPathStyle ? [location.bucket] : []
        // By bytes: to Swift a slash and a combining letter behind it are one character.
        let key = query.key.map { key in
            (location.prefix + key).utf8.split(separator: UInt8(ascii: "/")).map { String(Substring($0)) }
        }
        var headers = query.headers
        // Part of the signature where it is sent, and the transport sends it ("Canonical request", Amazon S3 API Reference):
        // Ceph 20.2.4 refuses one that is not signed.
        if query.method == "PUT" || query.method == "POST" { headers["content-type"] = "application/octet-stream" }
        let unsigned = S3Signer.Unsigned(
            method: query.method, host: host, path: bucket + (key ?? []), query: query.query, headers: headers,
            payload: query.payload ?? query.body.withUnsafeBytes { .sha256(of: $0) })
        let signed = S3Signer.sign(unsigned, credentials: keys, region: place.region, at: signingTime)
        return HTTPRequest(
            method: query.method, url: "\(scheme)://\(host)\(signed.pathAndQuery)", headers: signed.headers,
            body: query.body, patience: query.patience, answerLimit: query.answerLimit)
    }

    func metadata(_ plan: UploadPlan) -> [String: String] {
        [
            "x-amz-meta-capture-recording": plan.recording.text,
            "x-amz-meta-capture-sha256": plan.content.digest.hex,
            "x-amz-meta-capture-upload": plan.upload,
        ]
    }
}
