import Foundation
import StationTesting
import Testing

/// Files that somebody wrote wrongly, and a database that is damaged: one sentence, the right exit code, nothing lost.
@Suite(.timeLimit(.minutes(2)))
struct RefusalTests {
    private func makeStation() throws -> TestStation {
        let station = try TestStation(
            sources: "  - {name: room, directory: @/room, collect: spool, settle_seconds: 0.2}",
            targets: "  - {name: nas, directory: {path: @/nas}}")
        for name in ["room", "nas"] { _ = try station.folder.folder(name) }
        return station
    }

    @Test func aMisspelledKeyIsNamedWithItsLine() async throws {
        let station = try makeStation()
        let text = try String(contentsOfFile: station.path("capture-agent.yaml"), encoding: .utf8)
        try station.write(
            "capture-agent.yaml", text.replacingOccurrences(of: "state_directory", with: "state_directroy"))
        let (status, _, errors) = try await station.run("config", "check")
        #expect(status == 78)
        #expect(errors.contains("capture-agent.yaml:") && errors.contains("state_directroy"), "\(errors)")
        let problem = try await station.run("run", "--json")
        #expect(problem.status == 78)
        #expect(try JSONValue(problem.errors)["error"]["code"].text == "configuration")
    }

    @Test func aRuleAboutAMissingItemIsNamedWithItsLine() async throws {
        let station = try makeStation()
        try station.write(
            "items.yaml", "version: '1'\nitems: [{id: a, name: A}]\nrules:\n  - {id: r, item: b, folder: x}\n")
        let (status, _, errors) = try await station.run("run")
        #expect(status == 78)
        #expect(errors.contains("items.yaml:4") && errors.contains("no item \"b\""), "\(errors)")
    }

    @Test func aMissingConfigurationIsAConfigurationError() async throws {
        let station = try makeStation()
        try FileManager.default.removeItem(atPath: station.path("capture-agent.yaml"))
        let (status, _, errors) = try await station.run("status")
        #expect(status == 78)
        #expect(errors.contains("--config"))
    }

    @Test func whatThisVersionDoesNotDoIsRefused() async throws {
        for (key, value) in [("wipe", "after_receipt"), ("collect", "sometimes"), ("settle_seconds", "soon")] {
            let station = try TestStation(
                sources: "  - {name: room, directory: @/room, \(key): \(value)}",
                targets: "  - {name: nas, directory: {path: @/nas}}")
            let (status, _, errors) = try await station.run("config", "check")
            #expect(status == 78 && errors.contains("sources.0.\(key)"), "\(errors)")
        }
    }

    @Test func aDamagedDatabaseIsNeitherUsedNorReplaced() async throws {
        let station = try makeStation()
        for number in 0..<40 { try station.write("room/\(number).txt", "content \(number)") }
        #expect(try await station.run("run", "--once").status == 0)
        let file = URL(fileURLWithPath: station.path("state/station.sqlite"))
        var bytes = try Data(contentsOf: file)
        // Pages in the middle: the header stays good.
        bytes.replaceSubrange(8192..<16_384, with: Data(repeating: 0x5A, count: 8192))
        try bytes.write(to: file)
        let (status, _, errors) = try await station.run("run", "--once")
        #expect(status == 74)
        #expect(errors.contains("station.sqlite") && errors.contains("restore"), "\(errors)")
        #expect(try Data(contentsOf: file) == bytes)
    }

    @Test func aFileThatIsNoDatabaseIsNotReplaced() async throws {
        let station = try makeStation()
        try station.write("state/station.sqlite", String(repeating: "not a database ", count: 1000))
        let (status, _, errors) = try await station.run("run", "--once")
        #expect(status == 74, "\(errors)")
        let text = try String(contentsOfFile: station.path("state/station.sqlite"), encoding: .utf8)
        #expect(text.hasPrefix("not a database"))
    }

    @Test func anUnknownRecordingIsNoInput() async throws {
        let station = try makeStation()
        #expect(try await station.run("recordings", "show", "0123").status == 66)
        #expect(try await station.run("recordings", "list", "--since", "yesterday").status == 64)
        #expect(try await station.run("recordings", "list", "--limit", "0").status == 64)
        #expect(try await station.run("frobnicate").status == 64)
    }

    @Test func aMissingObjectIsFoundAndSentAgain() async throws {
        let station = try makeStation()
        try station.write("room/a.txt", "a")
        try station.write("room/b.txt", "b")
        #expect(try await station.run("run", "--once").status == 0)
        let objects = try await station.digests(below: "nas/recordings").values.flatMap(\.self).sorted()
        try FileManager.default.removeItem(atPath: objects[0])
        try Data("x".utf8).write(to: URL(fileURLWithPath: objects[1]))
        let (status, output, _) = try await station.run("verify")
        #expect(status == 1)
        #expect(output.contains("missing") && output.contains("differs"))
        // What is missing is sent again; what differs is a person's business.
        #expect(try await station.run("run", "--once").status == 1)
        #expect(FileManager.default.fileExists(atPath: objects[0]))
        #expect(try String(contentsOfFile: objects[1], encoding: .utf8) == "x")
        #expect(try await station.json("status")["parked"][0]["reason"].text?.contains("SHA-256") == true)
    }
}
