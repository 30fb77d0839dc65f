import EvidenceModel
import Foundation
import StationTesting
import Testing

@Suite(.timeLimit(.minutes(3)))
struct CardTests {
    private static let fatNeeds: Comment = "mounting a FAT image needs root, /dev/fuse and fusefat"

    private func makeStation() throws -> TestStation {
        let station = try TestStation(
            sources: """
                  - {name: docks, mounts_under: @/media, collect: spool, settle_seconds: 0.2}
                  - {name: room, directory: @/room, collect: direct, settle_seconds: 0.2}
                """,
            targets: "  - {name: nas, directory: {path: @/nas}}")
        for name in ["media", "room", "nas"] { _ = try station.folder.folder(name) }
        return station
    }

    /// A card with a film, a photo, many small files, and what a PC leaves on a card.
    private func fill(_ mount: String) async throws {
        let folder = "\(mount)/DCIM/100INSP"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try await TestStation.tool(
            "ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25", "-f", "lavfi",
            "-i",
            "sine=440", "-t", "3", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac",
            "\(folder)/K0001_061234_20261122093000.MP4")
        try await TestStation.tool(
            "ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=640x480", "-frames:v", "1",
            "-update", "1",
            "\(folder)/K0001_061234_20261122093100.JPG")
        for number in 0..<60 { try write("small \(number)", to: RawPath("\(folder)/NOTE\(number).TXT")) }
        try FileManager.default.createDirectory(
            atPath: "\(mount)/System Volume Information", withIntermediateDirectories: true)
        try write("not ours", to: RawPath("\(mount)/System Volume Information/IndexerVolumeGuid"))
    }

    @Test(.enabled(if: CardImage.isAvailable(.fat), fatNeeds))
    func aMountedCardEndsVerifiedAtTheTarget() async throws {
        let station = try makeStation()
        let card = try CardImage(.fat, in: station.folder)
        defer { card.close() }
        try card.mount(at: station.folder.path.appending("media/cam"), readOnly: false)
        try await fill(card.mountPoint?.display ?? "")
        let wanted = try await station.digests(below: "media/cam/DCIM")
        let (status, output, errors) = try await station.run("run", "--once", "--json")
        #expect(status == 0, "\(output)\n\(errors)")
        let stored = try await station.digests(below: "nas/recordings")
        #expect(Set(stored.keys).isSuperset(of: wanted.keys))
        #expect(stored.values.allSatisfy { $0.count == 1 })
        let film = try await station.json("recordings", "list", "--kind", "video")["recordings"]
        #expect(film.list.count == 1)
        #expect(film[0]["device"].text == "K0001" && film[0]["officer"].text == "061234")
        #expect(film[0]["started_at"].text == "2026-11-22T09:30:00+08:00")
        #expect(film[0]["started_at_basis"].text == "file_name")
        #expect(film[0]["tags"][0]["item"].text == "onsite-inspection")
        #expect(film[0]["state"].text == "verified" && film[0]["copies"][0]["state"].text == "verified")
        #expect(try await station.json("recordings", "list", "--kind", "photo")["recordings"].list.count == 1)
        let report = try JSONValue(output)
        #expect(report["station"]["skipped"]["system_folder"].number == 1)
        #expect(report["docks"].list.contains { $0["safe_to_undock"].flag == true && $0["device"].text == "K0001" })
        #expect(try await station.run("verify", "--deep").status == 0)
    }

    @Test(.enabled(if: CardImage.isAvailable(.fat), fatNeeds))
    func aCardPulledOutIsGoneOnWithWhenItIsBack() async throws {
        let station = try makeStation()
        let card = try CardImage(.fat, sizeBytes: 400 << 20, in: station.folder)
        defer { card.close() }
        let place = station.folder.path.appending("media/cam")
        try card.mount(at: place, readOnly: false)
        try await station.writeRandom("media/cam/LONG.TS", bytes: 300 << 20)
        let wanted = try await station.digests(below: "media/cam")
        try card.unmount()
        let agent = try station.start("run")
        defer { agent.signal(SIGKILL) }
        try card.mount(at: place, readOnly: true)
        await Self.waitForPartialCopy(in: station.path("state/spool"))
        card.pullOut()
        #expect(await agent.said("a file could not be collected") || agent.errors.contains("undocked"))
        #expect(try await station.json("recordings", "list", "--text", "LONG")["recordings"].list.isEmpty)
        // Another source is not held up.
        try await station.writeRandom("room/MEETING.WAV", bytes: 100_000)
        while try await station.json("recordings", "list", "--text", "MEETING")["recordings"].list.isEmpty {}
        let hurt = try await station.json("status")
        #expect(!hurt["docks"].list.contains { $0["source"].text == "docks" && $0["safe_to_undock"].flag == true })
        try card.lazyUnmount()
        try card.mount(at: place, readOnly: true)
        // The film, the meeting, and the card's label, which fusefat shows as an empty file.
        _ = try await station.status(agent) { $0["queue"]["verified"].number == 3 }
        agent.signal(SIGTERM)
        #expect(await agent.ended() == 0)
        let stored = try await station.digests(below: "nas/recordings")
        #expect(Set(stored.keys).isSuperset(of: wanted.keys))
        #expect(try FileManager.default.contentsOfDirectory(atPath: station.path("state/spool")).count == 2)
    }

    /// Returns in the middle of a copy: looked for without a pause, since a copy is soon over.
    private static func waitForPartialCopy(in spool: String) async {
        while true {
            let names = (try? FileManager.default.contentsOfDirectory(atPath: spool)) ?? []
            for name in names where name.hasSuffix(".partial") {
                var status = stat()
                if stat("\(spool)/\(name)", &status) == 0, status.st_size > 1 << 20 { return }
            }
            await Task.yield()
        }
    }

    @Test(.enabled(if: CardImage.isAvailable(.fat), fatNeeds))
    func theSameCardAgainIsNotCopiedAgain() async throws {
        let station = try makeStation()
        let card = try CardImage(.fat, in: station.folder)
        defer { card.close() }
        try card.mount(at: station.folder.path.appending("media/cam"), readOnly: false)
        try await station.writeRandom("media/cam/A.TS", bytes: 1_000_000)
        #expect(try await station.run("run", "--once").status == 0)
        let before = try await station.digests(below: "nas/recordings")
        try card.unmount()
        // In another bay, with a copy of the file under another name.
        try card.mount(at: station.folder.path.appending("media/other"), readOnly: false)
        try await TestStation.tool("cp", station.path("media/other/A.TS"), station.path("media/other/B.TS"))
        #expect(try await station.run("run", "--once").status == 0)
        #expect(try await station.digests(below: "nas/recordings") == before)
        let recordings = try await station.json("recordings", "list", "--text", ".TS")["recordings"]
        #expect(recordings.list.count == 1)
    }
}
