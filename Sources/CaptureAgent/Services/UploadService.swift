import CurlTransport
import EvidenceModel
import FileAccess
import Foundation
import Logging
import MediaIndex
import ServiceLifecycle
import SyncEngine

/// Works off the queues of all targets.
struct UploadService: Service {
    let dispatchers: [UploadDispatcher]
    private let transports: [CurlTransport]

    init(station: Station, content: StationContent, targets: [ConfiguredTarget]) {
        let configuration = station.configuration
        let zone = configuration.station.zone
        let bandwidth = Bandwidth(
            all: configuration.upload.bandwidth,
            each: Dictionary(configuration.targets.map { ($0.name, $0.bandwidth) }) { $1 },
            ignoring: configuration.upload.ignoringLimits, offsetSeconds: zone.offsetSeconds)
        var surroundings = UploadDispatcher.Surroundings(
            source: content, store: StationStore(station: station),
            memory: Budget(configuration.upload.profile.memoryBytes), clock: ContinuousClock(), now: { Station.now() },
            luck: { Double.random(in: 0...1) }, logger: station.logger, bandwidth: bandwidth)
        surroundings.transfers = station.transfers
        let shared = surroundings
        transports = targets.compactMap(\.transport)
        dispatchers = targets.map {
            UploadDispatcher(
                target: $0.target, surroundings: shared, requestsAtOnce: $0.requestsAtOnce,
                clockOffset: $0.clockOffset)
        }
    }

    func wake() {
        for dispatcher in dispatchers { dispatcher.wake() }
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                for dispatcher in dispatchers { group.addTask { await dispatcher.run() } }
            }
        }
        for transport in transports { transport.close() }
    }
}

/// A target as the configuration names it, ready to be used.
struct ConfiguredTarget: Sendable {
    let target: any StorageTarget
    let transport: CurlTransport?
    let clockOffset: @Sendable () -> Double?
    /// At most.
    let requestsAtOnce: Int

    /// - Parameters:
    ///   - retentionDays: how long objects are locked, where the target locks them.
    ///   - memory: what is known of stores.
    init(_ configuration: AgentConfiguration.Target, retentionDays: Int, memory: StationCapabilities) {
        requestsAtOnce = configuration.requestsAtOnce
        switch configuration.place {
        case .directory(let path):
            target = DirectoryTarget(name: configuration.name, root: path)
            transport = nil
            clockOffset = { nil }
        case .tus(let tus):
            let transport = CurlTransport(caFile: tus.caFile)
            target = TusTarget(
                name: configuration.name, url: tus.url, tokenFile: tus.tokenFile, transport: transport)
            self.transport = transport
            clockOffset = { nil }
        case .s3(let s3):
            let transport = CurlTransport(caFile: s3.caFile)
            let location = S3Location(
                endpoint: s3.endpoint, region: s3.region, bucket: s3.bucket, prefix: s3.prefix,
                isPathStyle: s3.isPathStyle,
                lock: s3.lockMode.map { S3Lock(mode: $0, days: retentionDays) })
            let bucket = S3Target(
                name: configuration.name, location: location,
                credentials: S3CredentialSource(
                    Self.origin(s3), transport: transport, now: { Station.now() }),
                transport: MeteredTransport(transport), now: { Station.now() }, memory: memory)
            target = bucket
            self.transport = transport
            clockOffset = { bucket.clockOffsetSeconds }
        }
    }

    private static func origin(_ s3: AgentConfiguration.Target.S3) -> S3CredentialSource.Origin {
        if let file = s3.credentialsFile { return .file(file) }
        let environment = ProcessInfo.processInfo.environment
        if s3.hasInstanceCredentials { return .service(.instance(environment)) }
        return .environment(environment)
    }
}
