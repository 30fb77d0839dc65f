import ContentHash
import EvidenceModel
import Foundation

/// What a tus server says it can do (tus resumable upload protocol 1.0.0, "OPTIONS").
struct TusFeatures: Sendable, Hashable {
    var extensions: Set<String>
    /// Bytes of the largest upload it takes; none where it does not say.
    var mostBytes: Int64?
    /// The best of the checksums it compares; none where it compares none.
    var checksum: TusChecksum?

    init(extensions: Set<String>, mostBytes: Int64? = nil, checksum: TusChecksum? = nil) {
        self.extensions = extensions
        self.mostBytes = mostBytes
        self.checksum = checksum
    }

    /// Nothing where the answer is not that of a server of tus 1.0.0.
    init?(_ response: HTTPResponse) {
        func list(_ name: String) -> [String] {
            (response.headers[name] ?? "").split(separator: ",").map { $0.filter { !$0.isWhitespace } }
        }
        guard list("tus-version").contains("1.0.0") else { return nil }
        extensions = Set(list("tus-extension"))
        mostBytes = response.headers["tus-max-size"].flatMap { Int64($0) }.flatMap { $0 > 0 ? $0 : nil }
        let algorithms = Set(list("tus-checksum-algorithm"))
        checksum =
            extensions.contains("checksum")
            ? TusChecksum.allCases.first { algorithms.contains($0.rawValue) } : nil
    }

    func has(_ name: String) -> Bool { extensions.contains(name) }
}

/// What a PATCH's bytes are checked by at the server, the best first (tus 1.0.0, "Checksum").
enum TusChecksum: String, Sendable, Hashable, CaseIterable {
    case sha256, sha1

    /// The value of `Upload-Checksum`.
    ///
    /// - Parameter digest: SHA-256 of `bytes`, where it is known.
    func header(_ bytes: PartBytes, digest: ContentDigest?) -> String {
        let sum =
            switch self {
            case .sha256: (digest ?? bytes.withUnsafeBytes { .sha256(of: $0) }).bytes
            case .sha1: bytes.withUnsafeBytes { SHA1Digest.of($0) }
            }
        return "\(rawValue) \(Data(sum).base64EncodedString())"
    }
}

/// Values of tus's headers.
enum TusProtocol {
    /// `Upload-Metadata`: pairs in the order given, values in Base64.
    static func metadata(_ pairs: [(key: String, value: String)]) -> String {
        pairs.map { "\($0.key) \(Data($0.value.utf8).base64EncodedString())" }.joined(separator: ",")
    }

    /// Pairs of `Upload-Metadata`; one without a value, or with one that is no text, is left out.
    static func metadata(_ header: String) -> [String: String] {
        var pairs: [String: String] = [:]
        for pair in header.split(separator: ",") {
            let words = pair.split(separator: " ")
            guard words.count == 2, let data = Data(base64Encoded: String(words[1])),
                let value = String(validating: data, as: UTF8.self)
            else { continue }
            pairs[words[0].lowercased()] = value
        }
        return pairs
    }

    /// The absolute URL of `location`, which is absolute or relative to the URL that was asked; nothing where it is none,
    /// or leads out of HTTPS.
    static func resolve(_ location: String, asked: String) -> String? {
        guard let base = URL(string: asked), let url = URL(string: location, relativeTo: base)?.absoluteURL,
            let scheme = url.scheme?.lowercased(), url.host() != nil
        else { return nil }
        guard scheme == "https" || (scheme == "http" && base.scheme?.lowercased() == "http") else { return nil }
        return url.absoluteString
    }

    /// `https://host:port` of an absolute URL, as far as the path.
    static func origin(_ url: String) -> Substring {
        guard let scheme = url.firstRange(of: "://") else { return "" }
        return url[..<(url[scheme.upperBound...].firstIndex { "/?#".contains($0) } ?? url.endIndex)]
    }

    /// `Upload-Concat` of the upload that is made of `parts`, in order: their paths where they are at the place that is
    /// asked, so that the header stays short.
    static func concatenation(_ parts: [String], asked: String) -> String {
        let origin = origin(asked)
        let names = parts.map { part in
            Self.origin(part) == origin ? String(part.dropFirst(origin.count)) : part
        }
        return "final;" + names.joined(separator: " ")
    }
}

/// What an answer of a tus server that is no success means.
enum TusFailures {
    /// What was asked for.
    enum Place: Sendable, Hashable {
        /// The URL of the configuration, at which uploads are created.
        case creation
        /// The URL of an upload.
        case upload
    }

    static func failure(
        _ response: HTTPResponse, _ place: Place, tried: String, at origin: Substring
    ) -> TargetFailure {
        TargetFailure(
            kind: kind(response, place),
            sentence: "\(tried) at \(origin) was answered with status \(response.status)\(said(response))",
            code: String(response.status))
    }

    /// The first words of an answer that a person can read.
    private static func said(_ response: HTTPResponse) -> String {
        guard let text = String(validating: response.body.prefix(200), as: UTF8.self),
            !text.isEmpty, text.allSatisfy({ !$0.isNewline && $0 != "<" })
        else { return "" }
        return ": \(text)"
    }

    private static func kind(_ response: HTTPResponse, _ place: Place) -> TargetFailure.Kind {
        switch response.status {
        case 401, 403, 407: .denied
        case 404, 410: place == .upload ? .uploadUnknown : .misconfigured
        // What takes an upload of this size, and not a request of this size, stands before the server.
        case 413: place == .upload ? .misconfigured : .rejected
        case 301, 302, 307, 308, 405, 412, 415, 501: .misconfigured
        case 429, 503: .throttled(afterSeconds: S3Failures.retryAfter(response))
        case 507: .full
        case 460: .corruptedOnTheWay
        // 409: the offset is another one; 423: an earlier request has the upload still.
        case 200..<300, 408, 409, 423, 499, 500...: .serverFault
        default: .rejected
        }
    }
}
