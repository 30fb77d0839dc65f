import CCurl
import SyncEngine

/// One request in libcurl's hands. Owns the easy handle and the list of headers, and stands at one address while
/// libcurl calls back into it. Used by the thread of `CurlTransport` only.
final class EasyHandle {
    /// CURL is `void`, so the handle is a raw pointer; never nil until `deinit`.
    let easy: UnsafeMutableRawPointer
    private var headers: UnsafeMutablePointer<curl_slist>?
    private var request: HTTPRequest
    private var sent = 0
    private var answer = HTTPResponse(status: 0)
    private var isAnswerTooLong = false
    private var reason: UnsafeMutablePointer<CChar>

    /// Takes a good answer's body as it comes; an answer that is kept whole has none.
    private let receiver: CurlTransport.Receiver?

    /// Nothing when libcurl has no memory for a handle.
    ///
    /// - Parameter socket: the Unix socket to connect to, whatever the URL's host is.
    init?(request: HTTPRequest, caFile: String?, socket: String?, receiver: CurlTransport.Receiver?) {
        guard let easy = curl_easy_init() else { return nil }
        self.easy = easy
        self.request = request
        self.receiver = receiver
        reason = .allocate(capacity: Int(CURL_ERROR_SIZE))
        reason.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        setOptions(caFile: caFile)
        if let socket { ccurl_set_text(easy, CURLOPT_UNIX_SOCKET_PATH, socket) }
        setHeaders()
        setBody()
    }

    deinit {
        curl_easy_cleanup(easy)
        curl_slist_free_all(headers)
        reason.deallocate()
    }

    private var context: UnsafeMutableRawPointer { Unmanaged.passUnretained(self).toOpaque() }

    private func setOptions(caFile: String?) {
        ccurl_set_text(easy, CURLOPT_URL, request.url)
        ccurl_set_text(easy, CURLOPT_CUSTOMREQUEST, request.method)
        if request.method == "HEAD" { ccurl_set_long(easy, CURLOPT_NOBODY, 1) }
        // On a kept connection that breaks before an answer libcurl sends the request once more by itself, also when it
        // was carried out: a second upload would be created that nobody knows. A new connection is not retried.
        if request.method == "POST" { ccurl_set_long(easy, CURLOPT_FRESH_CONNECT, 1) }
        // HTTP/2 uploads of libcurl before 8.2 can spin for ever (curl 8.0.0 to 8.2.1 change logs).
        ccurl_set_long(easy, CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
        ccurl_set_long(easy, CURLOPT_NOSIGNAL, 1)
        ccurl_set_long(easy, CURLOPT_FOLLOWLOCATION, 0)
        ccurl_set_text(easy, CURLOPT_PROTOCOLS_STR, "http,https")
        ccurl_set_long(easy, CURLOPT_CONNECTTIMEOUT_MS, 10_000)
        ccurl_set_long(easy, CURLOPT_UPLOAD_BUFFERSIZE, 256 << 10)
        ccurl_set_long(easy, CURLOPT_MAXAGE_CONN, 40)
        ccurl_set_pointer(easy, CURLOPT_ERRORBUFFER, reason)
        if let caFile { ccurl_set_text(easy, CURLOPT_CAINFO, caFile) }
        switch request.patience {
        case .whileMoving:
            ccurl_set_long(easy, CURLOPT_LOW_SPEED_LIMIT, 1024)
            ccurl_set_long(easy, CURLOPT_LOW_SPEED_TIME, 30)
        case .endless: break
        case .seconds(let seconds): ccurl_set_long(easy, CURLOPT_TIMEOUT_MS, seconds * 1000)
        }
        ccurl_set_transfer(easy, CURLOPT_WRITEFUNCTION) { bytes, size, count, context in
            EasyHandle.of(context)?.received(UnsafeRawBufferPointer(start: bytes, count: size * count)) ?? 0
        }
        ccurl_set_pointer(easy, CURLOPT_WRITEDATA, context)
        ccurl_set_transfer(easy, CURLOPT_HEADERFUNCTION) { bytes, size, count, context in
            EasyHandle.of(context)?.receivedHeader(UnsafeRawBufferPointer(start: bytes, count: size * count))
            return size * count
        }
        ccurl_set_pointer(easy, CURLOPT_HEADERDATA, context)
    }

    private func setHeaders() {
        for (name, value) in request.headers { headers = curl_slist_append(headers, "\(name): \(value)") }
        // Without this each upload waits up to a second for a "100 Continue" that many servers never send.
        headers = curl_slist_append(headers, "Expect:")
        headers = curl_slist_append(headers, "Accept:")
        let isTyped = request.headers.contains { $0.name.lowercased() == "content-type" }
        if !isTyped && (request.body.count > 0 || request.method == "PUT" || request.method == "POST") {
            headers = curl_slist_append(headers, "Content-Type: application/octet-stream")
        }
        ccurl_set_list(easy, CURLOPT_HTTPHEADER, headers)
    }

    private func setBody() {
        guard ["PUT", "POST", "PATCH"].contains(request.method) else { return }
        ccurl_set_long(easy, CURLOPT_UPLOAD, 1)
        ccurl_set_offset(easy, CURLOPT_INFILESIZE_LARGE, request.body.count)
        if let rate = request.sendBytesPerSecond { ccurl_set_offset(easy, CURLOPT_MAX_SEND_SPEED_LARGE, rate) }
        ccurl_set_transfer(easy, CURLOPT_READFUNCTION) { bytes, size, count, context in
            EasyHandle.of(context)?.fill(UnsafeMutableRawBufferPointer(start: bytes, count: size * count)) ?? 0
        }
        ccurl_set_pointer(easy, CURLOPT_READDATA, context)
        // A kept connection that turns out to be dead is replaced by libcurl itself, from the first byte.
        ccurl_set_seek(easy) { context, offset, origin in
            EasyHandle.of(context)?.rewind(to: offset, origin: origin) ?? CURL_SEEKFUNC_FAIL
        }
        ccurl_set_pointer(easy, CURLOPT_SEEKDATA, context)
    }

    private static func of(_ context: UnsafeMutableRawPointer?) -> EasyHandle? {
        // The transport holds the handle until libcurl has given it back, so the pointer is to a living object.
        context.map { Unmanaged<EasyHandle>.fromOpaque($0).takeUnretainedValue() }
    }

    // MARK: Callbacks

    private func fill(_ buffer: UnsafeMutableRawBufferPointer) -> Int {
        let count = min(buffer.count, request.body.count - sent)
        request.body.withUnsafeBytes { body in
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: body[sent..<sent + count]))
        }
        sent += count
        return count
    }

    private func rewind(to offset: curl_off_t, origin: Int32) -> Int32 {
        guard origin == SEEK_SET, offset >= 0, offset <= request.body.count else { return CURL_SEEKFUNC_FAIL }
        sent = Int(offset)
        return CURL_SEEKFUNC_OK
    }

    private func received(_ bytes: UnsafeRawBufferPointer) -> Int {
        if let receiver, status == 200 {
            receiver(Array(bytes))
            return bytes.count
        }
        guard answer.body.count + bytes.count <= request.answerLimit else {
            isAnswerTooLong = true
            return 0
        }
        answer.body.append(contentsOf: bytes)
        return bytes.count
    }

    private func receivedHeader(_ bytes: UnsafeRawBufferPointer) {
        let line = String(decoding: bytes, as: UTF8.self).filter { $0 != "\r\n" && $0 != "\r" && $0 != "\n" }
        if line.hasPrefix("HTTP/") {
            // A new block: what came before was an interim answer.
            answer.headers = [:]
        } else if let colon = line.firstIndex(of: ":") {
            let value = line[line.index(after: colon)...].drop { $0 == " " }
            answer.headers[line[..<colon].lowercased()] = String(value)
        }
    }

    // MARK: Outcome

    /// libcurl is done with the handle: it reads nothing any more.
    func releaseBody() { request.body = .bytes([]) }

    /// The answer, or why there is none, once libcurl is done with the handle.
    func outcome(_ code: CURLcode) -> Result<HTTPResponse, TransportFailure> {
        if code == CURLE_OK {
            answer.status = status
            answer.sentBytes = sentBytes
            return .success(answer)
        }
        if isAnswerTooLong {
            let sentence = "the answer is longer than \(request.answerLimit) bytes"
            return .failure(TransportFailure(kind: .interrupted, sentence: sentence))
        }
        let detail = String(cString: reason)
        let sentence = detail.isEmpty ? String(cString: curl_easy_strerror(code)) : detail
        return .failure(
            TransportFailure(kind: Self.kind(code, easy), sentence: sentence, sentBytes: sentBytes))
    }

    /// Of the answer that comes in, as soon as its headers are there.
    private var status: Int {
        var status = 0
        ccurl_get_long(easy, CURLINFO_RESPONSE_CODE, &status)
        return status
    }

    private var sentBytes: Int64 {
        var bytes: curl_off_t = 0
        ccurl_get_offset(easy, CURLINFO_SIZE_UPLOAD_T, &bytes)
        return Int64(bytes)
    }

    private static func kind(_ code: CURLcode, _ easy: UnsafeMutableRawPointer) -> TransportFailure.Kind {
        switch code {
        case CURLE_COULDNT_RESOLVE_PROXY, CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_CONNECT, CURLE_SSL_CONNECT_ERROR,
            CURLE_URL_MALFORMAT:
            .unreachable
        case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE, CURLE_SSL_CERTPROBLEM: .certificate
        // The latter is also what libcurl calls an answer that is no HTTP/1.
        case CURLE_OPERATION_TIMEDOUT, CURLE_UNSUPPORTED_PROTOCOL: wasConnected(easy) ? .interrupted : .unreachable
        default: .interrupted
        }
    }

    private static func wasConnected(_ easy: UnsafeMutableRawPointer) -> Bool {
        var request = 0
        ccurl_get_long(easy, CURLINFO_REQUEST_SIZE, &request)
        return request > 0
    }
}
