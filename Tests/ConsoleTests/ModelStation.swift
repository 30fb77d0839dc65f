import Console
import EvidenceModel
import Logging
import ServiceLifecycle
import StationTesting
import Synchronization

/// A station that answers at once, and remembers what it was asked.
final class ModelStation: ConsoleStation {
    private let asked = Mutex<[String]>([])

    var orders: [String] { asked.withLock { $0 } }

    private func answer(_ order: String) -> String {
        asked.withLock { $0.append(order) }
        return "{\"order\":\"\(order)\"}"
    }

    func status() -> String { "{\"station\":\"model\"}" }
    func devices() -> String { "{\"devices\":[]}" }
    func assign(_ order: DeviceOrder, to serial: String, by user: String) -> String {
        answer("\(serial) \(order.officer) \(order.from ?? "-") \(user)")
    }
    func hold(_ recording: String, _ order: HoldOrder, by user: String) throws(ConsoleProblem) -> String {
        if recording == "none" {
            throw ConsoleProblem(404, "not found", "there is no \"none\"", code: "no_input", hint: "look for it")
        }
        return answer("hold \(recording) \(order.reason) \(user)")
    }
    func release(_ hold: Int64, of recording: String, reason: String?, by user: String) -> String {
        answer("release \(hold) \(recording) \(reason ?? "-") \(user)")
    }
    func checkReadiness() {}
}

/// The console on a socket of its own, for the length of one test.
struct TestConsole {
    let station = ModelStation()
    let hub = EventHub {}
    let folder: TemporaryDirectory
    var path: RawPath { folder.path.appending("control.sock") }

    let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    init() throws {
        folder = try TemporaryDirectory()
    }

    /// Serves while `body` runs, then stops gracefully.
    func serve(
        _ limits: ControlSocket.Limits = .init(), _ body: () async throws -> Void = {}
    ) async throws {
        let socket = try ControlSocket(path: path, station: station, hub: hub, limits: limits, logger: quiet)
        let services = ServiceGroup(configuration: .init(services: [socket], logger: quiet))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await services.run() }
            do {
                _ = try await SocketClient.connecting(to: path)
                try await body()
            } catch {
                await services.triggerGracefulShutdown()
                throw error
            }
            await services.triggerGracefulShutdown()
            try await group.next()
        }
    }

    /// One request on a connection of its own; status line, headers and body as they came. A connection that was closed
    /// before the request was read, which a slow machine may do, is made again.
    func ask(_ method: String, _ path: String, _ body: String = "") async throws -> String {
        for _ in 0..<20 {
            let client = try await SocketClient.connecting(to: self.path)
            client.send(
                "\(method) \(path) HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                    + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
            let answer = await client.read()
            if !answer.isEmpty { return answer }
        }
        return ""
    }

    /// A client that reads the event stream; it is a listener when this returns.
    func listen() async throws -> SocketClient {
        let client = try await SocketClient.connecting(to: path)
        client.send("GET /api/v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
        _ = await client.read { $0.contains("\r\n\r\n") }
        return client
    }
}
