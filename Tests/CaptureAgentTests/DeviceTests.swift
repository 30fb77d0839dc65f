import EvidenceModel
import FileAccess
import Foundation
import MediaIndex
import StationTesting
import Testing

@testable import CaptureAgent

/// What a docked device tells of itself, on cards that are mounted for real.
@Suite(.timeLimit(.minutes(3)))
struct DeviceTests {
    private static let devices = #"""
        profiles:
          - name: in-car
            marker_file: WIDKEY/WOFFICER.TXT
            file_time_zone: as_mounted
            clock: {file: TIME.TXT, pattern: '(?<time>\d{14})'}
            patterns:
              - {name: officer, of: marker_file, file: widkey/wofficer.txt, pattern: '(?<officer>\d{6})'}
              - {name: name, pattern: '^(?<device>K\d{4})_(?<time>\d{14})(?:_(?<part>\d+))?'}
        """#

    private static func film(_ file: String, hertz: Int = 440) async throws {
        try await TestStation.tool(
            "ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25", "-f", "lavfi",
            "-i", "sine=\(hertz)", "-t", "2", "-c:a", "aac", "-c:v", "libx264", "-preset", "ultrafast", file)
    }

    /// The digits that a clock in Shanghai shows which is ahead.
    private static func digits(ahead seconds: Double) -> String {
        let format = DateFormatter()
        format.locale = Locale(identifier: "en_US_POSIX")
        format.timeZone = TimeZone(identifier: "Asia/Shanghai")
        format.dateFormat = "yyyyMMddHHmmss"
        return format.string(from: Date(timeIntervalSinceNow: seconds))
    }

    @Test(.enabled(if: CardImage.isAvailable(.fat), "mounting a FAT image needs root, /dev/fuse and fusefat"))
    func markerAndTimeFileGiveOfficerAndClock() async throws {
        let station = try TestStation(
            sources: "  - {name: docks, mounts_under: @/media, collect: spool, settle_seconds: 0.2}",
            targets: "  - {name: nas, directory: {path: @/nas}}")
        try station.write("devices.yaml", Self.devices)
        for name in ["media", "nas"] { _ = try station.folder.folder(name) }
        let (other, card) = (
            try CardImage(.fat, label: "OTHER", in: station.folder), try CardImage(.fat, in: station.folder)
        )
        defer { for card in [other, card] { card.close() } }
        let agent = try station.start("run")
        defer { agent.signal(SIGKILL) }
        // When this one is told of, the agent has looked at what was there when it began.
        try other.mount(at: station.folder.path.appending("media/other"), readOnly: true)
        #expect(await agent.said("a source is there"))

        let prepared = station.folder.path.appending("prepared")
        try card.mount(at: prepared)
        try FileManager.default.createDirectory(
            atPath: prepared.appending("WIDKEY").display, withIntermediateDirectories: true)
        for number in [1, 2] {
            try await Self.film(
                prepared.appending("K0001_2026112209300\((number - 1) * 2)_\(number).MP4").display,
                hertz: 400 + number)
        }
        try station.write("prepared/WIDKEY/WOFFICER.TXT", "officer 061234\r\n")
        try station.write("prepared/TIME.TXT", Self.digits(ahead: 312))
        try card.unmount()
        try card.mount(at: station.folder.path.appending("media/cam"), readOnly: true)
        #expect(await agent.said("a device's clock was measured"))
        _ = try await station.status(agent) { status in
            status["queue"]["verified"].number.map { $0 >= 4 } == true && status["queue"]["waiting"].number == 0
        }
        let films = try await station.json("recordings", "list", "--kind", "video")["recordings"].list
        #expect(films.count == 2)
        for film in films {
            #expect(film["officer"].text == "061234" && film["device"].text == "K0001")
            let offset = try #require(film["clock_offset_seconds"].number)
            #expect((250...313).contains(offset), "\(offset)")
            #expect(film["clock_offset_method"].text == "time_file")
            #expect(film["started_at"].text?.hasPrefix("2026-11-22T09:2") == true, "\(film["started_at"].text ?? "")")
            #expect(film["take"]["parts"].number == 2)
            #expect(film["time_evidence"][0]["original"].text?.hasPrefix("202611220930") == true)
        }
        let docks = try await station.json("status")["docks"].list
        #expect(docks.contains { $0["clock_offset_method"].text == "time_file" && $0["officer"].text == "061234" })
        agent.signal(SIGTERM)
        #expect(await agent.ended() == 0)
    }

    @Test func signsAreReadWhateverTheirCaseAndNoLinkIsFollowed() throws {
        let folder = try TemporaryDirectory()
        let root = WatchedRoot(source: "s", kind: .mount, path: folder.path, fileSystem: "f")
        let path = { (name: String) in folder.path.appending(name).display }
        try FileManager.default.createDirectory(atPath: path("widkey"), withIntermediateDirectories: true)
        try Data("061234".utf8).write(to: URL(fileURLWithPath: path("widkey/WOfficer.txt")))
        try Data(repeating: 0x41, count: 100_000).write(to: URL(fileURLWithPath: path("BIG.TXT")))
        try FileManager.default.createSymbolicLink(atPath: path("LINK.TXT"), withDestinationPath: "/etc/passwd")
        try FileManager.default.createSymbolicLink(atPath: path("OUT"), withDestinationPath: "/etc")
        #expect(mkfifo(path("FIFO.TXT"), 0o600) == 0)
        let read = DeviceSignsReader.read(
            ["WIDKEY/WOFFICER.TXT", "big.txt", "LINK.TXT", "OUT/passwd", "FIFO.TXT", "WIDKEY", "NONE/X.TXT"], on: root)
        #expect(read.signs.file("widkey/wofficer.TXT")?.text == "061234")
        #expect(read.signs.file("BIG.TXT")?.text.count == 4096)
        for name in ["LINK.TXT", "OUT/passwd", "FIFO.TXT", "WIDKEY", "NONE/X.TXT"] {
            #expect(read.signs.file(name) == nil, "\(name)")
        }
        #expect(read.failures.map { $0.path.lastComponent.display }.sorted() == ["FIFO.TXT", "LINK.TXT", "widkey"])
    }

    @Test func probeExplainsWhatIsBelieved() async throws {
        let station = try TestStation(
            sources: "  - {name: docks, mounts_under: @/media}", targets: "  - {name: nas, directory: {path: @/nas}}")
        try station.write("devices.yaml", Self.devices)
        try station.write("card/WIDKEY/WOFFICER.TXT", "061234")
        try await Self.film(station.path("card/K0001_19700101000000.MP4"))
        let file = station.path("card/K0001_19700101000000.MP4")
        let told = try await station.json("probe", "--explain", "--root", station.path("card"), file)[0]
        #expect(told["profile"].text == "in-car")
        let fields = told["fields"].list.map {
            "\($0["field"].text ?? "") \($0["value"].text ?? "") \($0["of"].text ?? "")"
        }
        #expect(
            fields == [
                "device K0001 file_name", "officer 061234 marker_file widkey/wofficer.txt",
                "time 19700101000000 file_name",
            ])
        let verdicts = told["evidence"].list.map { "\($0["basis"].text ?? "") \($0["verdict"].text ?? "")" }
        #expect(verdicts.first == "file_name too_early" && verdicts.last == "file_time chosen", "\(verdicts)")
        #expect(told["started_at_basis"].text == "file_time")
        let (status, output, _) = try await station.run("probe", "--explain", "--root", station.path("card"), file)
        #expect(status == 0 && output.contains("officer 061234: profile in-car, pattern officer, of marker_file"))
        #expect(output.contains("in Asia/Shanghai: 1970-01-01T00:00:00+08:00 — not plausible: before 2010"))
        let wrong = try await station.run("probe", "--explain", "--devices", station.path("none.yaml"), file)
        #expect(wrong.status == 78)
    }
}
