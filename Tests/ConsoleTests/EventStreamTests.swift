import EvidenceModel
import Foundation
import StationTesting
import Testing

@testable import Console

@Suite(.timeLimit(.minutes(2)))
struct EventStreamTests {
    private let console: TestConsole

    init() throws {
        console = try TestConsole()
    }

    private func event(_ name: String, bytes: Int = 1) -> ConsoleEvent {
        ConsoleEvent(name: name, json: "{\"x\":\"\(String(repeating: "x", count: bytes))\"}")
    }

    @Test func whoComesHearsEverythingAndThenWhatChanges() async throws {
        try await console.serve {
            let first = try await console.listen()
            console.hub.publish([event("change-1")], everything: [event("all-1")])
            _ = await first.read { $0.contains("all-1") }
            let second = try await console.listen()
            console.hub.publish([event("change-2")], everything: [event("all-2")])
            let heard = (
                await first.read { $0.contains("change-2") }, await second.read { $0.contains("all-2") }
            )
            #expect(!heard.0.contains("change-1") && !heard.0.contains("all-2"))
            #expect(!heard.1.contains("change-2"))
            #expect(heard.0.contains("event: change-2\ndata: {\"x\":\"x\"}\n\n"))
            #expect(heard.0.lowercased().contains("content-type: text/event-stream"))
        }
    }

    @Test func aSignOfLifeIsAComment() async throws {
        try await console.serve {
            let client = try await console.listen()
            console.hub.publishHeartbeat()
            #expect(await client.read { $0.contains(": still here\n\n") }.contains(": still here\n\n"))
        }
    }

    @Test func whoDoesNotKeepUpIsTold() async throws {
        try await console.serve {
            let client = try await console.listen()
            let many = Array(repeating: event("dock"), count: EventHub.mostWaiting + 100)
            console.hub.publish(many, everything: many)
            let heard = await client.read { $0.contains("event: dropped") }
            #expect(heard.contains("event: dropped\ndata: {\"reason\":\""))
            #expect(!console.hub.isHeard)
        }
    }

    @Test func whoReadsNothingIsCutOff() async throws {
        var limits = ControlSocket.Limits()
        limits.stallSeconds = 0.2
        try await console.serve(limits) {
            let client = try await console.listen()
            // More than the kernel keeps for a socket, and less than a listener's queue.
            let large = Array(repeating: event("dock", bytes: 8 << 10), count: 400)
            console.hub.publish(large, everything: large)
            while console.hub.isHeard { try await Task.sleep(for: .milliseconds(1)) }
            let heard = await client.read()
            #expect(heard.components(separatedBy: "event: dock").count < 400)
        }
    }

    @Test func anOpenStreamIsToldOfTheEndAndDoesNotDelayIt() async throws {
        let listeners = Listeners()
        var limits = ControlSocket.Limits()
        // Only the end of draining can close the one that sleeps; without it the console would serve for ever.
        limits.stallSeconds = 3600
        try await console.serve(limits) {
            listeners.reader = try await console.listen()
            listeners.sleeper = try await console.listen()
            let large = Array(repeating: event("dock", bytes: 8 << 10), count: 400)
            console.hub.publish([], everything: [])
            _ = try await console.ask("GET", "/healthz")
            console.hub.publish(large, everything: large)
        }
        let heard = try #require(await listeners.reader?.read())
        #expect(heard.contains("event: dock"))
        #expect(!FileManager.default.fileExists(atPath: console.path.display))
    }

    private final class Listeners {
        var reader: SocketClient?
        var sleeper: SocketClient?
    }

    @Test func aStreamEndsWithTheReason() async throws {
        let listeners = Listeners()
        try await console.serve { listeners.reader = try await console.listen() }
        let heard = try #require(await listeners.reader?.read())
        #expect(heard.contains("event: closing\ndata: {\"reason\":\"the agent is stopping\"}\n\n"))
    }

    @Test func thereAreOnlySoManyListeners() throws {
        let hub = EventHub {}
        let listening = try (0..<EventHub.mostListeners).map { _ in try hub.listen() }
        let problem = #expect(throws: ConsoleProblem.self) { try hub.listen() }
        #expect(problem?.status == 503)
        hub.leave(listening[0])
        _ = try hub.listen()
        hub.close()
        #expect(throws: ConsoleProblem.self) { try hub.listen() }
    }
}
