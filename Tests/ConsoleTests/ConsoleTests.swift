import EvidenceModel
import Foundation
import StationTesting
import Testing

@testable import Console

@Suite(.timeLimit(.minutes(2)))
struct ConsoleTests {
    private let console: TestConsole

    init() throws {
        console = try TestConsole()
    }

    @Test func ordersReachTheStationWithWhoGaveThem() async throws {
        let user = ownUserLabel
        try await console.serve {
            #expect(try await console.ask("GET", "/api/v1/status").hasSuffix("{\"station\":\"model\"}"))
            #expect(try await console.ask("GET", "/healthz").hasPrefix("HTTP/1.1 200"))
            #expect(try await console.ask("GET", "/readyz").hasPrefix("HTTP/1.1 200"))
            let order = #"{"officer":"07","from":"2026-11-01","later":1}"#
            #expect(try await console.ask("PUT", "/api/v1/devices/K%2F1", order).hasPrefix("HTTP/1.1 200"))
            let held = try await console.ask("POST", "/api/v1/recordings/a/holds", #"{"reason":"court"}"#)
            #expect(held.hasPrefix("HTTP/1.1 201"))
            _ = try await console.ask("DELETE", "/api/v1/recordings/a/holds/7?reason=it%20is%20over")
        }
        #expect(
            console.station.orders == [
                "K/1 07 2026-11-01 \(user)", "hold a court \(user)", "release 7 a it is over \(user)",
            ])
    }

    @Test(arguments: [
        ("GET", "/api/v1/nothing", "", 404, "no_input"), ("GET", "/", "", 404, "no_input"),
        ("PUT", "/api/v1/devices/%FF", "{}", 400, "usage"), ("PUT", "/api/v1/devices/K1", "{", 400, "usage"),
        ("PUT", "/api/v1/devices/K1", "{}", 400, "usage"),
        ("PUT", "/api/v1/devices/K1", String(repeating: " ", count: 20_000), 413, "usage"),
        ("DELETE", "/api/v1/recordings/a/holds/x", "", 400, "usage"),
        ("POST", "/api/v1/recordings/none/holds", #"{"reason":"r"}"#, 404, "no_input"),
    ])
    func whatCannotBeDoneIsAProblem(
        _ method: String, _ path: String, _ body: String, _ status: Int, _ code: String
    ) async throws {
        try await console.serve {
            let answer = try await console.ask(method, path, body)
            #expect(answer.hasPrefix("HTTP/1.1 \(status)"))
            #expect(answer.lowercased().contains("content-type: application/problem+json"))
            let json = try #require(answer.components(separatedBy: "\r\n\r\n").last)
            let problem = try JSONDecoder().decode(ConsoleProblem.self, from: Data(json.utf8))
            #expect(
                problem.status == status && problem.code == code && !problem.detail.isEmpty && !problem.hint.isEmpty)
        }
        #expect(console.station.orders.isEmpty)
    }

    @Test(arguments: [
        "GET /healthz HTTP/1.1\r\nX: \(String(repeating: "x", count: 20_000))\r\n\r\n",
        "GET /healthz HTTP/1.1\r\n\(String(repeating: "X: y\r\n", count: 200))\r\n", "\0\0\0\0\r\n\r\n",
        "GET /healthz HTTP/9.9\r\n\r\n",
    ])
    func whatIsNoRequestEndsTheConnection(_ bytes: String) async throws {
        try await console.serve {
            let client = try await SocketClient.connecting(to: console.path)
            client.send(bytes)
            let answer = await client.read()
            #expect(answer.isEmpty || answer.hasPrefix("HTTP/1.1 400"))
            #expect(try await console.ask("GET", "/healthz").hasPrefix("HTTP/1.1 200"))
        }
    }

    @Test(arguments: [
        "", "GET /heal", "PUT /api/v1/devices/K HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{",
    ])
    func aRequestThatIsNotFinishedEndsTheConnection(_ bytes: String) async throws {
        var limits = ControlSocket.Limits()
        limits.requestSeconds = 0.2
        try await console.serve(limits) {
            let client = try await SocketClient.connecting(to: console.path)
            client.send(bytes)
            #expect(await client.read().isEmpty)
        }
    }

    @Test func twoHundredIdleConnectionsKeepNobodyOut() async throws {
        var limits = ControlSocket.Limits()
        limits.requestSeconds = 1
        try await console.serve(limits) {
            let console = console
            let idle = try await withThrowingTaskGroup { group in
                for _ in 0..<200 { group.addTask { try await SocketClient.connecting(to: console.path) } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            for client in idle { client.send("GET /") }
            #expect(try await console.ask("GET", "/healthz").hasPrefix("HTTP/1.1 200"))
            #expect(idle.count == 200)
        }
    }

    @Test func aSocketOfADeadAgentIsReplacedAndGoesAtTheEnd() async throws {
        try await console.serve()
        #expect(!FileManager.default.fileExists(atPath: console.path.display))
        let descriptor = try boundSocket()
        close(descriptor)
        #expect(FileManager.default.fileExists(atPath: console.path.display))
        try await console.serve {
            #expect(try await console.ask("GET", "/healthz").hasPrefix("HTTP/1.1 200"))
            let mode = try FileManager.default.attributesOfItem(atPath: console.path.display)[.posixPermissions]
            #expect(mode as? Int == 0o660)
        }
    }

    private func boundSocket() throws -> Int32 {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: console.path.bytes) }
        let answer = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(answer == 0)
        return descriptor
    }

    @Test func aFileAtTheSocketsPlaceStays() async throws {
        try console.folder.file("control.sock", "mine")
        let logger = console.quiet
        let socket = try ControlSocket(path: console.path, station: console.station, hub: console.hub, logger: logger)
        await #expect(throws: ControlSocketError.self) { try await socket.run() }
        #expect(try String(contentsOfFile: console.path.display, encoding: .utf8) == "mine")
    }

    @Test func aPathThatIsTooLongIsRefusedBeforeAnythingStarts() throws {
        func make(_ length: Int) throws(ControlSocketError) {
            let path = RawPath("/" + String(repeating: "p", count: length - 1))
            _ = try ControlSocket(path: path, station: console.station, hub: console.hub, logger: console.quiet)
        }
        try make(107)
        let error = #expect(throws: ControlSocketError.self) { try make(108) }
        #expect(error?.isPath == true && error?.sentence.contains("108 bytes, 107") == true)
    }
}
