import EvidenceModel
import Foundation
import StationTesting
import Testing

@testable import CaptureAgent

/// What the program says of recordings that are whole and that are not, its pictures, and its doctor.
@Suite struct MediaStationTests {
    private func station() throws -> TestStation {
        try TestStation(
            sources: "  - {name: card, directory: '@/card', settle_seconds: 0.1}",
            targets: "  - {name: nas, directory: {path: '@/nas'}}")
    }

    private func record(_ station: TestStation, _ name: String, seconds: Int) async throws {
        try await TestStation.tool(
            "ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i",
            "testsrc2=size=320x240:rate=25:duration=\(seconds)",
            "-f", "lavfi", "-i", "sine=duration=\(seconds)", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac",
            "-movflags", "+faststart", station.path(name))
    }

    @Test(.enabled(if: Tool.path(of: "ffmpeg") != nil, "needs ffmpeg to make recordings"))
    func cutRecordingIsKeptShownAndPictured() async throws {
        let station = try station()
        for folder in ["card", "nas"] { try station.folder.folder(folder) }
        try await record(station, "card/K0001_061234_20261122093000.MP4", seconds: 4)
        try await record(station, "card/K0001_061234_20261122100000.MP4", seconds: 6)
        let size = try #require(
            try FileManager.default.attributesOfItem(atPath: station.path("card/K0001_061234_20261122100000.MP4"))[
                .size]
                as? Int)
        try await TestStation.tool(
            "truncate", "-s", "\(size * 6 / 10)", station.path("card/K0001_061234_20261122100000.MP4"))
        #expect(try await station.run("run", "--once").status == 0)

        let list = try await station.json("recordings", "list")["recordings"].list
        #expect(list.map { $0["health"].text } == ["truncated", "intact"])
        #expect(list.map { $0["state"].text } == ["verified", "verified"])
        let cut = try #require(list.first)
        #expect(cut["playable_seconds"].number.map { (2...5).contains($0) } == true)
        #expect(cut["duration_seconds"].number == 6)
        #expect(cut["health_details"].list.isEmpty == false)

        let id = try #require(cut["id"].text)
        try await TestStation.tool("rm", "-rf", station.path("state/posters"))
        let poster = try #require(try await station.json("recordings", "poster", id)["poster"].text)
        let bytes = try Data(contentsOf: URL(fileURLWithPath: poster))
        #expect(bytes.starts(with: [0xFF, 0xD8, 0xFF]))
        #expect(try await station.json("recordings", "poster", id)["poster"].text == poster)
        let page = try await station.run("recordings", "show", id).output
        #expect(page.contains("truncated"))
    }

    @Test func doctorTellsProtectionsAndFindings() async throws {
        let station = try station()
        try station.folder.folder("card")
        let missing = try await station.json("doctor")["checks"].list
        func state(_ name: String, _ checks: [JSONValue]) -> String? {
            checks.first { $0["name"].text == name }?["state"].text
        }
        #expect(state("probe worker", missing) == "ok")
        #expect(state("probe: system calls", missing) == "ok")
        #expect(state("configuration", missing) == "ok")
        #expect(state("source card", missing) == "ok")
        #expect(state("target nas", missing) == "finding")
        #expect(try await station.run("doctor").status == 1)
        try station.folder.folder("nas")
        #expect(state("target nas", try await station.json("doctor")["checks"].list) == "ok")
    }

    /// Under systemd 252 `@system-service` is without them, and a worker would go on unprotected.
    @Test func theUnitLeavesWorkersTheirProtections() throws {
        let unit = try String(contentsOfFile: Repository.path("Config/capture-agent.service"), encoding: .utf8)
        let allowed = unit.split(separator: "\n").filter { $0.hasPrefix("SystemCallFilter=") }
            .flatMap { $0.dropFirst("SystemCallFilter=".count).split(separator: " ") }
        for call in ["@system-service", "seccomp", "landlock_create_ruleset", "landlock_restrict_self"] {
            #expect(allowed.contains(call[...]), "\(call)")
        }
    }

    @Test func doctorDoubtsWeakKernelsAndWrongClocks() {
        let weak = ProbeCheckup.checks(
            ProbeProtections(noNewPrivileges: true, systemCallFilter: false, landlockVersion: 0))
        #expect(weak.map(\.state) == [.ok, .finding, .note])
        let strong = ProbeCheckup.checks(
            ProbeProtections(noNewPrivileges: true, systemCallFilter: true, landlockVersion: 7))
        #expect(strong.map(\.state) == [.ok, .ok, .ok])
        #expect(StationCheckup.clock(isSynchronised: true, year: 1970).state == .finding)
        #expect(StationCheckup.clock(isSynchronised: false, year: 2026).state == .note)
        #expect(StationCheckup.clock(isSynchronised: true, year: 2026).state == .ok)
    }
}

@Suite struct DescribeQueueTests {
    private func recording(_ number: Int, device: String?, place: ContentPlace = .spool) -> Recording {
        let sample = SampleRecording(seed: UInt64(number), size: 10)
        let time = WallTime(millisecondsSince1970: Int64(number) + 1_800_000_000_000)
        var random = SeededRandom(seed: UInt64(number))
        return Recording(
            id: RecordingID(time: time, using: &random), station: "s", content: sample.content, place: place,
            fileName: RawPath("a"), source: "docks", sourcePath: RawPath("a"), device: device, fileTime: time,
            collectedAt: time)
    }

    @Test func ofOneOwnerOneTurnAtATime() {
        var queue = DescribeQueue()
        let (a, b, c) = (recording(1, device: "A"), recording(2, device: "B"), recording(3, device: "A"))
        let turns = queue.found([a, b, c])
        #expect(turns.map { $0.recordings.map(\.id) } == [[a.id, c.id], [b.id]])
        let later = recording(4, device: "A")
        #expect(queue.found([a, b, c, later]).isEmpty, "both owners are being looked at")
        #expect(queue.known == 3)
        queue.ended(turns[0].owner, .init())
        #expect(queue.found([b, later]).map { $0.recordings.map(\.id) } == [[later.id]])
    }

    @Test func whatFailedWaitsUntilItIsTime() {
        var queue = DescribeQueue()
        let (a, b) = (recording(1, device: "A"), recording(2, device: "A"))
        let turn = queue.found([a])
        queue.ended(turn[0].owner, .init(failed: [a.id]))
        #expect(queue.known == 1)
        #expect(queue.found([a, b]).map { $0.recordings.map(\.id) } == [[b.id]])
        queue.ended(turn[0].owner, .init())
        queue.retryDue()
        #expect(queue.found([a]).map { $0.recordings.map(\.id) } == [[a.id]])
    }

    /// A card that hangs for a minute must not brand its recordings for ever.
    @Test func whatWasHinderedIsBelievedTheThirdTime() {
        var queue = DescribeQueue()
        let a = recording(1, device: "A")
        for pause in [1, 12] {
            let turn = queue.found([a])
            #expect(turn.map(\.last) == [[]])
            queue.ended(turn[0].owner, .init(hindered: [a.id]))
            for _ in 0..<pause {
                #expect(queue.found([a]).isEmpty)
                queue.retryDue()
            }
        }
        let last = queue.found([a])
        #expect(last.map(\.last) == [[a.id]])
        queue.ended(last[0].owner, .init())
        #expect(queue.known == 0)
    }

    @Test func bytesThatLieElsewhereAreAnotherOwners() {
        let place = ContentPlace.direct(root: RawPath("/media/b"), fileSystem: "x", path: RawPath("a"))
        var queue = DescribeQueue()
        #expect(queue.found([recording(1, device: "A"), recording(2, device: "A", place: place)]).count == 2)
    }
}
