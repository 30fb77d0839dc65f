import Foundation

/// The S3 store that breaks on command (`Scripts/s3/scripted.py`, which says the commands): one process for each.
package final class ScriptedStore: Sendable {
    package struct Object: Decodable, Sendable, Hashable {
        package var key: String
        package var size: Int
        package var sha256: String
    }

    package struct Upload: Decodable, Sendable, Hashable {
        package var key: String
        package var upload: String
        /// Number, size, and a number that no other writing has: a part that was written again has another one.
        package var parts: [[Int]]
    }

    package struct Witness: Decodable, Sendable {
        package var objects: [Object]
        package var uploads: [Upload]
    }

    package static let bucket = "evidence"
    package static let keys = ["AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "secret"]

    /// `http://127.0.0.1:20000`.
    package let endpoint: String
    private let server: Companion

    /// An empty store with one bucket, that takes parts of any size.
    package init(profile: String = "aws") throws {
        server = try Companion("python3", Repository.path("Scripts/s3/scripted.py"), beginsWith: "listening ")
        endpoint = "http://127.0.0.1:\(server.greeting.split(separator: " ").last ?? "")"
        try tell("profile \(profile)")
        try tell("set min_part 0")
        try tell("bucket \(Self.bucket)")
    }

    @discardableResult
    package func tell(_ command: String) throws -> String {
        let answer = try server.tell(command)
        guard !answer.hasPrefix("error") else { throw Tool.Failure(command: command, status: 1, message: answer) }
        return answer
    }

    /// - Parameter hasTrials: with what trials that were cut have left; else recordings and manifests alone.
    package func witness(hasTrials: Bool = false) throws -> Witness {
        var witness = try JSONDecoder().decode(Witness.self, from: Data(tell("witness").utf8))
        if hasTrials { return witness }
        witness.objects.removeAll { $0.key.contains(".capture-probe/") }
        witness.uploads.removeAll { $0.key.contains(".capture-probe/") }
        return witness
    }
}
