import EvidenceModel
import Foundation
import StationTesting
import Testing

/// Cards that are pulled out in the middle, and clocks that jump, on the built program.
@Suite(
    .timeLimit(.minutes(3)),
    .enabled(if: FaultyCard.isAvailable, "a card that breaks on demand needs root, /dev/fuse and Scripts/test-tools"))
struct PulledCardTests {
    private static let partBytes = 8 << 20

    private func makeStation() throws -> TestStation {
        let station = try TestStation(
            sources: "  - {name: docks, mounts_under: @/media, settle_seconds: 0.2}",
            targets: "  - {name: nas, directory: {path: @/nas}}")
        for name in ["media", "nas"] { _ = try station.folder.folder(name) }
        return station
    }

    @Test func aCardThatIsTakenAwayAtEveryTenthGoesOnWhereItWas() async throws {
        let station = try makeStation()
        let card = try FaultyCard(in: station.folder)
        defer { card.close() }
        let size = 9 * Self.partBytes + 12_345
        try await station.writeRandom("backing/FILM.TS", bytes: size)
        let place = station.folder.path.appending("media/cam")
        let agent = try station.start("run")
        defer { agent.signal(SIGKILL) }
        var read = 0
        for tenth in 1...9 {
            try card.mount(at: place)
            try card.stall("FILM.TS", at: size / 10 * tenth)
            try card.waitUntilStalled()
            read += Int(try card.count(of: "FILM.TS").bytes)
            // Out of the tree at once; the read that is under way has not returned.
            try card.lazyUnmount()
            _ = try await station.status(agent) { $0["docks"][0]["state"].text == "undocked" }
            card.close()
            let recordings = try await station.json("recordings", "list")["recordings"].list
            #expect(recordings.isEmpty, "nothing is called collected before it is")
        }
        try card.mount(at: place)
        _ = try await station.status(agent) { $0["queue"]["verified"].number == 1 }
        read += Int(try card.count(of: "FILM.TS").bytes)
        // Each cut costs one part, both ends, what the kernel read ahead, and a block that was not kept.
        let most = size + 9 * (Self.partBytes + 3 << 20)
        #expect(read <= most, "\(read) of \(most)")
        agent.signal(SIGTERM)
        #expect(await agent.ended() == 0)
        let wanted = try await station.digests(below: "backing").keys
        #expect(try await station.digests(below: "nas/recordings").keys.contains { wanted.contains($0) })
        #expect(try FileManager.default.contentsOfDirectory(atPath: station.path("state/spool")).count == 1)
    }

    @Test func anAgentThatIsKilledInTheMiddleGoesOnWhereItWas() async throws {
        let station = try makeStation()
        let card = try FaultyCard(in: station.folder)
        defer { card.close() }
        let size = 6 * Self.partBytes
        try await station.writeRandom("backing/FILM.TS", bytes: size)
        try card.mount(at: station.folder.path.appending("media/cam"))
        try card.stall("FILM.TS", at: size / 2)
        let killed = try station.start("run")
        try card.waitUntilStalled()
        killed.signal(SIGKILL)
        try card.release()
        _ = await killed.ended()
        let before = try card.count(of: "FILM.TS").bytes
        #expect(try await station.run("run", "--once").status == 0)
        let again = try Int(card.count(of: "FILM.TS").bytes - before)
        #expect(again <= size / 2 + Self.partBytes + 3 << 20, "\(again)")
        #expect(try await station.run("verify", "--deep").status == 0)
    }

    /// The clock falls back a year, goes ahead, and falls back to 2006, as one without a battery does.
    @Test(.enabled(if: Tool.path(of: "gcc") != nil, "a clock that jumps is made with gcc"))
    func aClockThatJumpsLosesNothing() async throws {
        let station = try makeStation()
        let clock = station.path("jumping-clock.so")
        try await TestStation.tool(
            "gcc", "-shared", "-fPIC", "-O2", "-o", clock, Repository.path("Scripts/jumping-clock.c"), "-ldl")
        try station.write("clock", "0")
        let agent = try station.start("run", with: ["LD_PRELOAD": clock, "JUMPING_CLOCK": station.path("clock")])
        defer { agent.signal(SIGKILL) }
        for (number, days) in [0, -400, 400, -7300, 0].enumerated() {
            try station.write("clock", "\(days * 86_400)")
            let name = "card\(number)"
            try await station.writeRandom("\(name)/FILM\(number).TS", bytes: 1_000_000 + number)
            _ = try station.folder.folder("media/\(name)")
            try await TestStation.tool("mount", "--bind", station.path(name), station.path("media/\(name)"))
            _ = try await station.status(agent) { status in
                let safe = status["docks"].list.filter { $0["safe_to_undock"].flag == true }
                return safe.contains { $0["bay"].text == name } && status["queue"]["verified"].number == number + 1
            }
        }
        agent.signal(SIGTERM)
        #expect(await agent.ended() == 0)
        #expect(try await station.json("recordings", "list")["recordings"].list.count == 5)
        #expect(try await station.run("verify", "--deep").status == 0)
    }
}

extension FaultyCard {
    /// Whoever reads the file's byte at `offset` waits from now on.
    fileprivate func stall(_ name: String, at offset: Int) throws {
        var fault = Fault()
        (fault.stalls, fault.stallsAt) = (true, Int64(offset))
        try set(fault, on: name)
    }
}
