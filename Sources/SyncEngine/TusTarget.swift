package import EvidenceModel
import FileAccess
import Glibc
import Synchronization

/// A server of the tus resumable upload protocol 1.0.0 (https://tus.io/protocols/resumable-upload).
///
/// tus has no keys: the server names what it is given by a URL, which is the token, the tag and, in `UploadPlan.given`,
/// the way back to it. Where the server concatenates, each part is a partial upload of its own, named by its URL; else one
/// upload takes the parts in order. See docs/design/tus.md.
package struct TusTarget: StorageTarget {
    package let name: String
    package let wholeLimit: Int64

    /// At which uploads are created.
    let url: String
    private let transport: any HTTPTransport
    private let token: TusToken?
    let memory = TusMemory()

    /// - Parameters:
    ///   - url: absolute, of http or https: where uploads are created.
    ///   - tokenFile: holds the bearer token (RFC 6750); none for a server that wants none.
    ///   - wholeLimit: bytes up to which a recording is one upload by itself.
    package init(
        name: String, url: String, tokenFile: RawPath?, transport: any HTTPTransport, wholeLimit: Int64 = 16 << 20
    ) {
        self.name = name
        self.url = url
        self.transport = transport
        self.wholeLimit = wholeLimit
        token = tokenFile.map { TusToken(file: $0) }
    }

    // MARK: Asking

    /// One question to the server.
    struct Query {
        var method: String
        var url: String
        var place = TusFailures.Place.upload
        var headers: [(name: String, value: String)] = []
        var body = HTTPBody.bytes([])
        var patience: HTTPRequest.Patience = .seconds(60)
        var answerLimit = 1 << 20
        /// For messages: `PATCH part 3 of …`.
        var tried: String
    }

    /// Asks, and gives every answer that is not one of `accepted` as a failure.
    ///
    /// - Parameter receiver: takes the body of an answer with status 200 as it comes.
    func ask(
        _ query: Query, accepting accepted: Set<Int>, receiver: (@Sendable ([UInt8]) -> Void)? = nil
    ) async throws(TargetFailure) -> HTTPResponse {
        let origin = TusProtocol.origin(query.url)
        let request = try request(query)
        let response: HTTPResponse
        do throws(TransportFailure) {
            response =
                if let receiver { try await transport.stream(request, to: receiver) } else {
                    try await transport.perform(request)
                }
        } catch {
            throw S3Failures.failure(error, tried: query.tried, endpoint: String(origin))
        }
        guard accepted.contains(response.status) else {
            let failure = TusFailures.failure(response, query.place, tried: query.tried, at: origin)
            if failure.kind == .denied { token?.forget() }
            throw failure
        }
        return response
    }

    private func request(_ query: Query) throws(TargetFailure) -> HTTPRequest {
        var headers = query.headers
        if !["OPTIONS", "GET"].contains(query.method) { headers.append((name: "Tus-Resumable", value: "1.0.0")) }
        // A server may name another one, which is not to have the token.
        if let token, TusProtocol.origin(query.url) == TusProtocol.origin(url) {
            headers.append((name: "Authorization", value: "Bearer \(try token.value())"))
        }
        return HTTPRequest(
            method: query.method, url: query.url, headers: headers, body: query.body, patience: query.patience,
            answerLimit: query.answerLimit)
    }

    /// What the server can do, asked once.
    func features() async throws(TargetFailure) -> TusFeatures {
        if let known = memory.features { return known }
        let features = try await askFeatures()
        memory.features = features
        return features
    }

    func askFeatures() async throws(TargetFailure) -> TusFeatures {
        let response = try await ask(
            Query(method: "OPTIONS", url: url, place: .creation, tried: "OPTIONS \(url)"), accepting: [200, 204])
        guard let features = TusFeatures(response) else {
            throw TargetFailure(kind: .misconfigured, sentence: "\(url) is no server of tus 1.0.0")
        }
        guard features.has("creation") else {
            throw TargetFailure(kind: .misconfigured, sentence: "the tus server at \(url) lets nobody create uploads")
        }
        return features
    }

    /// How many bytes an upload has; nothing where it is being put together still.
    func offset(_ upload: String, _ tried: String) async throws(TargetFailure) -> HTTPResponse {
        try await ask(Query(method: "HEAD", url: upload, tried: "HEAD of \(tried)"), accepting: [200, 204])
    }

    /// A success that does not say what a success says: it counts as a fault of the server.
    func noAnswer(_ tried: String, _ what: String) -> TargetFailure {
        TargetFailure(
            kind: .serverFault,
            sentence: "\(tried) at \(TusProtocol.origin(url)) was answered with success and \(what)")
    }
}

extension HTTPResponse {
    /// `Upload-Offset`, bytes.
    var uploadOffset: Int64? { headers["upload-offset"].flatMap { Int64($0) } }
}

/// What a target remembers of its server while the agent runs.
final class TusMemory: Sendable {
    /// A part of an upload, or 0 for a recording that is one upload by itself.
    struct Slot: Sendable, Hashable {
        var upload: String
        var part: Int
    }

    private struct State {
        var features: TusFeatures?
        var urls: [Slot: String] = [:]
        /// The oldest first.
        var order: [Slot] = []
    }

    /// What is forgotten is sent from its beginning.
    private static let mostSlots = 256

    private let state = Mutex(State())

    var features: TusFeatures? {
        get { state.withLock(\.features) }
        set { state.withLock { $0.features = newValue } }
    }

    /// Where the bytes of `slot` are being sent, or were.
    subscript(slot: Slot) -> String? {
        get { state.withLock { $0.urls[slot] } }
        set {
            state.withLock { state in
                if state.urls[slot] == nil, newValue != nil { state.order.append(slot) }
                if newValue == nil { state.order.removeAll { $0 == slot } }
                state.urls[slot] = newValue
                if state.order.count > Self.mostSlots { state.urls[state.order.removeFirst()] = nil }
            }
        }
    }

    /// Forgets all slots of an upload; their URLs.
    func forget(_ upload: String) -> [String] {
        state.withLock { state in
            let slots = state.order.filter { $0.upload == upload }
            state.order.removeAll { $0.upload == upload }
            return slots.compactMap { state.urls.removeValue(forKey: $0) }
        }
    }
}

/// The bearer token of a server, from a file that is read again after the server refused it.
final class TusToken: Sendable {
    private static let mostBytes = 16 << 10

    private let file: RawPath
    private let cached = Mutex<String?>(nil)

    init(file: RawPath) {
        self.file = file
    }

    /// - Throws: `TargetFailure` of kind `.denied` where there is none.
    func value() throws(TargetFailure) -> String {
        if let known = cached.withLock({ $0 }) { return known }
        let text: String
        do throws(FileAccessError) {
            let file = try OwnedDescriptor.open(absolute: file, flags: O_RDONLY)
            let bytes = try file.readBytes(ByteSpan(offset: 0, length: Int64(Self.mostBytes)))
            text = String(decoding: bytes, as: UTF8.self)
        } catch {
            throw TargetFailure(kind: .denied, sentence: "the token file cannot be read: \(error)", code: "NoToken")
        }
        // RFC 6750, section 2.1: a token is one word.
        guard let token = text.split(whereSeparator: \.isWhitespace).first,
            token.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f })
        else { throw TargetFailure(kind: .denied, sentence: "\(file.display) has no token", code: "NoToken") }
        cached.withLock { $0 = String(token) }
        return String(token)
    }

    /// The next request reads it anew.
    func forget() {
        cached.withLock { $0 = nil }
    }
}
