import EvidenceModel
import Foundation
import StationTesting
import Testing

/// Cards that break, hang and lie, on the built program.
@Suite(
    .timeLimit(.minutes(3)),
    .enabled(if: FaultyCard.isAvailable, "a card that breaks on demand needs root, /dev/fuse and Scripts/test-tools"))
struct BrokenCardTests {
    private func makeStation(_ more: String = "") throws -> TestStation {
        let station = try TestStation(
            sources: "  - {name: docks, mounts_under: @/media, settle_seconds: 0.2\(more)}",
            targets: "  - {name: nas, directory: {path: @/nas}}")
        for name in ["media", "nas"] { _ = try station.folder.folder(name) }
        return station
    }

    private func dock(_ status: JSONValue, _ bay: String) -> JSONValue? {
        status["docks"].list.first { $0["bay"].text == bay }
    }

    @Test func whatCanBeReadOfABrokenFileIsKept() async throws {
        let station = try makeStation(", wipe: after_receipt")
        let card = try FaultyCard(in: station.folder)
        defer { card.close() }
        try await station.writeRandom("backing/DCIM/BROKEN.TS", bytes: 10_000_000)
        try await station.writeRandom("backing/DCIM/WHOLE.TS", bytes: 3_000_000)
        try card.mount(at: station.folder.path.appending("media/cam"))
        var fault = FaultyCard.Fault()
        fault.bad = [ByteSpan(offset: 2_097_152 + 4096, length: 4096), ByteSpan(offset: 9_000_000, length: 1)]
        try card.set(fault, on: "DCIM/BROKEN.TS")
        let agent = try station.start("run")
        defer { agent.signal(SIGKILL) }
        let status = try await station.status(agent) { status in
            dock(status, "cam")?["files_damaged"].number == 1 && status["queue"]["verified"].number == 2
        }
        let cam = try #require(dock(status, "cam"))
        #expect(cam["state"].text == "attention" && cam["safe_to_undock"].flag == false)
        #expect(cam["files_collected"].number == 1 && cam["files_total"].number == 2)
        #expect(cam["reason"].text?.contains("1 of 2 files could be read only in part") == true)
        let broken = try await station.json("recordings", "list", "--text", "BROKEN")["recordings"][0]
        #expect(broken["health"].text == "damaged")
        let zeros = broken["damaged_bytes"].list.map { [$0["offset"].number, $0["length"].number] }
        #expect(zeros == [[2_101_248, 4096], [8_998_912, 4096]])
        // The copy at the target is the file with zeros there.
        var bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: station.path("backing/DCIM/BROKEN.TS"))))
        for span in [2_101_248..<2_105_344, 8_998_912..<9_003_008] {
            bytes.replaceSubrange(span, with: [UInt8](repeating: 0, count: span.count))
        }
        try Data(bytes).write(to: URL(fileURLWithPath: station.path("expected")))
        let expected = try await station.digests(below: "expected").keys
        #expect(Set(try await station.digests(below: "nas/recordings").keys).isSuperset(of: expected))
        #expect(broken["sha256"].text == expected.first)
        // Nothing is removed from such a card.
        #expect(try FileManager.default.contentsOfDirectory(atPath: station.path("backing/DCIM")).count == 2)
        // Healed, and docked again: the whole file is another recording, and the docking is fine.
        try card.lazyUnmount()
        _ = try await station.status(agent) { dock($0, "cam")?["state"].text == "undocked" }
        card.close()
        try card.mount(at: station.folder.path.appending("media/cam"), readOnly: true)
        _ = try await station.status(agent) {
            dock($0, "cam")?["safe_to_undock"].flag == true && $0["queue"]["verified"].number == 3
        }
        let both = try await station.json("recordings", "list", "--text", "BROKEN")["recordings"].list
        #expect(Set(both.compactMap { $0["health"].text }).count == 2 && both.count == 2)
        agent.signal(SIGTERM)
        #expect(await agent.ended() == 0)
    }

    @Test func aCardThatLiesAtTheSecondReadingIsNotWiped() async throws {
        let station = try makeStation()
        let card = try FaultyCard(in: station.folder)
        defer { card.close() }
        for name in ["A", "B"] { try await station.writeRandom("backing/\(name).TS", bytes: 3_000_000) }
        try card.mount(at: station.folder.path.appending("media/cam"))
        #expect(try await station.run("run", "--once").status == 0)
        // It gives another byte to whoever opens the file now; what the kernel remembers is still the truth.
        var fault = FaultyCard.Fault()
        (fault.liesFromOpening, fault.liesAt) = (1, 1_500_000)
        try card.set(fault, on: "A.TS")
        try station.allowWiping()
        let agent = try station.start("run")
        defer { agent.signal(SIGKILL) }
        let status = try await station.status(agent) { dock($0, "cam")?["state"].text == "attention" }
        #expect(dock(status, "cam")?["reason"].text?.contains("A.TS has other bytes at a second reading") == true)
        #expect(dock(status, "cam")?["safe_to_undock"].flag == false)
        agent.signal(SIGTERM)
        #expect(await agent.ended() == 0)
        #expect(try FileManager.default.contentsOfDirectory(atPath: station.path("backing")).count == 2)
        #expect(try await station.ledgerTypes().contains("differs"))
        #expect(try await !station.ledgerTypes().contains("wiped"))
    }

    @Test func whatIsProvedIsRemoved() async throws {
        let station = try makeStation(", wipe: after_receipt")
        let card = try FaultyCard(in: station.folder)
        defer { card.close() }
        for name in ["A", "B", "EMPTY"] {
            try await station.writeRandom("backing/DCIM/\(name).TS", bytes: name == "EMPTY" ? 0 : 9_000_001)
        }
        try card.mount(at: station.folder.path.appending("media/cam"))
        let wanted = try await station.digests(below: "backing")
        let agent = try station.start("run")
        defer { agent.signal(SIGKILL) }
        let status = try await station.status(agent) {
            dock($0, "cam")?["files_wiped"].number == 3 && dock($0, "cam")?["safe_to_undock"].flag == true
        }
        #expect(dock(status, "cam")?["reason"].text?.hasPrefix("3 files were removed") == true)
        #expect(try FileManager.default.contentsOfDirectory(atPath: station.path("backing/DCIM")) == [])
        #expect(Set(try await station.digests(below: "nas/recordings").keys).isSuperset(of: wanted.keys))
        agent.signal(SIGTERM)
        #expect(await agent.ended() == 0)
        #expect(try await station.ledgerTypes().count { $0 == "wiped" } == 3)
        #expect(try await station.run("verify", "--deep").status == 0)
    }

    /// A receipt tells what a target had once.
    @Test func whatATargetHasLostIsNotRemoved() async throws {
        let station = try makeStation()
        let card = try FaultyCard(in: station.folder)
        defer { card.close() }
        for name in ["A", "B"] { try await station.writeRandom("backing/\(name).TS", bytes: 1_000_000) }
        try card.mount(at: station.folder.path.appending("media/cam"))
        let wanted = try await station.digests(below: "backing").keys
        #expect(try await station.run("run", "--once").status == 0)
        try FileManager.default.removeItem(atPath: station.path("nas/recordings"))
        try station.allowWiping()
        let agent = try station.start("run")
        defer { agent.signal(SIGKILL) }
        // First they are made again from the station's copies; only then may they go.
        _ = try await station.status(agent) { dock($0, "cam")?["files_wiped"].number == 2 }
        agent.signal(SIGTERM)
        #expect(await agent.ended() == 0)
        #expect(Set(try await station.digests(below: "nas/recordings").keys).isSuperset(of: wanted))
        #expect(try await station.run("verify", "--deep").status == 0)
        #expect(try await station.ledgerTypes().count { $0 == "differs" } == 2)
    }

    /// It hangs before anything is known of it: in the small files that profiles ask for.
    @Test func aCardThatHangsAtOnceEndsWithItsMountAndStopsNobody() async throws {
        let station = try makeStation()
        try station.write(
            "devices.yaml",
            "profiles: [{name: marked, marker_file: MARK.TXT, patterns: [{name: n, pattern: '(?<device>K\\d)'}]}]")
        let card = try FaultyCard(in: station.folder)
        defer { card.close() }
        try station.write("backing/MARK.TXT", "x")
        try card.mount(at: station.folder.path.appending("media/cam"))
        var fault = FaultyCard.Fault()
        fault.stalls = true
        try card.set(fault, on: "MARK.TXT")
        let agent = try station.start("run")
        defer { agent.signal(SIGKILL) }
        try card.waitUntilStalled()
        try card.lazyUnmount()
        _ = try await station.status(agent) { dock($0, "cam")?["state"].text == "undocked" }
        // Its read has not returned, and the agent ends all the same.
        agent.signal(SIGTERM)
        #expect(await agent.ended() == 0)
    }

    @Test func aCardThatCannotBeWrittenIsLeftAndThatIsSaid() async throws {
        let station = try makeStation(", wipe: after_receipt")
        let card = try FaultyCard(in: station.folder)
        defer { card.close() }
        try await station.writeRandom("backing/A.TS", bytes: 100_000)
        try card.mount(at: station.folder.path.appending("media/cam"), readOnly: true)
        let agent = try station.start("run")
        defer { agent.signal(SIGKILL) }
        let status = try await station.status(agent) {
            dock($0, "cam")?["reason"].text?.contains("mounted read-only") == true
        }
        #expect(dock(status, "cam")?["safe_to_undock"].flag == true)
        agent.signal(SIGTERM)
        #expect(await agent.ended() == 0)
        #expect(try FileManager.default.contentsOfDirectory(atPath: station.path("backing")) == ["A.TS"])
    }

    /// Fifteen ext4 cards and one whose reads never return.
    @Test(.enabled(if: CardImage.isAvailable(.ext4), "mounting ext4 images needs root and loop devices"))
    func ofSixteenCardsOneHangsAndTheOthersDoNotWait() async throws {
        let station = try makeStation()
        let hanging = try FaultyCard(in: station.folder)
        defer { hanging.close() }
        try await station.writeRandom("backing/HANGS.TS", bytes: 5_000_000)
        try hanging.mount(at: station.folder.path.appending("media/hangs"))
        var fault = FaultyCard.Fault()
        fault.stalls = true
        try hanging.set(fault, on: "HANGS.TS")
        var cards: [CardImage] = []
        defer { for card in cards { card.close() } }
        for number in 1...15 {
            let card = try CardImage(.ext4, label: "CAM\(number)", sizeBytes: 16 << 20, in: station.folder)
            cards.append(card)
            try card.mount(at: station.folder.path.appending("media/cam\(number)"))
            try await station.writeRandom("media/cam\(number)/FILM\(number).TS", bytes: 2_000_000 + number)
        }
        let agent = try station.start("run")
        defer { agent.signal(SIGKILL) }
        let status = try await station.status(agent) { status in
            status["docks"].list.count { $0["safe_to_undock"].flag == true } == 15
                && status["queue"]["verified"].number == 15
        }
        let hung = try #require(dock(status, "hangs"))
        #expect(hung["state"].text != "safe_to_undock" && hung["files_collected"].number == 0)
        // It goes on by itself when the card answers.
        try hanging.waitUntilStalled()
        try hanging.release()
        _ = try await station.status(agent) { dock($0, "hangs")?["safe_to_undock"].flag == true }
        agent.signal(SIGTERM)
        #expect(await agent.ended() == 0)
    }

    @Test func aCardThatHangsIsUnpluggedAndTheNextOneInItsPlaceIsItsOwn() async throws {
        let station = try makeStation()
        let card = try FaultyCard(in: station.folder)
        defer { card.close() }
        try await station.writeRandom("backing/HANGS.TS", bytes: 5_000_000)
        try card.mount(at: station.folder.path.appending("media/cam"))
        var fault = FaultyCard.Fault()
        fault.stalls = true
        try card.set(fault, on: "HANGS.TS")
        let agent = try station.start("run")
        defer { agent.signal(SIGKILL) }
        try card.waitUntilStalled()
        try card.lazyUnmount()
        // Told at once, though the read in it has not returned.
        let gone = try await station.status(agent) { dock($0, "cam")?["state"].text == "undocked" }
        #expect(dock(gone, "cam")?["reason"].text?.contains("dock it again") == true)
        let next = try FaultyCard(in: station.folder, name: "next")
        defer { next.close() }
        try await station.writeRandom("next/FILM.TS", bytes: 1_000_000)
        try next.mount(at: station.folder.path.appending("media/cam"))
        _ = try await station.status(agent) { dock($0, "cam")?["safe_to_undock"].flag == true }
        // The hung read ends at last: its late word is about its own docking.
        card.pullOut()
        try await station.writeRandom("next/FILM2.TS", bytes: 1_000_000)
        let status = try await station.status(agent) { dock($0, "cam")?["files_collected"].number == 2 }
        #expect(dock(status, "cam")?["undocked_at"].text == nil)
        agent.signal(SIGTERM)
        #expect(await agent.ended() == 0)
    }
}

extension TestStation {
    /// From now on proved files are removed.
    func allowWiping() throws {
        let text = try String(contentsOfFile: path("capture-agent.yaml"), encoding: .utf8)
        try write(
            "capture-agent.yaml",
            text.replacingOccurrences(of: "settle_seconds: 0.2}", with: "settle_seconds: 0.2, wipe: after_receipt}"))
    }

    /// The types of the ledger's entries about all recordings, in no order.
    func ledgerTypes() async throws -> [String] {
        var types: [String] = []
        for recording in try await json("recordings", "list", "--limit", "1000")["recordings"].list {
            let shown = try await run("recordings", "show", recording["id"].text ?? "").output
            types += shown.matches(of: /"type":"([a-z_]+)"/).map { String($0.output.1) }
        }
        return types
    }
}
