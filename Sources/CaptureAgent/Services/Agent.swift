import Console
import EvidenceModel
import FileAccess
import Foundation
import Logging
import MediaProbe
import ServiceLifecycle
import Synchronization
import UnixSignals

/// The agent: its services, wired together by bells.
///
///     WatchService ─ collected ▶ DescribeService ─ described ▶ UploadService
///
/// A bell says only that there may be something new; what there is stands in the database.
struct Agent: Sendable {
    private let station: Station
    private let services: [ServiceGroupConfiguration.ServiceConfiguration]
    private let result = OnceResult()
    /// Beside one for each core: so many devices may hang before others wait for them.
    private static let hangingWorkers = 2

    /// - Parameter once: ends when what the sources hold now is verified, or cannot be for now.
    init(station: Station, once: Bool) throws {
        StationProcess.ignoreBrokenPipesAndLeases()
        StationProcess.boundMemory()
        self.station = station
        let content = StationContent(station: station)
        let describeBell = Bell()
        let board = RootBoard()
        let targets = station.configuration.targets.map {
            ConfiguredTarget(
                $0, retentionDays: station.configuration.retentionDays,
                memory: StationCapabilities(view: StationView(station), station: station))
        }
        let uploads = UploadService(station: station, content: content, targets: targets)
        let hooks = station.runsPrograms ? try AttachHooks() : nil
        let watch = WatchService(station: station, board: board, hooks: hooks, targets: targets.map(\.target)) {
            describeBell.ring()
        }
        let prober = try MediaProber(
            worker: MediaProber.defaultWorkerPath(),
            workers: ProcessInfo.processInfo.activeProcessorCount + Self.hangingWorkers,
            logger: station.logger)
        let describe = DescribeService(
            station: station, content: content, prober: prober,
            posters: PosterStore(station.configuration), bell: describeBell
        ) {
            uploads.wake()
        }
        let feed = EventFeed(station: station)
        let socket: ControlSocket
        do throws(ControlSocketError) {
            socket = try ControlSocket(
                path: station.configuration.controlSocketPath, station: StationConsole(station: station),
                hub: feed.hub, logger: station.logger)
        } catch {
            throw CommandFailure(error)
        }
        var services: [any Service] = [uploads, describe, watch, feed]
        services.append(
            CareService(
                station: station, targets: zip(targets, uploads.dispatchers).map { ($0.target, $1) }))
        if let hooks, station.runsProgramsForUSB {
            services.append(USBService(station: station, hooks: hooks))
        }
        // The last one is the first to end: nothing is ordered any more from an agent that stops.
        services.append(socket)
        if Terminal.standard.isInteractive { services.append(ProgressService(view: StationView(station))) }
        var configured = services.map { ServiceGroupConfiguration.ServiceConfiguration(service: $0) }
        if once {
            let service = OnceService(station: station, board: board, result: result)
            configured.append(.init(service: service, successTerminationBehavior: .gracefullyShutdownGroup))
        }
        // Told first of all that the end has begun.
        configured.append(.init(service: StopGuard(result: result, logger: station.logger)))
        self.services = configured
    }

    /// Works until SIGTERM or SIGINT, or until `once` is over; what that came to.
    func run() async throws -> OnceJudge.Verdict? {
        try await station.begin()
        var logger = station.logger
        // What the group itself has to say is about its own bookkeeping.
        logger.logLevel = .warning
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: services, gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
        try await group.run()
        return result.verdict
    }
}

/// What `run --once` came to.
final class OnceResult: Sendable {
    private let stored = Mutex<OnceJudge.Verdict?>(nil)

    var verdict: OnceJudge.Verdict? { stored.withLock { $0 } }
    func set(_ verdict: OnceJudge.Verdict) { stored.withLock { $0 = verdict } }
}
