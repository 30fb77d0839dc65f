package import EvidenceModel
import FileAccess
import Glibc
import Synchronization

/// Where the keys of an S3 target come from: an AWS credentials file, or the environment. They are read again after the
/// target refused them, so that a corrected file works without a restart.
package final class S3CredentialSource: Sendable {
    package enum Origin: Sendable, Hashable {
        /// A file in the form of AWS's `~/.aws/credentials`; its profile `default`, else its first one.
        case file(RawPath)
        /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, as they were at the start.
        case environment([String: String])
    }

    private let origin: Origin
    private let cached = Mutex<S3Credentials?>(nil)

    package init(_ origin: Origin) {
        self.origin = origin
    }

    /// The keys, read once until `forget`.
    ///
    /// - Throws: `TargetFailure` of kind `.denied` where there are none.
    package func credentials() throws(TargetFailure) -> S3Credentials {
        if let known = cached.withLock({ $0 }) { return known }
        let read = try load()
        cached.withLock { $0 = read }
        return read
    }

    /// The next call reads them anew.
    package func forget() {
        cached.withLock { $0 = nil }
    }

    private func load() throws(TargetFailure) -> S3Credentials {
        switch origin {
        case .environment(let variables):
            let names = (id: "AWS_ACCESS_KEY_ID", secret: "AWS_SECRET_ACCESS_KEY", token: "AWS_SESSION_TOKEN")
            guard let credentials = Self.credentials(variables, names) else {
                throw Self.missing(
                    "no credentials_file is configured and AWS_ACCESS_KEY_ID or AWS_SECRET_ACCESS_KEY is not set")
            }
            return credentials
        case .file(let path):
            let text = try Self.read(path)
            guard let credentials = Self.parse(text) else {
                throw Self.missing("\(path.display) has no aws_access_key_id and aws_secret_access_key")
            }
            return credentials
        }
    }

    private static func missing(_ sentence: String) -> TargetFailure {
        TargetFailure(kind: .denied, sentence: sentence, code: "NoCredentials")
    }

    private static let mostBytes = 64 << 10

    private static func read(_ path: RawPath) throws(TargetFailure) -> String {
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
