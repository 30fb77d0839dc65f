package import EvidenceModel
import Glibc
import Hummingbird
import HummingbirdCore
package import Logging
import NIOCore
import ServiceLifecycle

/// The console on a Unix socket: `<state_directory>/control.sock`. Who may open the socket may do everything; the
/// kernel says who he is.
///
/// It must be made by the process that holds the station's lock: a socket that lies there already is a dead agent's.
package struct ControlSocket: Service {
    /// Bytes of a socket's path (unix(7), `sun_path`, less the zero at its end).
    package static let mostPathBytes = 107
    /// Its owner and its group; who comes that far the state directory's own mode decides.
    private static let mode: mode_t = 0o660
    private static let heartbeatSeconds = 15.0

    /// What no client gets more of.
    package struct Limits: Sendable {
        /// Connections at once; those that come after them wait until one is closed.
        package var connections = 64
        /// From a connection's beginning, or from its last answer's end, to the end of the next request.
        package var requestSeconds = 5.0
        /// That a connection may be full without its client reading anything.
        package var stallSeconds = 10.0
        /// To read what was told last, when the agent stops.
        package var drainSeconds = 1.0

        package init() {}
    }

    private let path: String
    private let routes: ConsoleRoutes
    private let hub: EventHub
    private let limits: Limits
    private let logger: Logger

    /// - Throws: `ControlSocketError` where no socket can be at `path`.
    package init(
        path: RawPath, station: any ConsoleStation, hub: EventHub, limits: Limits = Limits(), logger: Logger
    ) throws(ControlSocketError) {
        guard let text = path.text, path.bytes.count <= Self.mostPathBytes else {
            throw ControlSocketError(
                sentence: "the control socket \(path.display) has a path of \(path.bytes.count) bytes, "
                    + "\(Self.mostPathBytes) bytes of UTF-8 are the most", isPath: true)
        }
        self.path = text
        self.hub = hub
        self.limits = limits
        routes = ConsoleRoutes(station: station, hub: hub)
        var logger = logger
        // What the server itself has to say is about its own bookkeeping.
        logger.logLevel = .warning
        self.logger = logger
    }

    /// Serves until the graceful shutdown; event streams are told, and what a client does not take in a second he
    /// does not get. The socket is then gone.
    ///
    /// - Throws: `ControlSocketError` where the socket cannot be made.
    package func run() async throws {
        try removeOld()
        let connections = OpenConnections()
        defer { unlink(path) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await drain(connections) }
            group.addTask { await beat() }
            defer { group.cancelAll() }
            do {
                try await application(connections).run()
            } catch let error as IOError {
                throw ControlSocketError(sentence: "the control socket \(path) cannot be made: \(error)")
            }
        }
    }

    private func application(_ connections: OpenConnections) -> some ApplicationProtocol {
        let (path, limits, logger) = (path, limits, logger)
        let decoder = HTTP1Channel.Configuration.DecoderConfiguration(
            maxHeaderFieldSize: 8 << 10, maxHeaderListSize: 16 << 10, maxHeaderFieldCount: 64)
        let channel = HTTP1Channel.Configuration(
            additionalChannelHandlers: [ConnectionGuard(connections, limits)], httpDecoderConfiguration: decoder)
        return Application(
            router: routes.router(), server: .http1(configuration: channel),
            configuration: ApplicationConfiguration(
                address: .unixDomainSocket(path: path), backlog: limits.connections,
                availableConnectionsDelegate: .maximum(limits.connections, logger: logger)),
            onServerRunning: { _ in
                guard chmod(path, Self.mode) == 0 else {
                    logger.error("the control socket's mode cannot be set", metadata: ["path": "\(path)"])
                    return
                }
            }, logger: logger)
    }

    /// What a dead agent left; anything else at that place is not ours to remove.
    private func removeOld() throws {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            throw ControlSocketError(sentence: "\(path) is there and is no socket")
        }
        guard unlink(path) == 0 || errno == ENOENT else {
            throw ControlSocketError(sentence: "the old control socket \(path) cannot be removed: errno \(errno)")
        }
    }

    private func drain(_ connections: OpenConnections) async {
        guard (try? await gracefulShutdown()) != nil else { return }
        hub.close()
        try? await Task.sleep(for: .seconds(limits.drainSeconds))
        connections.closeAll()
    }

    private func beat() async {
        while (try? await Task.sleep(for: .seconds(Self.heartbeatSeconds))) != nil { hub.publishHeartbeat() }
    }
}

/// Why there is no control socket: a sentence without a full stop.
package struct ControlSocketError: Error, Sendable, Hashable, CustomStringConvertible {
    package var sentence: String
    /// Its place itself is impossible.
    package var isPath = false

    package var description: String { sentence }
}
