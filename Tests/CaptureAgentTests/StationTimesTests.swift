import EvidenceModel
import Foundation
import Logging
import MediaIndex
import StationTesting
import Testing

@testable import CaptureAgent

/// What follows for starts and takes when recordings are described, in whatever order that happens.
@Suite struct StationTimesTests {
    private let folder: TemporaryDirectory
    private let station: Station
    private let docking: Int64
    private static let docked = "2026-11-22T04:00:00Z"

    init() async throws {
        folder = try TemporaryDirectory()
        let devices = #"""
            profiles:
              - name: camera
                start: [gps, sidecar, file_name, file_time]
                patterns: [{name: n, pattern: '^(?<device>K\d)_(?<time>\d{14})'}]
            """#
        try Data(devices.utf8).write(to: URL(fileURLWithPath: folder.path.appending("devices.yaml").display))
        let text = """
            station: {id: test-01, name: t, time_zone: Asia/Shanghai}
            state_directory: state
            devices_file: devices.yaml
            sources: [{name: docks, mounts_under: /media}]
            targets: [{name: nas, directory: {path: nas}}]
            """
        let configuration = try ConfigurationReader.read(
            file: folder.path.appending("capture-agent.yaml"), text: text, environment: [:])
        station = try Station.open(configuration, logger: Logger(label: "test"))
        let (station, dockedAt) = (station, try #require(WallTime(rfc3339: Self.docked)))
        docking = try await station.database.write(durable: false) { database in
            let dock = Dock(
                source: "docks", root: RawPath("/media/a"), fileSystem: "card", state: .reading, dockedAt: dockedAt)
            return try station.docks.begin(dock, in: database)
        }
    }

    private func time(_ text: String) throws -> WallTime { try #require(WallTime(rfc3339: text)) }

    /// Puts a file of the card into the catalogue, as collecting does.
    private func collect(_ name: String, modified: String = "2026-11-22T01:30:10Z") async throws -> Recording {
        let station = station
        let path = RawPath("DCIM").appending(name)
        let reading = station.profiles.read(path: path, volumeLabel: nil)
        let sample = SampleRecording(seed: name.utf8.reduce(3) { $0 &* 31 &+ UInt64($1) }, size: 9)
        var recording = Recording(
            id: sample.id, station: "test-01", content: sample.content,
            place: .spool, fileName: path.lastComponent, source: "docks", sourcePath: path, device: reading.device,
            fileTime: try time(modified), collectedAt: try time(Self.docked))
        recording.marks = reading.marks
        if let found = reading.fields[.time], let time = reading.startedAt {
            recording.evidence = [station.evidenceRule(of: recording).named(found.text, time)]
        }
        let stamp = FileStamp(
            device: 1, inode: 1, size: 9, modifiedNanoseconds: recording.fileTime.millisecondsSince1970 * 1_000_000,
            changedNanoseconds: 0)
        let sighting = Catalogue.Sighting(
            source: "docks", fileSystem: "card", file: SettledFile(path: path, stamp: stamp),
            sentinel: Sentinel(digest: recording.content.digest))
        let (read, docking) = (recording, docking)
        let collected = try await station.database.read { try station.choosingStart(read, in: $0) }
        try await station.database.write(durable: false) { database in
            try station.catalogue.insert(collected, in: database)
            try station.catalogue.insert(sighting, of: collected.id, at: collected.collectedAt, in: database)
            try station.docks.add(collected.id, path: path, docking: docking, isNew: true, in: database)
        }
        return collected
    }

    private func describe(_ recording: Recording, _ facts: MediaFacts) async throws {
        let station = station
        let described = RecordingDescription.describe(
            recording, facts: facts, itemList: nil, now: recording.collectedAt)
        _ = try await station.database.write(durable: false) { database in
            try station.describe(described, at: described.collectedAt, in: database)
        }
    }

    private func start(_ recording: Recording) async throws -> String {
        let (station, id) = (station, recording.id)
        let found = try await station.database.read { try station.catalogue.recording(id, in: $0) }
        let recording = try #require(found)
        let evidence = recording.evidence.map(\.basis.rawValue).joined(separator: ",")
        return "\(recording.startedAt?.rfc3339() ?? "-") \(recording.startedAtBasis.rawValue) [\(evidence)]"
    }

    private static let film = MediaFacts(
        kind: .video, durationSeconds: 10, streams: [StreamFacts(kind: .video, codec: "h264")], health: .intact)

    private func gpx(_ text: String) throws -> MediaFacts {
        let point = GeoPoint(latitude: 34, longitude: 107, at: try time(text))
        return MediaFacts(kind: .sidecar, positions: [point].compactMap(\.self), health: .intact)
    }

    @Test(arguments: [[0, 1], [1, 0]])
    func aSidecarMovesTheStartWhicheverComesFirst(_ order: [Int]) async throws {
        let film = try await collect("K1_20261122093000.MP4")
        let sidecar = try await collect("k1_20261122093000.GPX")
        #expect(try await start(film) == "2026-11-22T01:30:00Z file_name [file_name]")
        for index in order {
            try await describe([film, sidecar][index], [Self.film, gpx("2026-11-22T01:24:48Z")][index])
        }
        #expect(try await start(film) == "2026-11-22T01:24:48Z gps [file_name,file_time,gps]")
        #expect(try await start(sidecar) == "2026-11-22T01:24:48Z gps [gps,file_time]")
    }

    @Test func aClockThatIsMeasuredLateCorrectsWhatWasCollected() async throws {
        let (station, docking) = (station, docking)
        let first = try await collect("K1_20261122093000.MP4")
        let second = try await collect("K1_20261122093010.MP4")
        let unread = try await collect("K1_20261122093020.MP4")
        let satellite = try await collect("K1_20261122094000.MP4")
        for recording in [first, second] { try await describe(recording, Self.film) }
        var facts = Self.film
        facts.positions = try gpx("2026-11-22T01:34:48Z").positions
        try await describe(satellite, facts)
        let offset = ClockOffset(seconds: 312, method: .timeFile)
        try await station.database.write(durable: false) { database in
            try station.correct(offset, broughtBy: docking, in: database)
        }
        #expect(try await start(first) == "2026-11-22T01:24:48Z file_name [file_name,file_time]")
        #expect(try await start(satellite) == "2026-11-22T01:34:48Z gps [file_name,gps,file_time]")
        #expect(try await start(unread) == "2026-11-22T01:25:08Z file_name [file_name]")
        // Described from what was read before the clock was measured.
        try await describe(unread, Self.film)
        #expect(try await start(unread) == "2026-11-22T01:25:08Z file_name [file_name,file_time]")
        let take = try await station.database.read { try station.catalogue.recording(unread.id, in: $0)?.take }
        #expect(take == Take(id: first.id, part: 3, parts: 3, gapSeconds: 0))
    }

    @Test func aDeviceMountedAgainTellsNoNewTime() {
        let memory = DockingMemory()
        var signs = DeviceSigns()
        let time = WallTime(millisecondsSince1970: 5)
        signs.note(.init(bytes: [0x31], modifiedAt: time, readAt: time), at: "T")
        #expect(memory.isNews("card", signs, time))
        signs.note(.init(bytes: [0x31], modifiedAt: time, readAt: time.adding(seconds: 60)), at: "T")
        #expect(!memory.isNews("card", signs, time))
        #expect(memory.isNews("other", signs, time))
        #expect(memory.isNews("card", signs, time.adding(seconds: 2)))
        signs.note(.init(bytes: [0x32], modifiedAt: time, readAt: time), at: "T")
        #expect(memory.isNews("card", signs, time.adding(seconds: 2)))
    }
}
