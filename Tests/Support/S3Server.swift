import Foundation

/// A real S3 server on loopback: one for all tests of a process, ended with it.
package struct S3Server: Sendable {
    /// `http://127.0.0.1:20000`.
    package let endpoint: String
    package let accessKeyID: String
    package let secretAccessKey: String
    package let region: String

    /// OpenStack Swift with its S3 API, started at the first use; or why there is none.
    package static let shared = Result {
        guard Repository.hasTestTools else {
            throw Tool.Failure(command: "openstack-swift", status: 127, message: "run Scripts/test-tools first")
        }
        return try start("openstack-swift", in: instances)
    }

    /// Ceph, which keeps object locks, started at the first use; or why there is none. It is not fetched here: that takes
    /// as long as the network does.
    package static let ceph = Result { try start("ceph", in: instances + "-ceph") }

    package static var isAvailable: Bool {
        if case .success = shared { true } else { false }
    }

    package static var hasCeph: Bool {
        if case .success = ceph { true } else { false }
    }

    private static func start(_ script: String, in instances: String) throws -> S3Server {
        removeLeftovers(script, in: instances)
        let output = try Tool.run(
            "env", "S3_OWNER=\(getpid())", "SWIFT_WORKERS=1", "bash", Repository.path("Scripts/s3/\(script)"),
            "start", "\(instances)/\(getpid())")
        let lines = output.split(separator: "\n").map { $0.split(separator: "=", maxSplits: 1).map(String.init) }
        let values = Dictionary(lines.filter { $0.count == 2 }.map { ($0[0], $0[1]) }) { $1 }
        guard let endpoint = values["AWS_ENDPOINT_URL"], let id = values["AWS_ACCESS_KEY_ID"],
            let secret = values["AWS_SECRET_ACCESS_KEY"], let region = values["AWS_DEFAULT_REGION"]
        else { throw Tool.Failure(command: "\(script) start", status: 0, message: "said \(output)") }
        return S3Server(endpoint: endpoint, accessKeyID: id, secretAccessKey: secret, region: region)
    }

    /// Not below /tmp, which may be without the extended attributes that the server wants.
    private static let instances = Repository.path(".build/test-s3")

    /// What earlier processes' servers, ended with them, have left.
    private static func removeLeftovers(_ script: String, in instances: String) {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: instances)) ?? []
        for name in names {
            guard let process = pid_t(name), kill(process, 0) != 0 else { continue }
            _ = try? Tool.run(
                "bash", Repository.path("Scripts/s3/\(script)"), "wipe", "\(instances)/\(name)")
        }
    }
}
