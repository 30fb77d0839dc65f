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

    init(_ configuration: AgentConfiguration.Target) {
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
                isPathStyle: s3.isPathStyle)
            let origin: S3CredentialSource.Origin =
                s3.credentialsFile.map { .file($0) } ?? .environment(ProcessInfo.processInfo.environment)
            let bucket = S3Target(
                name: configuration.name, location: location, credentials: S3CredentialSource(origin),
                transport: MeteredTransport(transport), now: { Station.now() })
            target = bucket
            self.transport = transport
            clockOffset = { bucket.clockOffsetSeconds }
        }
    }
}
