import CurlTransport
import EvidenceModel
import Foundation
import StationTesting
import SyncEngine
import Testing

@Suite("TLS", .timeLimit(.minutes(1)), .enabled(if: Tool.path(of: "openssl") != nil, "needs the openssl program"))
struct TLSTests {
    /// Two certificates for 127.0.0.1, each signed by itself, and a server that shows the first.
    private struct World {
        let directory: TemporaryDirectory
        let server: Companion
        let port: Int

        init(host: String = "IP:127.0.0.1") throws {
            let directory = try TemporaryDirectory()
            self.directory = directory
            for name in ["right", "wrong"] {
                try Tool.run(
                    "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "2", "-subj", "/CN=\(name)", "-addext", "subjectAltName=\(host)",
                    "-keyout", "\(directory.path.display)/\(name).key", "-out", "\(directory.path.display)/\(name).pem")
            }
            let folder = directory.path.display
            server = try Companion(
                "openssl", "s_server", "-accept", "127.0.0.1:0", "-key", "\(folder)/right.key", "-cert",
                "\(folder)/right.pem", "-www", beginsWith: "ACCEPT ")
            port = try #require(server.greeting.split(separator: ":").last.flatMap { Int($0) })
        }

        func get(trusting name: String?) async throws(TransportFailure) -> HTTPResponse {
            let transport = CurlTransport(caFile: name.map { "\(directory.path.display)/\($0).pem" })
            defer { transport.close() }
            return try await transport.perform(HTTPRequest(method: "GET", url: "https://127.0.0.1:\(port)/"))
        }
    }

    @Test func theRightCertificateIsTaken() async throws {
        let world = try World()
        #expect(try await world.get(trusting: "right").status == 200)
    }

    @Test(arguments: ["wrong", nil, "missing"] as [String?])
    func noOtherIs(_ name: String?) async throws {
        let world = try World()
        let failure = await #expect(throws: TransportFailure.self) { try await world.get(trusting: name) }
        #expect(failure?.kind == .certificate)
    }

    @Test func aCertificateOfAnotherHostIsNot() async throws {
        let world = try World(host: "DNS:other.example.org")
        let failure = await #expect(throws: TransportFailure.self) { try await world.get(trusting: "right") }
        #expect(failure?.kind == .certificate)
    }

    @Test func aServerThatSpeaksNoTLSIsUnreachable() async throws {
        let server = try LocalServer { connection in
            connection.answer("400 Bad Request")
            connection.waitForEnd()
        }
        let transport = CurlTransport()
        defer { transport.close() }
        let failure = await #expect(throws: TransportFailure.self) {
            try await transport.perform(HTTPRequest(method: "GET", url: "https://127.0.0.1:\(server.port)/"))
        }
        #expect(failure?.kind == .unreachable)
    }
}
