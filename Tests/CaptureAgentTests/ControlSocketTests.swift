import EvidenceModel
import Foundation
import StationTesting
import Testing

@testable import CaptureAgent

/// Commands and a running agent, by its control socket.
@Suite(.timeLimit(.minutes(3)))
struct ControlSocketTests {
    private let station: TestStation
    private var socket: RawPath { RawPath(station.path("state/control.sock")) }
    private static let name = "K0001_061234_20261122093000.MP4"

    init() throws {
        station = try TestStation(
            sources: "  - {name: room, directory: @/room, collect: spool, settle_seconds: 0.2}",
            targets: "  - {name: nas, directory: {path: @/nas}}")
        for name in ["room", "nas"] { _ = try station.folder.folder(name) }
    }

    /// Runs the agent until it has verified one recording; the recording's id.
    private func begin() async throws -> (agent: ChildProgram, id: String) {
        try await station.writeRandom("room/\(Self.name)", bytes: 5000)
        let agent = try station.start("run")
        _ = try await station.status(agent) { $0["queue"]["verified"].number == 1 }
        let list = try await station.json("recordings", "list")
        return (agent, try #require(list["recordings"][0]["id"].text))
    }

    private func stop(_ agent: ChildProgram) async {
        agent.signal(SIGTERM)
        #expect(await agent.ended() == 0, "\(agent.errors)")
    }

    private func ask(_ request: String) async throws -> String {
        let client = try await SocketClient.connecting(to: socket)
        client.send("\(request) HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return await client.read()
    }

    /// The same orders, by an agent and without one, do the same.
    @Test(arguments: [true, false])
    func devicesAreSetAndRecordingsAreHeld(whileItRuns: Bool) async throws {
        let (agent, id) = try await begin()
        if !whileItRuns { await stop(agent) }
        let assigned = try await station.json("devices", "set", "K0001", "--officer", "077777", "--name", "王")
        #expect(assigned["recordings_changed"].number == 1 && assigned["entry"]["by"].text?.hasPrefix("user:") == true)
        let shown = try await station.json("recordings", "show", id)
        #expect(shown["officer"].text == "077777" && shown["officer_by"].text == "register")
        #expect(shown["named_officer"].text == "061234")

        let held = try await station.json("recordings", "hold", id, "--reason", "court 7")
        let number = try #require(held["hold"]["id"].number)
        #expect(try await station.json("recordings", "show", id)["holds"][0]["reason"].text == "court 7")
        _ = try await station.json("recordings", "hold", id, "--reason", "another")
        let several = try await station.run("recordings", "release", id)
        #expect(several.status == 64 && several.errors.contains("--hold"))
        let released = try await station.json(
            "recordings", "release", id, "--hold", "\(number)", "--reason", "it is over & done")
        #expect(released["hold"]["released_by"].text?.hasPrefix("user:") == true)
        #expect(try await station.json("recordings", "show", id)["holds"].list.count == 1)
        let history = try await station.run("recordings", "show", id).output
        for entry in [#""reason":"court 7""#, #""type":"held""#, #""type":"released""#, "it is over & done"] {
            #expect(history.contains(entry))
        }
        #expect(try await station.run("recordings", "release", id, "--hold", "\(number)").status == 66)
        #expect(try await station.run("recordings", "hold", id, "--reason", "  ").status == 64)
        #expect(try await station.run("devices", "set", "K0001", "--officer", "1", "--from", "soon").status == 64)
        if whileItRuns { await stop(agent) }
    }

    @Test func devicesThatNobodyRegisteredAreListed() async throws {
        let (agent, _) = try await begin()
        let before = try await station.json("devices", "list")["devices"][0]
        #expect(before["serial"].text == "K0001" && before["registered"].flag == false && before["officer"].isNull)
        #expect(before["recordings"].number == 1)
        _ = try await station.run("devices", "set", "K0002", "--officer", "5", "--until", "2026-01-01")
        let devices = try await station.json("devices", "list")["devices"]
        #expect(devices[1]["serial"].text == "K0002" && devices[1]["registered"].flag == true)
        #expect(devices[1]["officer"].isNull && devices[1]["entries"][0]["until"].text == "2026-01-01T00:00:00+08:00")
        let answer = try await ask("GET /api/v1/devices")
        #expect(answer.hasPrefix("HTTP/1.1 200") && answer.contains(#""serial":"K0002""#))
        #expect(try await station.run("devices", "show", "K0009").status == 66)
        let shown = try await station.json("devices", "show", "K0002")
        #expect(shown["device"]["serial"].text == "K0002" && shown["dockings"].list.isEmpty)
        await stop(agent)
    }

    @Test func theStreamTellsADockAndARecording() async throws {
        let (agent, _) = try await begin()
        let follower = try station.start("status", "--follow", "--json")
        let first = await follower.line {
            if case .output(let line) = $0 { line.contains(#""event":"dock""#) } else { false }
        }
        #expect(first != nil)
        try await station.writeRandom("room/K0001_061234_20261122100000.MP4", bytes: 6000)
        for wanted in [#""files_verified":2"#, #""state":"verified"}"#] {
            let line = await follower.line { if case .output(let line) = $0 { line.contains(wanted) } else { false } }
            #expect(line != nil, "\(follower.output)")
        }
        for line in follower.output.split(separator: "\n") {
            let event = try JSONValue(String(line))
            #expect(
                ["dock", "target", "recording", "upload"].contains(event["event"].text) && !event["data"].keys.isEmpty)
        }
        // An open stream, read or not, does not keep the agent.
        let sleeper = try await SocketClient.connecting(to: socket)
        sleeper.send("GET /api/v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
        _ = await sleeper.read { $0.contains("event: dock") }
        let asked = ContinuousClock.now
        await stop(agent)
        #expect(asked.duration(to: .now) < .seconds(10))
        #expect(await follower.ended() == 69)
        #expect(await follower.said("ended the stream"))
        #expect(await sleeper.read().contains("event: closing"))
        #expect(try await station.run("status", "--follow").status == 69)
    }

    @Test func anAgentThatDiedLeavesNothingInTheWay() async throws {
        let (agent, id) = try await begin()
        agent.signal(SIGKILL)
        _ = await agent.ended()
        #expect(FileManager.default.fileExists(atPath: socket.display))
        let next = try station.start("run")
        #expect(try await ask("GET /healthz").hasPrefix("HTTP/1.1 200"))
        #expect(try await station.run("recordings", "hold", id, "--reason", "r").status == 0)
        // Nobody can ask it any more: that is said, and nothing is done behind its back.
        try FileManager.default.removeItem(atPath: socket.display)
        let refused = try await station.run("recordings", "hold", id, "--reason", "s")
        #expect(refused.status == 69 && refused.errors.contains("control socket"))
        await stop(next)
        #expect(try await station.json("recordings", "show", id)["holds"].list.count == 1)
    }

    @Test func aStateDirectoryThatIsTooDeepIsSaidAtOnce() async throws {
        let deep = String(repeating: "d", count: 100)
        let environment = ["CAPTURE_AGENT_STATE_DIRECTORY": station.path(deep)]
        let other = try TestStation(
            sources: "  []", targets: "  - {name: n, directory: {path: @/n}}", environment: environment)
        let run = try await other.run("run")
        #expect(run.status == 78 && run.errors.contains("107 bytes"))
    }

    @Test func hostileClientsDoNotStopTheStation() async throws {
        let (agent, _) = try await begin()
        let half = try await SocketClient.connecting(to: socket)
        half.send("PUT /api/v1/devices/K0001 HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{")
        let huge = try await SocketClient.connecting(to: socket)
        huge.send("GET / HTTP/1.1\r\nX: \(String(repeating: "x", count: 1 << 20))")
        let (socket, count) = (socket, 200)
        let idle = try await withThrowingTaskGroup { group in
            for _ in 0..<count { group.addTask { try await SocketClient.connecting(to: socket) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(idle.count == count)
        try await station.writeRandom("room/K0001_061234_20261122100000.MP4", bytes: 6000)
        _ = try await station.status(agent) { $0["queue"]["verified"].number == 2 }
        #expect(try await station.run("devices", "set", "K0001", "--officer", "1").status == 0)
        await stop(agent)
        #expect(await half.read().isEmpty)
        _ = await huge.read()
    }
}
