package import EvidenceModel
import FileAccess
import Foundation

/// Keys, and when they stop being good; none for keys that are good until somebody takes them back.
struct S3ExpiringCredentials: Sendable, Hashable {
    var keys: S3Credentials
    var expiresAt: WallTime?
}

/// Asks a service of the place where the agent runs for keys: a container's ("Container credential provider", AWS SDKs and
/// Tools Reference Guide), or a machine's ("Instance Metadata Service, version 2", Amazon EC2 User Guide).
package struct S3KeyService: Sendable {
    package enum Place: Sendable, Hashable {
        /// - url: absolute.
        /// - token: sent as `Authorization`, where there is one.
        case container(url: String, token: Token?)
        /// The address of a machine's metadata service, without a path.
        case instance(url: String)

        /// Where `environment` does not name another, the link-local address that all machines of EC2 have.
        package static func instance(_ environment: [String: String]) -> Place {
            let given = environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"].flatMap { $0.isEmpty ? nil : $0 }
            return .instance(url: given ?? "http://169.254.169.254")
        }
    }

    package enum Token: Sendable, Hashable {
        case text(String)
        /// Read at each question: whoever wrote it renews it.
        case file(RawPath)
    }

    private let place: Place
    private let transport: any HTTPTransport

    init(_ place: Place, transport: any HTTPTransport) {
        self.place = place
        self.transport = transport
    }

    /// What `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI` or `AWS_CONTAINER_CREDENTIALS_FULL_URI` name, or nothing.
    ///
    /// - Throws: `TargetFailure` of kind `.denied` where the whole address is one to which a token must not go.
    package static func container(_ environment: [String: String]) throws(TargetFailure) -> Place? {
        let given = environment.filter { !$0.value.isEmpty }
        let token =
            given["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"].map { Token.file(RawPath($0)) }
            ?? given["AWS_CONTAINER_AUTHORIZATION_TOKEN"].map { Token.text($0) }
        if let path = given["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] {
            return .container(url: "http://169.254.170.2\(path)", token: token)
        }
        guard let url = given["AWS_CONTAINER_CREDENTIALS_FULL_URI"] else { return nil }
        guard isAllowed(url) else {
            throw S3CredentialSource.missing(
                "AWS_CONTAINER_CREDENTIALS_FULL_URI is \(url), which is neither https nor an address of this machine")
        }
        return .container(url: url, token: token)
    }

    /// https anywhere; http to this machine and to the services of ECS and EKS alone.
    private static func isAllowed(_ url: String) -> Bool {
        if url.hasPrefix("https://") { return true }
        guard let match = url.wholeMatch(of: /http:\/\/(\[[0-9a-fA-F:]+\]|[^\/:\[]+)(?::\d+)?(?:\/.*)?/) else {
            return false
        }
        let host = String(match.1)
        return host == "localhost" || host.wholeMatch(of: /127\.\d+\.\d+\.\d+/) != nil
            || ["[::1]", "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"].contains(host)
    }

    /// Asks for keys.
    ///
    /// - Throws: `TargetFailure`: `.denied` where the answer has none, else as the connection failed.
    func ask() async throws(TargetFailure) -> S3ExpiringCredentials {
        switch place {
        case .container(let url, let token):
            let authorization: String? =
                switch token {
                case .text(let text)?: text
                case .file(let path)?: try S3CredentialSource.text(path).filter { !$0.isNewline }
                case nil: nil
                }
            let headers = authorization.map { [(name: "authorization", value: $0)] } ?? []
            return try Self.parse(try await get(url, headers), url)
        case .instance(let url):
            let life = [(name: "x-aws-ec2-metadata-token-ttl-seconds", value: "21600")]
            let token = Self.text(try await get("\(url)/latest/api/token", life, method: "PUT"))
            let headers = [(name: "x-aws-ec2-metadata-token", value: token)]
            let roles = "\(url)/latest/meta-data/iam/security-credentials/"
            let role = Self.text(try await get(roles, headers))
            guard role.wholeMatch(of: /[\w+=,.@-]+/) != nil else {
                throw S3CredentialSource.missing("\(roles) names no role: give this machine one")
            }
            return try Self.parse(try await get(roles + role, headers), roles + role)
        }
    }

    private static func text(_ bytes: [UInt8]) -> String {
        String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline).first.map(String.init) ?? ""
    }

    private func get(
        _ url: String, _ headers: [(name: String, value: String)], method: String = "GET"
    ) async throws(TargetFailure) -> [UInt8] {
        let tried = "\(method) of keys"
        let response: HTTPResponse
        do throws(TransportFailure) {
            response = try await transport.perform(
                HTTPRequest(
                    method: method, url: url, headers: headers, body: .bytes([]), patience: .seconds(10),
                    answerLimit: 64 << 10))
        } catch {
            throw S3Failures.failure(error, tried: tried, endpoint: url)
        }
        guard response.status == 200 else {
            var failure = S3Failures.failure(response, tried: tried, endpoint: url)
            // Without keys nothing works, whatever the service calls it.
            if failure.consequence != .retry { failure.kind = .denied }
            throw failure
        }
        return response.body
    }

    private struct Answer: Decodable {
        var id: String
        var secret: String
        var token: String?
        var expiration: String?

        private enum CodingKeys: String, CodingKey {
            case id = "AccessKeyId"
            case secret = "SecretAccessKey"
            case token = "Token"
            case expiration = "Expiration"
        }
    }

    private static func parse(_ bytes: [UInt8], _ url: String) throws(TargetFailure) -> S3ExpiringCredentials {
        guard let answer = try? JSONDecoder().decode(Answer.self, from: Data(bytes)), !answer.id.isEmpty,
            !answer.secret.isEmpty
        else { throw S3CredentialSource.missing("\(url) gave no AccessKeyId and SecretAccessKey") }
        let token = answer.token.flatMap { $0.isEmpty ? nil : $0 }
        return S3ExpiringCredentials(
            keys: S3Credentials(accessKeyID: answer.id, secretAccessKey: answer.secret, sessionToken: token),
            expiresAt: answer.expiration.flatMap { WallTime(rfc3339: $0) })
    }
}
