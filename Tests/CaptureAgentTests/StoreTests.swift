import EvidenceModel
import Foundation
import StationTesting
import Testing

/// The whole program against a real S3 server.
@Suite(
    .serialized, .timeLimit(.minutes(5)),
    .enabled(if: S3Server.isAvailable, "needs Scripts/test-tools: a real S3 server"))
struct StoreTests {
    private static func makeStation(_ world: StoreWorld, keys: [String: String]? = nil) throws -> TestStation {
        let station = try TestStation(
            sources: "  - {name: room, directory: @/room, collect: spool, settle_seconds: 0.2}",
            targets: world.target, environment: keys ?? world.environment)
        _ = try station.folder.folder("room")
        return station
    }

    /// Killed at random moments of four multipart uploads until they are done.
    @Test func killedAgainAndAgainItSendsNothingTwice() async throws {
        let world = try await StoreWorld(bucket: "crashes")
        _ = try await world.ask("create")
        let station = try Self.makeStation(world)
        for number in 0..<4 {
            try await station.writeRandom("room/\(number).ts", bytes: 79_000_000 + number)
        }
        // A part takes a while: on a busy machine the kill comes late, and would find everything done.
        try world.tell("rate 30000000")
        var random = SeededRandom(seed: 20_261_122)
        var kills = 0
        /// Upload, part: when the server stored it, by its own list after each kill.
        var stored: [String: String] = [:]
        while kills < 80 {
            let agent = try station.start("run", "--once")
            let watch = world.watch(agent)
            for _ in 0...Int.random(in: 0...1, using: &random) {
                guard await world.nextRequest() != nil else { break }
            }
            agent.signal(SIGKILL)
            let status = await agent.ended()
            await watch.value
            if status != 128 + SIGKILL { break }
            kills += 1
            // A part that the kernel still delivers after the kill cannot be known to who lists the parts meanwhile.
            try await world.settle()
            for part in try await world.ask("parts").list {
                let name = "\(part[0].text ?? "") \(part[1].number ?? 0)"
                let time = part[3].text ?? ""
                #expect(stored[name] == nil || stored[name] == time, "part \(name) was stored again")
                stored[name] = time
            }
        }
        #expect(kills >= 20)
        try world.tell("rate 0")
        let (status, output, errors) = try await station.run("run", "--once")
        #expect(status == 0, "\(output)\n\(errors)")
        try await Self.expectWhole(world, station)
        var taken: [String: Int] = [:]
        for request in world.all
        where request.method == "PUT" && request.status == 200 && !request.target.contains("/manifest-")
            && !request.target.contains("/.capture-probe/")
        {
            taken[request.target, default: 0] += 1
        }
        #expect(taken.count == 40)
        #expect(taken.values.allSatisfy { $0 == 1 })
    }

    /// Every file is an object, whole and once, and no upload is left open.
    private static func expectWhole(_ world: StoreWorld, _ station: TestStation) async throws {
        let wanted = try await station.digests(below: "room")
        let objects = try await world.ask("objects").list
        #expect(Set(objects.compactMap { $0[2].text }) == Set(wanted.keys))
        #expect(objects.count == wanted.count)
        #expect(try await world.ask("parts").list.isEmpty)
    }

    @Test func aMissingBucketAndAWrongKeyAreWaitedFor() async throws {
        let world = try await StoreWorld(bucket: "mended")
        let station = try Self.makeStation(world, keys: [:])
        let text = try String(contentsOfFile: station.path("capture-agent.yaml"), encoding: .utf8)
        try station.write(
            "capture-agent.yaml",
            text.replacingOccurrences(of: "path_style: true", with: "credentials_file: credentials"))
        func writeKeys(_ secret: String) throws {
            let id = world.environment["AWS_ACCESS_KEY_ID"] ?? ""
            try station.write(
                "credentials", "[default]\naws_access_key_id = \(id)\naws_secret_access_key = \(secret)\n")
        }
        try writeKeys("wrong")
        try await station.writeRandom("room/a.ts", bytes: 20_000_000)
        try await station.writeRandom("room/b.ts", bytes: 2_000)
        let agent = try station.start("run")
        defer { agent.signal(SIGKILL) }
        let denied = try await station.status(agent) { $0["targets"][0]["reason"].text != nil }
        #expect(denied["targets"][0]["hint"].text?.contains("access key") == true)
        try writeKeys(world.environment["AWS_SECRET_ACCESS_KEY"] ?? "")
        let homeless = try await station.status(agent) {
            $0["targets"][0]["reason"].text?.contains("does not exist") == true
        }
        #expect(homeless["targets"][0]["hint"].text?.contains("create the bucket") == true)
        _ = try await world.ask("create")
        _ = try await station.status(agent) { $0["queue"]["verified"].number == 2 }
        try world.tell("down")
        try await station.writeRandom("room/c.ts", bytes: 3_000)
        let down = try await station.status(agent) { $0["targets"][0]["state"].text == "waiting" }
        #expect(down["targets"][0]["hint"].text?.contains("network") == true)
        try world.tell("up")
        _ = try await station.status(agent) { $0["queue"]["verified"].number == 3 }
        agent.signal(SIGTERM)
        #expect(await agent.ended() == 0)
        try await Self.expectWhole(world, station)
        #expect(try await station.run("verify", "--deep").status == 0)
    }
}
