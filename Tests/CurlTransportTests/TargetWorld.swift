import CurlTransport
import EvidenceModel
import Foundation
import StationTesting
import Testing

@testable import SyncEngine

/// A real place to copy to, empty, and what a test does to it from outside.
struct TargetWorld: Sendable {
    enum Kind: String, Sendable, CaseIterable, CustomTestStringConvertible {
        /// In a folder of /tmp; on file systems in loop devices, of which exFAT is one in user space that knows no rename
        /// without replacing, and tells no upper from lower case; on what behaves as a share.
        case directory, ext4, exfat, share
        /// OpenStack Swift.
        case s3
        /// The published server: with partial uploads, and without.
        case tus, tusInOrder
        /// The strict one: without partial uploads, giving nothing back, and without anything but creation.
        case strictTus, checkedTus, plainTus

        var testDescription: String { rawValue }
        var isTus: Bool { [.tus, .tusInOrder, .strictTus, .checkedTus, .plainTus].contains(self) }
        var isDirectory: Bool { [.directory, .ext4, .exfat, .share].contains(self) }

        /// What this machine cannot mount is left out: `TargetPlaceTests` says so.
        static let allCases: [Kind] =
            [.directory] + (CardImage.isAvailable(.ext4) ? [.ext4] : [])
            + (CardImage.isAvailable(.exfat) ? [.exfat] : []) + (FaultyCard.isAvailable ? [.share] : [])
            + [.s3, .tus, .tusInOrder, .strictTus, .checkedTus, .plainTus]
    }

    let kind: Kind
    let target: any StorageTarget
    /// The same place without the right to write to it; `nil` where there is none.
    let denied: (any StorageTarget)?
    /// A place that is not there.
    let missing: any StorageTarget
    /// Bytes of a part, as small as the place takes them.
    let partSize: Int
    let bucket: String
    /// The tus server of this world.
    let server: TusServer?
    private let directory: TemporaryDirectory
    private let card: CardImage?
    let share: FaultyCard?
    private let make: @Sendable () throws -> any StorageTarget

    static let now: @Sendable () -> WallTime = {
        WallTime(millisecondsSince1970: Int64(Date().timeIntervalSince1970 * 1000))
    }

    /// For all tests: as in the agent, one thread for all buckets.
    static let transport = CurlTransport()

    /// - Parameter wholeLimit: bytes up to which an object goes in one request.
    init(_ kind: Kind, throughPort port: Int? = nil, wholeLimit: Int64 = 16 << 20) async throws {
        self.kind = kind
        let directory = try TemporaryDirectory()
        let bucket = "b" + UUID().uuidString.lowercased()
        (self.directory, self.bucket) = (directory, bucket)
        card = try Self.card(kind, directory)
        share = kind == .share ? try FaultyCard(in: directory) : nil
        try share?.mount(at: try directory.folder("mount"))
        try share?.behaveAsShare()
        server = try Self.server(kind, directory)
        partSize = kind == .s3 ? 5 << 20 : 64 << 10
        switch kind {
        case .directory, .ext4, .exfat, .share:
            let root = card?.mountPoint ?? share?.mountPoint ?? directory.path
            make = { DirectoryTarget(name: "target", root: root, wholeLimit: wholeLimit) }
            missing = DirectoryTarget(name: "target", root: root.appending("missing"))
            denied = nil
        case .s3:
            try await Self.makeBucket(bucket)
            make = { try Self.s3(bucket, port: port, wholeLimit: wholeLimit) }
            missing = try Self.s3(bucket + "x", port: port)
            denied = try Self.s3(bucket, port: port, secret: "wrong")
        case .tus, .tusInOrder, .strictTus, .checkedTus, .plainTus:
            let server = try #require(server)
            make = { Self.tus(server.url, server.tokenFile, wholeLimit: wholeLimit) }
            missing = Self.tus(server.url.replacing("/files", with: "/nothing"), server.tokenFile)
            denied = Self.tus(server.url, try directory.file("wrong-token", "wrong\n"))
        }
        target = try make()
    }

    /// The same place, as an agent sees it that was started again.
    func reopened() throws -> any StorageTarget { try make() }

    private static func card(_ kind: Kind, _ directory: TemporaryDirectory) throws -> CardImage? {
        let formats: [Kind: CardImage.Format] = [.ext4: .ext4, .exfat: .exfat]
        guard let format = formats[kind] else { return nil }
        let card = try CardImage(format, sizeBytes: 128 << 20, in: directory)
        try card.mount(at: try directory.folder("mount"))
        return card
    }

    private static func server(_ kind: Kind, _ directory: TemporaryDirectory) throws -> TusServer? {
        switch kind {
        case .directory, .ext4, .exfat, .share, .s3: nil
        case .tus: try TusServer(published: directory)
        case .tusInOrder: try TusServer(published: directory, "--no-concatenation")
        case .strictTus: try TusServer(strict: directory, "extensions creation termination expiration checksum")
        case .checkedTus: try TusServer(strict: directory, "downloads no")
        case .plainTus: try TusServer(strict: directory, "extensions creation", "ranges no")
        }
    }

    static func tus(_ url: String, _ tokenFile: RawPath?, wholeLimit: Int64 = 16 << 20) -> TusTarget {
        TusTarget(name: "target", url: url, tokenFile: tokenFile, transport: transport, wholeLimit: wholeLimit)
    }

    static func s3(
        _ bucket: String, port: Int? = nil, secret: String? = nil, lock: S3Lock? = nil, wholeLimit: Int64 = 16 << 20,
        now: @escaping @Sendable () -> WallTime = now
    ) throws -> S3Target {
        let server = try (lock == nil ? S3Server.shared : S3Server.ceph).get()
        let location = S3Location(
            endpoint: port.map { "http://127.0.0.1:\($0)" } ?? server.endpoint, region: server.region, bucket: bucket,
            prefix: "prefix/", isPathStyle: true, lock: lock)
        let variables = [
            "AWS_ACCESS_KEY_ID": server.accessKeyID, "AWS_SECRET_ACCESS_KEY": secret ?? server.secretAccessKey,
        ]
        return S3Target(
            name: "target", location: location,
            credentials: S3CredentialSource(.environment(variables), transport: transport, now: now),
            transport: transport, now: now, wholeLimit: wholeLimit, known: port.map { _ in openStackSwift })
    }

    /// What the server does, as `S3StoreTests` sees it do; a network that is broken on purpose sees no trials.
    private static var openStackSwift: S3KnownCapabilities {
        var capabilities = ScriptedWorld.capabilities(of: "aws")
        capabilities.refusesWrongObjectCRC64 = false
        return S3KnownCapabilities(capabilities: capabilities, triedAt: now())
    }

    enum Server { case openStackSwift, ceph }

    static func makeBucket(
        _ bucket: String, at server: Server = .openStackSwift, hasLocks: Bool = false
    ) async throws {
        let server = try (server == .ceph ? S3Server.ceph : S3Server.shared).get()
        let headers = hasLocks ? ["x-amz-bucket-object-lock-enabled": "true"] : [:]
        let signed = S3Signer.sign(
            S3Signer.Unsigned(
                method: "PUT", host: String(server.endpoint.dropFirst("http://".count)), path: [bucket],
                headers: headers, payload: digest(of: [])),
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

    var place: RawPath { card?.mountPoint ?? share?.mountPoint ?? directory.path }
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

extension UploadPlan {
    /// As the journal hands it on when the target has given these names.
    func given(object: String? = nil, parts: [Int: String] = [:]) -> UploadPlan {
        var plan = self
        plan.given = GivenNames(object: object, parts: parts)
        return plan
    }
}
