import CurlTransport
import EvidenceModel
import Foundation
import StationTesting
import Testing

@testable import SyncEngine

/// A dispatcher before a store that breaks on command, and recordings of five small parts or of one.
struct ScriptedWorld {
    static let partSize = 64 << 10

    let store: ScriptedStore
    let target: S3Target

    /// - Parameters:
    ///   - credentials: those of the store, unless it is about others.
    ///   - secondsAhead: of the station's clock.
    ///   - isKnown: what the store does is known; else it is tried out at the first use.
    ///   - lock: of every object, in a bucket that keeps locks.
    init(
        profile: String = "aws", credentials: S3CredentialSource.Origin = .environment(ScriptedStore.keys),
        secondsAhead: Double = 0, isKnown: Bool = true, lock: S3Lock? = nil
    ) throws {
        store = try ScriptedStore(profile: profile)
        var capabilities = Self.capabilities(of: profile)
        capabilities.keepsLocks = lock != nil
        let now: @Sendable () -> WallTime = { TargetWorld.now().adding(seconds: secondsAhead) }
        let known = S3KnownCapabilities(capabilities: capabilities, triedAt: now())
        target = S3Target(
            name: "target",
            location: S3Location(
                endpoint: store.endpoint, region: "us-east-1", bucket: ScriptedStore.bucket, prefix: "prefix/",
                isPathStyle: true, lock: lock),
            credentials: S3CredentialSource(credentials, transport: TargetWorld.transport, now: TargetWorld.now),
            transport: TargetWorld.transport, now: now, wholeLimit: Int64(Self.partSize), known: isKnown ? known : nil)
    }

    /// What the scripted store of a profile does, as `S3StoreTests` sees it do.
    static func capabilities(of profile: String) -> S3Capabilities {
        var store = S3Capabilities(
            refusesWrongSHA256: true, refusesWrongMD5: true, refusesWrongCRC64: true, refusesWrongObjectCRC64: true,
            namesByMD5: true, refusesSecondObject: true, replacesParts: true, pagesParts: true, tellsTime: true,
            keepsLocks: false, isDoubtful: false)
        if ["r2", "ceph16", "rclone"].contains(profile) {
            (store.refusesWrongCRC64, store.refusesWrongObjectCRC64) = (false, false)
        }
        if profile == "rclone" {
            (store.refusesWrongSHA256, store.refusesSecondObject, store.replacesParts) = (false, false, false)
        }
        return store
    }

    static func parts(_ seed: UInt64) -> SampleRecording {
        SampleRecording(seed: seed, size: 5 * partSize - 100, partSize: partSize)
    }
    static func whole(_ seed: UInt64) -> SampleRecording {
        SampleRecording(seed: seed, size: 5000, partSize: partSize)
    }

    /// Works until everything is verified or parked.
    func work(_ station: UploadStation) async throws {
        try await station.dispatching(to: target) { await station.passTime(until: \.isDone) }
    }

    /// Three of five parts are acknowledged, and the agent has ended.
    func interrupted(_ station: UploadStation) async throws {
        try store.tell("fault UploadPart#4 * status 503")
        try store.tell("fault UploadPart#5 * status 503")
        try await station.dispatching(to: target) { await station.until { $0.uploads[0].tags.count == 3 } }
        try store.tell("clear")
        try store.tell("settled")
    }

    /// Nothing but these recordings is in the store, each as it was collected, and no upload is open but `open` that the
    /// station cannot know.
    func expect(
        _ samples: [SampleRecording], _ station: UploadStation, open: Int = 0, _ what: Comment,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let (witness, contents) = (try store.witness(), station.contents)
        let stored = witness.objects.map(\.sha256).sorted()
        #expect(stored == samples.map(\.content.digest.hex).sorted(), what, sourceLocation: sourceLocation)
        #expect(contents.verified.count == samples.count, what, sourceLocation: sourceLocation)
        #expect(contents.parked.isEmpty, what, sourceLocation: sourceLocation)
        #expect(witness.uploads.count <= open, what, sourceLocation: sourceLocation)
    }

    /// Bytes of parts that the store took beyond `size`.
    func bytesAgain(_ size: Int64) throws -> Int {
        try (Int(store.tell("taken")) ?? 0) - Int(size)
    }
}
