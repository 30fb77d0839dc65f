package import EvidenceModel
import Foundation

/// A tus server on loopback, ended with its last reference: PyPI's resumable-upload (`Scripts/tus-server`), or the strict one
/// that breaks on command (`Scripts/tus/strict.py`, which says the commands).
package final class TusServer: Sendable {
    package struct Upload: Decodable, Sendable, Hashable {
        package var id: String
        /// Empty, `partial`, or `final;…`.
        package var concat: String
        package var length: Int
        package var offset: Int
        package var sha256: String
        package var metadata: [String: String]
    }

    /// At which uploads are created.
    package let url: String
    package let tokenFile: RawPath
    private let process: Companion

    private static let token = "token-of-the-tests"

    package init(published directory: TemporaryDirectory, _ options: String...) throws {
        guard Repository.hasTestTools else {
            throw Tool.Failure(command: "tus-server", status: 127, message: "run Scripts/test-tools first")
        }
        tokenFile = try directory.file("token", "\(Self.token)\n")
        process = try Companion(
            "env",
            [
                "TUS_TOKEN=\(Self.token)", Repository.path(".build/test-tools/bin/python"),
                Repository.path("Scripts/tus-server"),
            ]
                + ["\(directory.path.display)/uploads"] + options, beginsWith: "listening ")
        url = "http://127.0.0.1:\(process.greeting.split(separator: " ").last ?? "")/files/"
    }

    package init(strict directory: TemporaryDirectory, _ commands: String...) throws {
        tokenFile = try directory.file("token", "\(Self.token)\n")
        process = try Companion("python3", Repository.path("Scripts/tus/strict.py"), beginsWith: "listening ")
        url = "http://127.0.0.1:\(process.greeting.split(separator: " ").last ?? "")/files/"
        for command in ["token \(Self.token)"] + commands { try tell(command) }
    }

    @discardableResult
    package func tell(_ command: String) throws -> String {
        let answer = try process.tell(command)
        guard !answer.hasPrefix("error") else { throw Tool.Failure(command: command, status: 1, message: answer) }
        return answer
    }

    /// What the strict server has.
    package func uploads() throws -> [Upload] {
        try JSONDecoder().decode([Upload].self, from: Data(tell("witness").utf8))
    }

    /// What its clients did that the protocol forbids.
    package func violations() throws -> [String] {
        try JSONDecoder().decode([String].self, from: Data(tell("violations").utf8))
    }

    /// Requests of each method.
    package func asked() throws -> [String: Int] {
        try JSONDecoder().decode([String: Int].self, from: Data(tell("asked").utf8))
    }
}
