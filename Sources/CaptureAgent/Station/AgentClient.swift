import Console
import CurlTransport
import EvidenceModel
import Foundation
import Logging
import Synchronization
import SyncEngine

/// Asks the agent that holds the station, over its control socket.
struct AgentClient: Sendable {
    private let transport: CurlTransport
    private let socket: RawPath

    private static let patienceSeconds = 60

    init(_ configuration: AgentConfiguration) {
        socket = configuration.controlSocketPath
        transport = CurlTransport(socket: socket.display)
    }

    func close() { transport.close() }

    func put<Report: Decodable>(_ path: [String], _ order: some Encodable) async throws -> Report {
        try await send("PUT", path, body: JSONText.encode(order))
    }

    func post<Report: Decodable>(_ path: [String], _ order: some Encodable) async throws -> Report {
        try await send("POST", path, body: JSONText.encode(order))
    }

    func delete<Report: Decodable>(_ path: [String], query: [(String, String)]) async throws -> Report {
        try await send("DELETE", path, query: query)
    }

    private func send<Report: Decodable>(
        _ method: String, _ path: [String], query: [(String, String)] = [], body: String = ""
    ) async throws -> Report {
        let request = HTTPRequest(
            method: method, url: Self.url(path, query), headers: [("Content-Type", "application/json")],
            body: Array(body.utf8), patience: .seconds(Self.patienceSeconds))
        let answer: HTTPResponse
        do throws(TransportFailure) { answer = try await transport.perform(request) } catch { throw failure(error) }
        if let problem = Self.problem(answer) { throw problem }
        return try JSONDecoder().decode(Report.self, from: Data(answer.body))
    }

    /// Hands every line of the event stream to `receive`, until the agent ends it.
    func follow(_ receive: @escaping @Sendable (String) -> Void) async throws(CommandFailure) {
        let lines = LineReader(receive)
        let request = HTTPRequest(method: "GET", url: Self.url(["events"], []), patience: .endless)
        let answer: HTTPResponse
        do { answer = try await transport.stream(request) { lines.take($0) } } catch { throw failure(error) }
        if let problem = Self.problem(answer) { throw problem }
    }

    private static func url(_ path: [String], _ query: [(String, String)]) -> String {
        let names = path.map(escaped).joined(separator: "/")
        let items = query.map { "\(escaped($0.0))=\(escaped($0.1))" }.joined(separator: "&")
        return "http://localhost/api/v1/\(names)" + (items.isEmpty ? "" : "?" + items)
    }

    /// RFC 3986, 2.3: everything but unreserved characters.
    private static func escaped(_ text: String) -> String {
        let unreserved = CharacterSet(charactersIn: "A"..."Z").union(CharacterSet(charactersIn: "a"..."z"))
            .union(CharacterSet(charactersIn: "0"..."9")).union(CharacterSet(charactersIn: "-._~"))
        return text.addingPercentEncoding(withAllowedCharacters: unreserved) ?? ""
    }

    private static func problem(_ answer: HTTPResponse) -> CommandFailure? {
        guard answer.status >= 400 else { return nil }
        if let problem = try? JSONDecoder().decode(ConsoleProblem.self, from: Data(answer.body)) {
            return CommandFailure(problem)
        }
        return CommandFailure(
            .unavailable, "the agent answered with status \(answer.status)", hint: "look at the agent's log")
    }

    private func failure(_ failure: TransportFailure) -> CommandFailure {
        switch failure.kind {
        case .unreachable:
            CommandFailure(
                .unavailable,
                "the agent cannot be reached over its control socket \(socket.display): \(failure.sentence)",
                hint: "it may be starting or stopping: try again; else run as a user who may open the socket")
        case .certificate, .interrupted, .cancelled:
            CommandFailure(
                .unavailable, "the agent did not answer on \(socket.display): \(failure.sentence)",
                hint: "see with the status and show commands whether it was done, and try again")
        }
    }
}

/// Cuts pieces of a stream into lines.
private final class LineReader: Sendable {
    private let rest = Mutex<[UInt8]>([])
    private let receive: @Sendable (String) -> Void

    init(_ receive: @escaping @Sendable (String) -> Void) {
        self.receive = receive
    }

    func take(_ bytes: [UInt8]) {
        let lines = rest.withLock { rest in
            rest += bytes
            var pieces = rest.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            rest = pieces.popLast().map(Array.init) ?? []
            return pieces.map { String(decoding: $0, as: UTF8.self) }
        }
        for line in lines { receive(line) }
    }
}

/// A change of the station, ordered by a command.
struct StationChange<Report: Sendable> {
    /// Asks the agent that runs.
    let byAgent: (AgentClient) async throws -> Report
    /// Does it with the station in hand; the second is who ordered it.
    let byHand: (Station, String) async throws -> Report

    /// By the agent where one holds the station, else here, under the station's lock.
    func carryOut(_ configuration: AgentConfiguration, logger: Logger) async throws -> Report {
        if StationLock.holder(stateDirectory: configuration.stateDirectory) != nil {
            let client = AgentClient(configuration)
            defer { client.close() }
            return try await byAgent(client)
        }
        let station = try Station.open(configuration, logger: logger)
        defer { station.database.close() }
        return try await byHand(station, ownUserLabel)
    }
}
