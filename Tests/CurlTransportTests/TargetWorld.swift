import CurlTransport
import EvidenceModel
import Foundation
import StationTesting
import SyncEngine
import Testing

/// A real place to copy to, empty, and what a test does to it from outside.
struct TargetWorld: Sendable {
    enum Kind: String, Sendable, CaseIterable, CustomTestStringConvertible {
        case directory, s3
        var testDescription: String { rawValue }
    }

    let kind: Kind
    let target: any StorageTarget
    /// The same place without the right to write to it; `nil` where there is none.
    let denied: (any StorageTarget)?
    /// A place that is not there.
    let missing: any StorageTarget
    private let directory: TemporaryDirectory
    let bucket: String

    static let now: @Sendable () -> WallTime = {
        WallTime(millisecondsSince1970: Int64(Date().timeIntervalSince1970 * 1000))
    }

    /// For all tests: as in the agent, one thread for all buckets.
    static let transport = CurlTransport()

    init(_ kind: Kind, throughPort port: Int? = nil) async throws {
        self.kind = kind
        directory = try TemporaryDirectory()
        bucket = "b" + UUID().uuidString.lowercased()
        switch kind {
        case .directory:
            target = DirectoryTarget(name: "target", root: directory.path)
            missing = DirectoryTarget(name: "target", root: directory.path.appending("missing"))
            denied = nil
        case .s3:
            try await Self.makeBucket(bucket)
            target = try Self.s3(bucket, port: port)
            missing = try Self.s3(bucket + "x", port: port)
            denied = try Self.s3(bucket, port: port, secret: "wrong")
        }
    }

    static func s3(
        _ bucket: String, port: Int? = nil, secret: String? = nil, now: @escaping @Sendable () -> WallTime = now
    ) throws -> S3Target {
        let server = try S3Server.shared.get()
        let location = S3Location(
            endpoint: port.map { "http://127.0.0.1:\($0)" } ?? server.endpoint, region: server.region, bucket: bucket,
            prefix: "prefix/", isPathStyle: true)
        let variables = [
            "AWS_ACCESS_KEY_ID": server.accessKeyID, "AWS_SECRET_ACCESS_KEY": secret ?? server.secretAccessKey,
        ]
        return S3Target(
            name: "target", location: location, credentials: S3CredentialSource(.environment(variables)),
            transport: transport, now: now)
    }

    static func makeBucket(_ bucket: String) async throws {
        let server = try S3Server.shared.get()
        let signed = S3Signer.sign(
            S3Signer.Unsigned(
                method: "PUT", host: String(server.endpoint.dropFirst("http://".count)), path: [bucket],
                payload: digest(of: [])),
            credentials: S3Credentials(
                accessKeyID: server.accessKeyID, secretAccessKey: server.secretAccessKey), region: server.region,
            at: now())
        let response = try await transport.perform(
            HTTPRequest(method: "PUT", url: server.endpoint + signed.pathAndQuery, headers: signed.headers))
        try #require(response.status == 200, "bucket \(bucket): \(response.status)")
    }

    /// Takes the place away, with everything in it, or makes it anew.
    func remove() throws { try FileManager.default.removeItem(atPath: directory.path.display) }
    func restore() throws {
        try FileManager.default.createDirectory(atPath: directory.path.display, withIntermediateDirectories: true)
    }

    var place: RawPath { directory.path }
}

extension StorageTarget {
    func putWhole(_ plan: UploadPlan, bytes: [UInt8]) async throws(TargetFailure) -> String {
        try await putWhole(plan, bytes: PartBytes(bytes))
    }

    func putPart(
        _ plan: UploadPlan, token: String, number: Int, bytes: [UInt8]
    ) async throws(TargetFailure) -> String {
        try await putPart(plan, token: token, number: number, bytes: PartBytes(bytes))
    }
}
