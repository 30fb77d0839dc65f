import EvidenceModel
import Foundation
import Synchronization

/// `status --follow`: prints what the agent's event stream tells, a line for each event.
struct StatusFollower {
    private let configuration: AgentConfiguration
    private let isJSON: Bool

    init(_ configuration: AgentConfiguration, json: Bool) {
        self.configuration = configuration
        isJSON = json
    }

    /// Ends when the agent does.
    ///
    /// - Throws: `CommandFailure` of an agent that is not there, or has stopped.
    func run() async throws {
        guard StationLock.holder(stateDirectory: configuration.stateDirectory) != nil else {
            throw CommandFailure(
                .unavailable, "no agent is running, so nothing changes",
                hint: "start it with: capture-agent run; or ask once, without --follow")
        }
        let client = AgentClient(configuration)
        defer { client.close() }
        let printer = EventPrinter(json: isJSON)
        try await client.follow { printer.take($0) }
        throw CommandFailure(
            .unavailable, "the agent has ended the stream of events", hint: "see with: capture-agent status")
    }
}

/// Prints each event as soon as its last line came.
private final class EventPrinter: Sendable {
    private let reader = Mutex(EventReader())
    private let isJSON: Bool

    init(json: Bool) {
        isJSON = json
    }

    func take(_ line: String) {
        guard let event = reader.withLock({ $0.read(line) }) else { return }
        FileHandle.standardOutput.write(Data(((isJSON ? event.jsonLine : event.line) + "\n").utf8))
    }
}

/// Puts lines of an event stream together (WHATWG HTML, 9.2.6); comments and fields that are not ours are left out.
struct EventReader {
    struct Event: Hashable {
        var name: String
        /// One JSON object.
        var data: String

        var jsonLine: String { "{\"event\":\"\(name)\",\"data\":\(data)}" }
    }

    private var name = ""
    private var data = ""

    /// The event that `line` completes.
    mutating func read(_ line: String) -> Event? {
        if line.isEmpty {
            defer { (name, data) = ("", "") }
            return name.isEmpty || data.isEmpty ? nil : Event(name: name, data: data)
        }
        if line.hasPrefix("event: ") { name = String(line.dropFirst(7)) }
        if line.hasPrefix("data: ") { data += line.dropFirst(6) }
        return nil
    }
}

extension EventReader.Event {
    /// What any of the events may hold.
    private struct Content: Decodable {
        var id, source, device, officer, state, reason, name, bay: String?
        var filesCollected, filesTotal, filesVerified: Int?
        var bytesPerSecond: Double?
    }

    /// The event for people.
    var line: String {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        guard let content = try? decoder.decode(Content.self, from: Data(data.utf8)) else { return jsonLine }
        var words = [content.bay ?? content.source, content.device, content.officer, content.name, content.id]
            .compactMap(\.self)
        if let state = content.state { words.append(state.replacing("_", with: " ")) }
        if let collected = content.filesCollected, let total = content.filesTotal {
            words.append("\(collected)/\(total) collected, \(content.filesVerified ?? 0)/\(total) verified")
        }
        if let rate = content.bytesPerSecond, rate > 0 { words.append("\(Text.bytes(Int64(rate)))/s") }
        if let reason = content.reason { words.append("— \(reason)") }
        return Text.printable("\(name): \(words.joined(separator: "  "))")
    }
}
