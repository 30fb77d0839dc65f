package import EvidenceModel
import FileAccess
import Foundation
import Glibc
import Synchronization

/// Where the keys of an S3 target come from: an AWS credentials file, the environment, or a service that gives them for a
/// while. They are read again after the target refused them, so that a corrected file works without a restart; those of a
/// service also before they expire.
package final class S3CredentialSource: Sendable {
    package enum Origin: Sendable, Hashable {
        /// A file in the form of AWS's `~/.aws/credentials`; its profile `default`, else its first one.
        case file(RawPath)
        /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, as they were at the start; where the first is not
        /// set, the container's service that the environment names.
        case environment([String: String])
        /// Of a container's or a machine's own service.
        case service(S3KeyService.Place)
    }

    /// Seconds before they expire at which keys are asked for again.
    static let renewedBeforeSeconds = 300.0

    private struct State {
        var keys: S3ExpiringCredentials?
        var isForgotten = false
    }

    private let origin: Origin
    private let transport: any HTTPTransport
    private let now: @Sendable () -> WallTime
    private let state = Mutex(State())
    /// One at a time asks the service.
    private let turn = Budget(1)

    /// - Parameters:
    ///   - transport: carries the questions to a service.
    ///   - now: the station's clock, by which keys expire.
    package init(_ origin: Origin, transport: any HTTPTransport, now: @escaping @Sendable () -> WallTime) {
        self.origin = origin
        self.now = now
        self.transport = transport
    }

    /// The keys, read once until `forget`, or until they are about to expire.
    ///
    /// - Throws: `TargetFailure` of kind `.denied` where there are none, or as the service failed.
    package func credentials() async throws(TargetFailure) -> S3Credentials {
        if let keys = usable { return keys }
        return try await turn.spend(1) { () async throws(TargetFailure) in
            if let keys = usable { return keys }
            do throws(TargetFailure) {
                let read = try await load()
                state.withLock { $0 = State(keys: read) }
                return read.keys
            } catch {
                // A service that is away for a moment: what it gave is good until it expires.
                let (kept, time) = (state.withLock(\.self), now())
                guard !kept.isForgotten, let keys = kept.keys, keys.expiresAt.map({ time < $0 }) ?? false else {
                    throw error
                }
                return keys.keys
            }
        }
    }

    private var usable: S3Credentials? {
        let (state, time) = (state.withLock(\.self), now())
        guard !state.isForgotten, let known = state.keys else { return nil }
        let isGood = known.expiresAt.map { time < $0.adding(seconds: -Self.renewedBeforeSeconds) } ?? true
        return isGood ? known.keys : nil
    }

    /// The next call reads them anew.
    package func forget() {
        state.withLock { $0.isForgotten = true }
    }

    private func load() async throws(TargetFailure) -> S3ExpiringCredentials {
        switch origin {
        case .service(let place): return try await S3KeyService(place, transport: transport).ask()
        case .environment(let variables):
            let names = (id: "AWS_ACCESS_KEY_ID", secret: "AWS_SECRET_ACCESS_KEY", token: "AWS_SESSION_TOKEN")
            if let keys = Self.credentials(variables, names) { return S3ExpiringCredentials(keys: keys) }
            if let place = try S3KeyService.container(variables) {
                return try await S3KeyService(place, transport: transport).ask()
            }
            throw Self.missing(
                "no credentials_file is configured and AWS_ACCESS_KEY_ID or AWS_SECRET_ACCESS_KEY is not set")
        case .file(let path):
            guard let keys = Self.parse(try Self.text(path)) else {
                throw Self.missing("\(path.display) has no aws_access_key_id and aws_secret_access_key")
            }
            return S3ExpiringCredentials(keys: keys)
        }
    }

    static func missing(_ sentence: String) -> TargetFailure {
        TargetFailure(kind: .denied, sentence: sentence, code: "NoCredentials")
    }

    private static let mostBytes = 64 << 10

    static func text(_ path: RawPath) throws(TargetFailure) -> String {
        var bytes = [UInt8](repeating: 0, count: mostBytes)
        let read: Result<Int, FileAccessError> = bytes.withUnsafeMutableBytes { buffer in
            do throws(FileAccessError) {
                let file = try OwnedDescriptor.open(absolute: path, flags: O_RDONLY)
                return .success(try file.read(into: buffer, at: 0))
            } catch {
                return .failure(error)
            }
        }
        switch read {
        case .success(let count): return String(decoding: bytes.prefix(count), as: UTF8.self)
        case .failure(let error): throw missing("the credentials file cannot be read: \(error)")
        }
    }

    /// Keys of the profile `default`, else of the first profile, of an AWS credentials file.
    static func parse(_ text: String) -> S3Credentials? {
        var profiles: [(name: String, keys: [String: String])] = []
        for line in text.split(whereSeparator: \.isNewline).map({ trimmed($0) }) where !line.hasPrefix("#") {
            if line.hasPrefix("["), line.hasSuffix("]") {
                profiles.append((trimmed(line.dropFirst().dropLast()), [:]))
            } else if let equals = line.firstIndex(of: "=") {
                if profiles.isEmpty { profiles.append(("default", [:])) }
                let value = trimmed(line[line.index(after: equals)...])
                profiles[profiles.count - 1].keys[trimmed(line[..<equals])] = value
            }
        }
        let chosen = profiles.first { $0.name == "default" } ?? profiles.first
        return credentials(
            chosen?.keys ?? [:], (id: "aws_access_key_id", secret: "aws_secret_access_key", token: "aws_session_token"))
    }

    /// An empty value is none: an empty token would be signed, and then not sent.
    private static func credentials(
        _ values: [String: String], _ names: (id: String, secret: String, token: String)
    ) -> S3Credentials? {
        let given = values.filter { !$0.value.isEmpty }
        guard let id = given[names.id], let secret = given[names.secret] else { return nil }
        return S3Credentials(accessKeyID: id, secretAccessKey: secret, sessionToken: given[names.token])
    }

    private static func trimmed(_ text: some StringProtocol) -> String {
        String(text.drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed())
    }
}
