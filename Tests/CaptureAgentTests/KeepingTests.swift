import EvidenceModel
import Foundation
import StationTesting
import Testing

/// What the whole program does for recordings that are at their targets already.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct KeepingTests {
    private static let room = "  - {name: room, directory: @/room, collect: spool, settle_seconds: 0.2}"

    /// What must be in a manifest, so that the row of the catalogue can be made again from it.
    private static let needed: Set<String> = [
        "v", "number", "target", "made_at", "agent_version", "collected_at", "file_time", "file_name_hex",
        "source_path_hex", "part_size_bytes", "part_sha256", "unreadable_bytes", "take_key", "receipts",
    ]

    @Test(.enabled(if: S3Server.isAvailable, "needs Scripts/test-tools: a real S3 server"))
    func manifestsLieBesideTheMedia() async throws {
        let world = try await StoreWorld(bucket: "manifests")
        _ = try await world.ask("create")
        let station = try TestStation(
            sources: Self.room, targets: world.target, environment: world.environment)
        try await station.writeRandom("room/a.ts", bytes: 17_000_000)
        try await station.writeRandom("room/b.ts", bytes: 2_000)
        let (status, output, errors) = try await station.run("run", "--once")
        #expect(status == 0, "\(output)\n\(errors)")
        let cloud = try await station.json("status")["targets"][0]
        #expect(cloud["transfer"]["bytes_durable"].number == 17_002_000)
        // Completion has a body too.
        #expect((17_002_000...17_004_000).contains(cloud["transfer"]["bytes_sent"].number ?? 0))
        #expect(cloud["transfer"]["bytes_resent"].number == 0 && cloud["oldest_unsafe_since"].text == nil)
        let objects = try await world.ask("objects").list
        let manifests = try await world.ask("manifests").list
        #expect(manifests.count == 2 && objects.count == 2)
        for manifest in manifests {
            let key = manifest[0].text ?? ""
            #expect(key.hasSuffix("/manifest-1.json"))
            let text = manifest[2].text ?? ""
            let json = try JSONValue(text)
            let shown = try await station.json("recordings", "show", json["id"].text ?? "")
            #expect(json.keys == shown.keys.union(["manifest"]))
            let media = objects.first { ($0[0].text ?? "").hasPrefix(key.dropLast("manifest-1.json".count)) }
            #expect(media?[2].text == json["sha256"].text && json["state"].text == "verified")
            #expect(manifest[1]["capture-recording"].text == json["id"].text)
            #expect(manifest[1]["capture-sha256"].text == digest(of: Array(text.utf8)).hex)
            let words = json["manifest"]
            #expect(words.keys == Self.needed)
            #expect(words["part_sha256"].list.count == (json["size_bytes"].number == 2_000 ? 1 : 3))
            #expect(words["receipts"].list.count == 1 && words["receipts"][0]["method"].text != nil)
        }
        let id = try JSONValue(manifests[0][2].text ?? "")["id"].text ?? ""
        #expect(try await station.run("recordings", "hold", id, "--reason", "投诉").status == 0)
        #expect(try await station.json("status")["targets"][0]["manifests_waiting"].number == 1)
        #expect(try await station.run("run", "--once").status == 0)
        let later = try await world.ask("manifests").list.filter { ($0[0].text ?? "").hasSuffix("-2.json") }
        let second = try JSONValue(later.first?[2].text ?? "null")
        #expect(later.count == 1 && second["id"].text == id && second["holds"][0]["reason"].text == "投诉")
        #expect(try await world.ask("manifests").list.count == 3, "nothing is written over, and nothing twice")
    }

    @Test func aCopyThatIsGoneIsFoundByThePassAndUploadedAgain() async throws {
        let station = try TestStation(sources: Self.room, targets: "  - {name: nas, directory: {path: @/nas}}")
        let text = try String(contentsOfFile: station.path("capture-agent.yaml"), encoding: .utf8)
        try station.write("capture-agent.yaml", text + "\nverify: {period_days: 0.00002, sample_percent: 100}\n")
        _ = try station.folder.folder("nas")
        try await station.writeRandom("room/a.ts", bytes: 2_000)
        let agent = try station.start("run")
        defer { agent.signal(SIGKILL) }
        _ = try await station.status(agent) { $0["queue"]["verified"].number == 1 }
        let before = try await station.digests(below: "nas/recordings")
        for name in before.values.flatMap(\.self) { try FileManager.default.removeItem(atPath: name) }
        var isBack = false
        for _ in 0..<600 where !isBack {
            // Asked of the program each time: what it costs is what time passes.
            _ = try await station.json("status")
            isBack = try await station.digests(below: "nas/recordings") == before
        }
        #expect(isBack, "\(agent.errors)")
        _ = try await station.status(agent) {
            $0["queue"]["verified"].number == 1 && $0["targets"][0]["manifests_waiting"].number == 0
        }
        agent.signal(SIGTERM)
        #expect(await agent.ended() == 0)
        let id = try await station.json("recordings", "list")["recordings"][0]["id"].text ?? ""
        #expect(try await station.json("recordings", "show", id)["ledger_indexes"].list.count >= 5)
        #expect(agent.errors.contains("a verified copy is not what it was"))
    }
}
