import EvidenceModel
import Foundation
import GRDB
import Logging
import MediaIndex
import StationTesting
import Testing

@testable import CaptureAgent

/// Copies on the station that make room, break, or are left half made.
@Suite(.timeLimit(.minutes(3)))
struct SpoolKeepingTests {
    private func makeStation(_ more: String = "") throws -> TestStation {
        let station = try TestStation(
            sources: "  - {name: docks, mounts_under: @/media, settle_seconds: 0.2\(more)}",
            targets: "  - {name: nas, directory: {path: @/nas}}")
        _ = try station.folder.folder("media")
        return station
    }

    /// A file system in memory stands for a card: anything that is mounted below `media` is a device.
    private func mountCard(_ station: TestStation, _ name: String = "cam") async throws {
        _ = try station.folder.folder("media/\(name)")
        try await TestStation.tool(
            "mount", "-t", "tmpfs", "-o", "size=100m", "card-\(name)", station.path("media/\(name)"))
    }

    private func names(_ station: TestStation, _ folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: station.path(folder)).filter { $0 != "journals" }.sorted()
    }

    @Test(.enabled(if: geteuid() == 0, "mounting a small disk needs root"))
    func verifiedCopiesMakeRoomTheOldestFirst() async throws {
        let station = try makeStation()
        for name in ["nas", "state"] { _ = try station.folder.folder(name) }
        try await TestStation.tool("mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", station.path("state"))
        try station.extendConfiguration("spool: {keep_free_bytes: 2097152}")
        try await mountCard(station)
        let agent = try station.start("run")
        defer { agent.signal(SIGKILL) }
        for number in 1...5 {
            try await station.writeRandom("media/cam/FILM\(number).TS", bytes: (10 << 20) + number)
            _ = try await station.status(agent) { $0["queue"]["verified"].number == number }
        }
        let status = try await station.json("status")
        #expect(status["docks"][0]["safe_to_undock"].flag == true && status["docks"][0]["files_total"].number == 5)
        agent.signal(SIGTERM)
        #expect(await agent.ended() == 0)
        // Four copies of 10 MiB fit; the first one went.
        let recordings = try await station.json("recordings", "list")["recordings"].list
        let newest = recordings.compactMap { $0["file_name"].text == "FILM5.TS" ? $0["id"].text : nil }
        let oldest = recordings.compactMap { $0["file_name"].text == "FILM1.TS" ? $0["id"].text : nil }
        let spool = try names(station, "state/spool")
        #expect(spool.contains(newest[0]) && !spool.contains(oldest[0]) && spool.count == 4, "\(spool)")
        #expect(recordings.count == 5 && recordings.allSatisfy { $0["state"].text == "verified" })
        #expect(try await station.run("verify", "--deep").status == 0)
        // The card again: what has left the spool is known, and not copied again.
        let again = try await station.run("run", "--once")
        #expect(again.status == 0, "\(again.errors)")
        #expect(try names(station, "state/spool") == spool)
    }

    @Test(.enabled(if: geteuid() == 0, "mounting a small disk needs root"))
    func whatIsNotVerifiedMakesNoRoom() async throws {
        let station = try makeStation()
        _ = try station.folder.folder("state")
        try await TestStation.tool("mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", station.path("state"))
        try station.extendConfiguration("spool: {keep_free_bytes: 2097152}")
        try await mountCard(station)
        // No target: `nas` is not there.
        for number in 1...3 { try await station.writeRandom("media/cam/FILM\(number).TS", bytes: 10 << 20) }
        let agent = try station.start("run")
        defer { agent.signal(SIGKILL) }
        let status = try await station.status(agent) { $0["docks"][0]["state"].text == "attention" }
        #expect(status["docks"][0]["files_collected"].number == 2)
        #expect(status["docks"][0]["reason"].text?.contains("free to go on") == true)
        // The target comes: copies are verified, leave, and the third file goes in.
        _ = try station.folder.folder("nas")
        _ = try await station.status(agent) { $0["queue"]["verified"].number == 3 }
        agent.signal(SIGTERM)
        #expect(await agent.ended() == 0)
    }

    @Test(.enabled(if: geteuid() == 0, "mounting a card needs root"))
    func aCopyThatBrokeOnTheStationIsCollectedAgain() async throws {
        let station = try makeStation()
        try await mountCard(station)
        try await station.writeRandom("media/cam/FILM.TS", bytes: 20_000_000)
        let wanted = try await station.digests(below: "media/cam").keys
        let agent = try station.start("run")
        defer { agent.signal(SIGKILL) }
        // Collected; the target is not there yet.
        _ = try await station.status(agent) { $0["docks"][0]["files_collected"].number == 1 }
        let spool = try names(station, "state/spool")
        try #require(spool.count == 1)
        let copy = try FileHandle(forUpdating: URL(fileURLWithPath: station.path("state/spool/\(spool[0])")))
        try copy.seek(toOffset: 15_000_000)
        try copy.write(contentsOf: Data([1, 2, 3, 4]))
        try copy.close()
        _ = try station.folder.folder("nas")
        _ = try await station.status(agent) { $0["queue"]["verified"].number == 1 }
        agent.signal(SIGTERM)
        #expect(await agent.ended() == 0)
        #expect(try await station.digests(below: "nas/recordings").keys.contains { wanted.contains($0) })
        #expect(try names(station, "state/spool") == [spool[0], spool[0] + ".damaged"])
        #expect(try await station.json("recordings", "list")["recordings"].list.count == 1)
    }

    @Test(.enabled(if: FaultyCard.isAvailable, "a card that lies needs root, /dev/fuse and Scripts/test-tools"))
    func otherContentUnderTheSameNameIsNoticedAndKept() async throws {
        let station = try makeStation()
        _ = try station.folder.folder("nas")
        let card = try FaultyCard(in: station.folder)
        defer { card.close() }
        try await station.writeRandom("backing/FILM.TS", bytes: 300_000)
        let place = station.folder.path.appending("media/cam")
        try card.mount(at: place, readOnly: true)
        #expect(try await station.run("run", "--once").status == 0)
        card.close()
        // The same name, size and times, and another beginning.
        try card.mount(at: place, readOnly: true)
        var fault = FaultyCard.Fault()
        (fault.liesFromOpening, fault.liesAt) = (1, 0)
        try card.set(fault, on: "FILM.TS")
        let once = try await station.run("run", "--once", "--json")
        #expect(once.status == 0)
        let reason = try JSONValue(once.output)["docks"][0]["reason"].text
        #expect(reason?.hasPrefix("1 files have other content") == true, "\(reason ?? "")")
        #expect(try await station.json("recordings", "list")["recordings"].list.count == 2)
    }

    @Test(.enabled(if: CardImage.isAvailable(.ext4), "mounting ext4 images needs root and loop devices"))
    func removalsThatWereCutShortAreSettledAtTheNextDocking() async throws {
        let station = try makeStation()
        _ = try station.folder.folder("nas")
        let card = try CardImage(.ext4, in: station.folder)
        defer { card.close() }
        try card.mount(at: station.folder.path.appending("media/cam"))
        for name in ["GONE", "THERE"] { try await station.writeRandom("media/cam/\(name).TS", bytes: 100_000) }
        #expect(try await station.run("run", "--once").status == 0)
        // The agent was killed between the two halves of a removal: one name is gone, the other is not.
        try await Self.beginRemovals(station)
        try FileManager.default.removeItem(atPath: station.path("media/cam/GONE.TS"))
        try station.allowWiping()
        let agent = try station.start("run")
        defer { agent.signal(SIGKILL) }
        _ = try await station.status(agent) { $0["docks"][0]["files_wiped"].number == 1 }
        agent.signal(SIGTERM)
        #expect(await agent.ended() == 0)
        #expect(try names(station, "media/cam") == ["lost+found"])
        #expect(try await station.ledgerTypes().count { $0 == "wiped" } == 2)
    }

    @Test(.enabled(if: geteuid() == 0, "mounting a card needs root"))
    func whatCannotBeReadPastTheCacheIsNotRemoved() async throws {
        // A file system in memory has nothing behind its cache.
        let station = try makeStation(", wipe: after_receipt")
        _ = try station.folder.folder("nas")
        try await mountCard(station)
        try await station.writeRandom("media/cam/FILM.TS", bytes: 100_000)
        let agent = try station.start("run")
        defer { agent.signal(SIGKILL) }
        let status = try await station.status(agent) {
            $0["docks"][0]["reason"].text?.hasPrefix("nothing more is removed for now") == true
        }
        #expect(status["docks"][0]["safe_to_undock"].flag == true && status["docks"][0]["files_wiped"].number == 0)
        agent.signal(SIGTERM)
        #expect(await agent.ended() == 0)
        #expect(try names(station, "media/cam") == ["FILM.TS"])
    }

    private static func beginRemovals(_ station: TestStation) async throws {
        let file = RawPath(station.path("capture-agent.yaml"))
        let text = try String(contentsOfFile: file.display, encoding: .utf8)
        let configuration = try ConfigurationReader.read(file: file, text: text, environment: [:])
        let opened = try Station.open(configuration, logger: .init(label: "test"))
        try await opened.database.write(durable: true) { database in
            let dock = try #require(try opened.docks.dockings(ofDevice: nil, limit: 1, in: database).first)
            for name in ["GONE.TS", "THERE.TS"] {
                let path = RawPath(name)
                let id = try #require(try opened.docks.recording(at: path, docking: dock.id, in: database))
                try opened.docks.begin(
                    .init(docking: dock.id, path: path, recording: id, method: "o_direct"), at: Station.now(),
                    in: database)
            }
        }
    }

    @Test(.enabled(if: CardImage.isAvailable(.ext4), "mounting ext4 images needs root and loop devices"))
    func aReadOnlyCardIsMadeWritableForTheRemovalAndThenReadOnlyAgain() async throws {
        let hooks = """
            , wipe: after_receipt, before_wipe: {command: [/bin/mount, -o, 'remount,rw', '{mount_point}']},
                after_wipe: {command: [/bin/mount, -o, 'remount,ro', '{mount_point}']}
            """
        let station = try makeStation(hooks)
        _ = try station.folder.folder("nas")
        let card = try CardImage(.ext4, in: station.folder)
        defer { card.close() }
        let place = station.folder.path.appending("media/cam")
        try card.mount(at: place)
        try await station.writeRandom("media/cam/DCIM/FILM.TS", bytes: 5_000_000)
        try card.unmount()
        try card.mount(at: place, readOnly: true)
        let agent = try station.start("run")
        defer { agent.signal(SIGKILL) }
        let status = try await station.status(agent) { status in
            status["docks"][0]["files_wiped"].number == 1 && status["docks"][0]["safe_to_undock"].flag == true
        }
        #expect(status["docks"][0]["bay"].text == "cam")
        #expect(throws: (any Error).self) { try Data([1]).write(to: URL(fileURLWithPath: place.display + "/x")) }
        #expect(try names(station, "media/cam/DCIM") == [])
        agent.signal(SIGTERM)
        #expect(await agent.ended() == 0)
        #expect(try await station.ledgerTypes().contains("wiped"))
    }
}

extension TestStation {
    func extendConfiguration(_ yaml: String) throws {
        let text = try String(contentsOfFile: path("capture-agent.yaml"), encoding: .utf8)
        try write("capture-agent.yaml", text + "\n" + yaml + "\n")
    }
}
