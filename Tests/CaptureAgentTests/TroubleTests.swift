import EvidenceModel
import Foundation
import StationTesting
import Testing

/// What goes wrong around a station, and goes on by itself.
@Suite(.timeLimit(.minutes(3)))
struct TroubleTests {
    private func makeStation() throws -> TestStation {
        let station = try TestStation(
            sources: "  - {name: room, directory: @/room, collect: spool, settle_seconds: 0.2}",
            targets: "  - {name: nas, directory: {path: @/nas}}")
        _ = try station.folder.folder("room")
        return station
    }

    @Test func aMissingTargetIsWaitedFor() async throws {
        let station = try makeStation()
        try await station.writeRandom("room/a.ts", bytes: 20_000_000)
        let agent = try station.start("run")
        defer { agent.signal(SIGKILL) }
        #expect(await agent.said("the target is paused"))
        let status = try await station.status(agent) { $0["targets"][0]["state"].text == "waiting" }
        #expect(status["targets"][0]["reason"].text?.contains("nas") == true)
        #expect(status["targets"][0]["hint"].text?.contains("mount the directory") == true)
        #expect(status["queue"]["parked"].number == 0)
        _ = try station.folder.folder("nas")
        #expect(await agent.said("the target is in use again"))
        _ = try await station.status(agent) { $0["queue"]["verified"].number == 1 }
        agent.signal(SIGTERM)
        #expect(await agent.ended() == 0)
        #expect(try await station.digests(below: "nas/recordings").keys == station.digests(below: "room").keys)
    }

    @Test func onceSaysWhenItCannotBeDone() async throws {
        let station = try makeStation()
        try await station.writeRandom("room/a.ts", bytes: 1000)
        let (status, output, _) = try await station.run("run", "--once")
        #expect(status == 1)
        #expect(output.contains("is there: mount") || output.contains("mount the directory"))
    }

    @Test func aSecondAgentSaysWhoHoldsTheStation() async throws {
        let station = try makeStation()
        _ = try station.folder.folder("nas")
        let agent = try station.start("run")
        defer { agent.signal(SIGKILL) }
        #expect(await agent.said("a source is there"))
        let (status, _, errors) = try await station.run("run")
        #expect(status == 75)
        #expect(errors.contains("process \(agent.process) "))
        #expect(try await station.json("status")["station"]["agent"].text == "\(agent.process)")
        agent.signal(SIGTERM)
        #expect(await agent.ended() == 0)
        #expect(try await station.json("status")["station"]["agent"].isNull || true)
    }

    @Test(.enabled(if: geteuid() == 0, "mounting a small disk needs root"))
    func aFullTargetIsWaitedFor() async throws {
        let station = try makeStation()
        _ = try station.folder.folder("nas")
        try await TestStation.tool("mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", station.path("nas"))
        try await station.writeRandom("room/a.ts", bytes: 20 << 20)
        let agent = try station.start("run")
        defer { agent.signal(SIGKILL) }
        #expect(await agent.said("the target is paused"))
        let status = try await station.status(agent) { $0["targets"][0]["state"].text == "waiting" }
        #expect(status["targets"][0]["hint"].text?.contains("make room") == true)
        try await TestStation.tool("mount", "-o", "remount,size=64m", station.path("nas"))
        _ = try await station.status(agent) { $0["queue"]["verified"].number == 1 }
        agent.signal(SIGTERM)
        #expect(await agent.ended() == 0)
        #expect(try await station.digests(below: "nas/recordings").keys == station.digests(below: "room").keys)
    }

    @Test(.enabled(if: geteuid() == 0, "mounting a small disk needs root"))
    func aFullSpoolIsWaitedFor() async throws {
        let station = try makeStation()
        for name in ["nas", "state"] { _ = try station.folder.folder(name) }
        try await TestStation.tool("mount", "-t", "tmpfs", "-o", "size=340m", "tmpfs", station.path("state"))
        // Somebody else's; without it there would be room.
        try await station.writeRandom("state/other", bytes: 60 << 20)
        try await station.writeRandom("room/a.ts", bytes: 40 << 20)
        let agent = try station.start("run")
        defer { agent.signal(SIGKILL) }
        #expect(await agent.said("the spool is full"))
        let status = try await station.status(agent) { $0["docks"][0]["state"].text == "attention" }
        #expect(status["docks"][0]["reason"].text?.contains("free to go on") == true)
        #expect(status["docks"][0]["safe_to_undock"].flag == false)
        try await TestStation.tool("mount", "-o", "remount,size=600m", station.path("state"))
        _ = try await station.status(agent) { $0["queue"]["verified"].number == 1 }
        agent.signal(SIGTERM)
        #expect(await agent.ended() == 0)
    }

    @Test func namesAreBytesAndLinksAreLeft() async throws {
        let station = try makeStation()
        _ = try station.folder.folder("nas")
        let names: [[UInt8]] = [
            Array("片段一.mp4".utf8), [0xB5, 0xDA, 0x2E, 0x6D, 0x70, 0x34], Array("a\nb.txt".utf8),
            Array("%2e%.t s+t".utf8),
            Array("-rf".utf8),
        ]
        for (number, name) in names.enumerated() {
            let path = station.folder.path.appending("room").appending(RawPath(bytes: name))
            let file = path.withCString { open($0, O_CREAT | O_WRONLY, 0o600) }
            try #require(file >= 0)
            #expect(Glibc.write(file, "content \(number)", 9) == 9)
            close(file)
        }
        try FileManager.default.createSymbolicLink(
            atPath: station.path("room/link.mp4"), withDestinationPath: "/etc/passwd")
        try #require(mkfifo(station.path("room/pipe.mp4"), 0o600) == 0)
        let (status, output, errors) = try await station.run("run", "--once")
        #expect(status == 0, "\(output)\n\(errors)")
        #expect(try await station.digests(below: "nas/recordings").count == names.count)
        let skipped = try await station.json("status")["station"]["skipped"]
        #expect(skipped["symbolic_link"].number == 1 && skipped["not_regular"].number == 1)
        #expect(!output.contains("\u{0}") && !errors.contains("a\nb.txt"))
    }

    @Test func emptyAndBrokenFilesAreRecordingsToo() async throws {
        let station = try makeStation()
        _ = try station.folder.folder("nas")
        try station.write("room/empty.mp4", "")
        try station.write("room/playlist.mp4", "#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n")
        try await station.writeRandom("room/noise.mp4", bytes: 300_000)
        #expect(try await station.run("run", "--once").status == 0)
        let recordings = try await station.json("recordings", "list")["recordings"].list
        #expect(recordings.count == 3)
        #expect(recordings.allSatisfy { $0["state"].text == "verified" && $0["kind"].text == "unknown" })
        #expect(Set(recordings.compactMap { $0["health"].text }) == ["empty", "unreadable"])
        #expect(try await station.digests(below: "nas/recordings").count == 3)
    }

    @Test func aCopyLostFromTheSpoolIsMadeAgain() async throws {
        let station = try makeStation()
        try await station.writeRandom("room/a.ts", bytes: 20_000_000)
        #expect(try await station.run("run", "--once").status == 1, "there is no target yet")
        let spool = station.path("state/spool")
        for name in try FileManager.default.contentsOfDirectory(atPath: spool) {
            #expect(truncate("\(spool)/\(name)", 5) == 0)
        }
        _ = try station.folder.folder("nas")
        let (status, output, errors) = try await station.run("run", "--once")
        #expect(status == 0, "\(output)\n\(errors)")
        #expect(try await station.digests(below: "nas/recordings").keys == station.digests(below: "room").keys)
        // The damaged copy is kept beside the new one.
        #expect(try FileManager.default.contentsOfDirectory(atPath: spool).count == 2)
    }

    @Test func nothingIsCalledSafeWhenNobodyWatches() async throws {
        let station = try makeStation()
        _ = try station.folder.folder("nas")
        try await station.writeRandom("room/a.ts", bytes: 1000)
        let (status, output, _) = try await station.run("run", "--once", "--json")
        #expect(status == 0)
        #expect(try JSONValue(output)["docks"][0]["safe_to_undock"].flag == true)
        #expect(try await station.json("status")["docks"][0]["safe_to_undock"].flag == false)
    }

    @Test func stoppingLosesNothing() async throws {
        let station = try makeStation()
        _ = try station.folder.folder("nas")
        for number in 0..<30 {
            try await station.writeRandom("room/\(number).ts", bytes: 3_000_000)
        }
        let agent = try station.start("run")
        #expect(await agent.said("a copy is verified"))
        agent.signal(SIGTERM)
        #expect(await agent.ended() == 0)
        #expect(try await station.run("run", "--once").status == 0)
        let stored = try await station.digests(below: "nas/recordings")
        #expect(stored.count == 30 && stored.values.allSatisfy { $0.count == 1 })
    }
}
