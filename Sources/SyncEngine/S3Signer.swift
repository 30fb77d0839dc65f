import ContentHash
package import EvidenceModel

/// What a request to S3 is signed with.
package struct S3Credentials: Sendable, Hashable {
    package var accessKeyID: String
    package var secretAccessKey: String
    package var sessionToken: String?

    package init(accessKeyID: String, secretAccessKey: String, sessionToken: String? = nil) {
        self.accessKeyID = accessKeyID
        self.secretAccessKey = secretAccessKey
        self.sessionToken = sessionToken
    }
}

/// Signature Version 4 for S3 ("Authenticating Requests (AWS Signature Version 4)", Amazon S3 API Reference): the hash
/// of the whole body is part of the signature, so that a server that checks it stores these bytes or none.
package enum S3Signer {
    /// A request as far as it is signed. Paths and queries are encoded here, once.
    package struct Unsigned: Sendable {
        package var method: String
        /// As it stands in the `Host` header, with a port that is not the scheme's own.
        package var host: String
        /// Segments between slashes, not yet encoded.
        package var path: [String]
        package var query: [(name: String, value: String)]
        /// `x-amz-…` headers, names in lowercase.
        package var headers: [String: String]
        package var payload: ContentDigest

        package init(
            method: String, host: String, path: [String], query: [(name: String, value: String)] = [],
            headers: [String: String] = [:], payload: ContentDigest
        ) {
            self.method = method
            self.host = host
            self.path = path
            self.query = query
            self.headers = headers
            self.payload = payload
        }
    }

    /// The target of the request line and every header that belongs to the signature but `Host`.
    package struct Signed: Sendable {
        package var pathAndQuery: String
        package var headers: [(name: String, value: String)]
    }

    package static func sign(
        _ request: Unsigned, credentials: S3Credentials, region: String, at time: WallTime
    ) -> Signed {
        let stamp = timestamp(time)
        var headers = request.headers
        headers["x-amz-date"] = stamp
        headers["x-amz-content-sha256"] = request.payload.hex
        headers["x-amz-security-token"] = credentials.sessionToken
        let path = "/" + request.path.map { encoded($0) }.joined(separator: "/")
        let query = canonicalQuery(request.query)
        let signedHeaders = headers.merging(["host": request.host]) { own, _ in own }.sorted { $0.key < $1.key }
        let names = signedHeaders.map(\.key).joined(separator: ";")
        let canonical = [
            request.method, path, query, signedHeaders.map { "\($0.key):\(trimmed($0.value))\n" }.joined(), names,
            request.payload.hex,
        ].joined(separator: "\n")
        let scope = "\(stamp.prefix(8))/\(region)/s3/aws4_request"
        let toSign = ["AWS4-HMAC-SHA256", stamp, scope, ContentDigest.sha256(of: Array(canonical.utf8)).hex]
            .joined(separator: "\n")
        let key = signingKey(credentials.secretAccessKey, date: String(stamp.prefix(8)), region: region)
        let signature = Hexadecimal.encode(HMACSHA256.code(for: toSign.utf8, key: key))
        let authorization =
            "AWS4-HMAC-SHA256 Credential=\(credentials.accessKeyID)/\(scope), SignedHeaders=\(names), "
            + "Signature=\(signature)"
        let sent = headers.sorted { $0.key < $1.key }.map { (name: $0.key, value: $0.value) }
        return Signed(
            pathAndQuery: query.isEmpty ? path : "\(path)?\(query)",
            headers: sent + [(name: "authorization", value: authorization)])
    }

    private static func signingKey(_ secret: String, date: String, region: String) -> [UInt8] {
        [date, region, "s3", "aws4_request"].reduce(Array("AWS4\(secret)".utf8)) { key, part in
            HMACSHA256.code(for: part.utf8, key: key)
        }
    }

    private static func canonicalQuery(_ query: [(name: String, value: String)]) -> String {
        query.map { (encoded($0.name), encoded($0.value)) }.sorted { $0 < $1 }
            .map { "\($0.0)=\($0.1)" }.joined(separator: "&")
    }

    /// `20261122T013000Z`.
    private static func timestamp(_ time: WallTime) -> String {
        let whole = WallTime(millisecondsSince1970: time.millisecondsSince1970 / 1000 * 1000)
        return whole.rfc3339().filter { $0 != "-" && $0 != ":" }
    }

    /// Every byte but the unreserved ones of RFC 3986 as `%XX`.
    package static func encoded(_ text: String) -> String {
        var result = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                result.unicodeScalars.append(Unicode.Scalar(byte))
            default: result += "%" + Hexadecimal.encode([byte]).uppercased()
            }
        }
        return result
    }

    /// Header values in the canonical request: no blanks around, single ones within.
    private static func trimmed(_ value: String) -> String { value.split(separator: " ").joined(separator: " ") }
}
