import Console
import EvidenceModel
import Foundation
import GRDB
import Logging
import MediaIndex
import StationTesting
import Testing

@testable import CaptureAgent

/// Whose recordings are: by names on the device, by the devices file, by what people set.
@Suite struct RegisterTests {
    private let folder: TemporaryDirectory
    private static let collected = "2026-11-22T04:00:00Z"

    init() throws {
        folder = try TemporaryDirectory()
    }

    /// The station as an agent finds it that begins, with the list `devices` in its devices file.
    private func open(_ devices: String) async throws -> Station {
        try folder.file(
            "devices.yaml",
            #"""
            profiles:
              - name: camera
                start: [gps, file_name]
                patterns: [{name: n, pattern: '^(?<device>K\d)_(?<officer>\d{6})(?:_(?<time>\d{14}))?'}]
            devices: \#(devices)
            """#)
        let text = """
            station: {id: test-01, name: t, time_zone: Asia/Shanghai}
            state_directory: state
            devices_file: devices.yaml
            sources: [{name: docks, mounts_under: /media}]
            targets: [{name: nas, directory: {path: nas}}]
            """
        let configuration = try ConfigurationReader.read(
            file: folder.path.appending("capture-agent.yaml"), text: text, environment: [:])
        let station = try Station.open(configuration, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        try await station.begin()
        return station
    }

    /// Puts a file into the catalogue as collecting does.
    private func collect(_ name: String, into station: Station) async throws -> Recording {
        let path = RawPath(name)
        let reading = station.profiles.read(path: path, volumeLabel: nil)
        let sample = SampleRecording(seed: name.utf8.reduce(3) { $0 &* 31 &+ UInt64($1) }, size: 9)
        let time = try #require(WallTime(rfc3339: Self.collected))
        var recording = Recording(
            id: sample.id, station: "test-01", content: sample.content, place: .spool, fileName: path,
            source: "docks", sourcePath: path, device: reading.device, officer: reading.officer, fileTime: time,
            collectedAt: time)
        recording.marks = reading.marks
        if let found = reading.fields[.time], let time = reading.startedAt {
            recording.evidence = [station.evidenceRule(of: recording).named(found.text, time)]
        }
        let read = recording
        return try await station.database.write(durable: false) { database in
            let chosen = try station.choosingStart(read, in: database)
            try station.catalogue.insert(chosen, in: database)
            return chosen
        }
    }

    private func officer(_ recording: Recording, in station: Station) async throws -> String {
        let (catalogue, id) = (station.catalogue, recording.id)
        let found = try #require(try await station.database.read { try catalogue.recording(id, in: $0) })
        return "\(found.officer ?? "-") \(found.officerBasis?.rawValue ?? "-") \(found.namedOfficer ?? "-")"
    }

    private static let november = #"[{serial: K1, officer: "07", from: 2026-11-01, until: 2026-12-01}]"#

    @Test func aPersonsWordGoesBeforeTheName() async throws {
        let station = try await open(Self.november)
        let inside = try await collect("K1_061234_20261122093000.MP4", into: station)
        let before = try await collect("K1_061234_20261031235959.MP4", into: station)
        let stranger = try await collect("K2_061234_20261122093000.MP4", into: station)
        #expect(try await officer(inside, in: station) == "07 register 061234")
        #expect(try await officer(before, in: station) == "061234 name 061234")
        #expect(try await officer(stranger, in: station) == "061234 name 061234")
    }

    @Test func aStartThatMovesMovesTheOfficer() async throws {
        let station = try await open(Self.november)
        let recording = try await collect("K1_061234_20261122093000.MP4", into: station)
        let point = GeoPoint(latitude: 34, longitude: 107, at: WallTime(rfc3339: "2026-10-02T00:00:00Z"))
        let facts = MediaFacts(kind: .video, positions: [point].compactMap(\.self), health: .intact)
        let described = RecordingDescription.describe(
            recording, facts: facts, itemList: nil, now: recording.collectedAt)
        _ = try await station.database.write(durable: false) {
            try station.describe(described, at: described.collectedAt, in: $0)
        }
        #expect(try await officer(recording, in: station) == "061234 name 061234")
    }

    @Test func ofAnUnknownStartNobodyGuesses() async throws {
        let station = try await open(Self.november)
        let recording = try await collect("K1_061234.MP4", into: station)
        #expect(try await officer(recording, in: station) == "07 register 061234")
        let order = DeviceOrder(officer: "08", from: "2026-12-01")
        let report = try await station.assign(order, to: "K1", by: "user:u")
        #expect(report.recordingsChanged == 1)
        #expect(try await officer(recording, in: station) == "061234 name 061234")
    }

    @Test func whatIsSetGoesBeforeTheFile() async throws {
        let station = try await open(Self.november)
        let recording = try await collect("K1_061234_20261122093000.MP4", into: station)
        let order = DeviceOrder(officer: "08", from: "2026-11-22T09:30:00+08:00", until: "2026-11-23")
        let report = try await station.assign(order, to: "K1", by: "user:u")
        #expect(report.recordingsChanged == 1 && report.entry.until == "2026-11-23T00:00:00+08:00")
        #expect(try await officer(recording, in: station) == "08 register 061234")
        let later = try await collect("K1_061234_20261123093000.MP4", into: station)
        #expect(try await officer(later, in: station) == "07 register 061234")
    }

    @Test func anotherDevicesFileIsFollowedAtTheNextStart() async throws {
        var recording: Recording
        do {
            let station = try await open(Self.november)
            recording = try await collect("K1_061234_20261122093000.MP4", into: station)
            station.database.close()
        }
        do {
            let station = try await open(#"[{serial: K1, officer: "09"}]"#)
            #expect(try await officer(recording, in: station) == "09 register 061234")
            station.database.close()
        }
        let station = try await open("[]")
        #expect(try await officer(recording, in: station) == "061234 name 061234")
    }

    @Test(arguments: [
        DeviceOrder(officer: ""), DeviceOrder(officer: "a\u{1B}b"), DeviceOrder(officer: "1", name: ""),
        DeviceOrder(officer: "1", from: "tomorrow"), DeviceOrder(officer: "1", from: "2026-01-02", until: "2026-01-02"),
    ])
    func whatSaysNothingIsNotEntered(_ order: DeviceOrder) throws {
        let rule = DeviceOrderRule(zone: .utc)
        let failure = #expect(throws: CommandFailure.self) { try rule.entry(order, "K1") }
        #expect(failure?.code == .usage)
        #expect(throws: CommandFailure.self) { try rule.entry(DeviceOrder(officer: "1"), "") }
        #expect(try rule.entry(DeviceOrder(officer: "1"), "K1").isUnbounded)
    }
}

@Suite struct EventTests {
    @Test func linesBecomeEvents() {
        var reader = EventReader()
        let lines = [
            ": still here", "", "event: dock", #"data: {"a":1}"#, "", "retry: 5", "event: x", "", "data: {}", "",
        ]
        #expect(lines.compactMap { reader.read($0) } == [EventReader.Event(name: "dock", data: #"{"a":1}"#)])
    }

    @Test func anEventIsALineForPeople() {
        let dock = EventReader.Event(
            name: "dock",
            data: #"{"source":"docks","device":"K1","state":"safe_to_undock","files_collected":2,"files_total":2}"#)
        #expect(dock.line == "dock: docks  K1  safe to undock  2/2 collected, 0/2 verified")
        #expect(dock.jsonLine.hasPrefix(#"{"event":"dock","data":{"source""#))
        let target = EventReader.Event(name: "target", data: #"{"name":"nas","state":"up","bytes_per_second":2048.0}"#)
        #expect(target.line == "target: nas  up  2.0 KiB/s")
    }

    @Test func onlyRowsThatChangedAreTold() throws {
        var board = EventBoard()
        var report = StatusReport(station: .init(id: "s", name: "s"))
        report.targets = [
            .init(name: "a", state: "up", bytesPerSecond: 0), .init(name: "b", state: "up", bytesPerSecond: 0),
        ]
        #expect(try board.changed(to: report).count == 2)
        #expect(try board.changed(to: report).isEmpty)
        report.targets[1].state = "waiting"
        let changed = try board.changed(to: report)
        #expect(changed.map(\.name) == ["target"] && changed[0].json.contains(#""state":"waiting""#))
        #expect(board.everything.count == 2)
    }

    @Test func everyFailureComesBackAsItself() {
        for code in CommandFailure.Code.allCases {
            let failure = CommandFailure(code, "it was tried", hint: "do this")
            #expect(CommandFailure(ConsoleProblem(failure)) == failure)
        }
    }
}
