import EvidenceModel
import Foundation
import GRDB
import LocatedYAML
import MediaIndex
import StationTesting
import Testing

private func time(_ day: Int) -> WallTime { WallTime(millisecondsSince1970: Int64(day) * 86_400_000) }

private func entry(
    _ officer: String, _ from: Int? = nil, _ until: Int? = nil, serial: String = "K1"
) -> DeviceRegister.Entry {
    DeviceRegister.Entry(serial: serial, officer: officer, from: from.map(time), until: until.map(time))
}

@Suite struct DeviceRegisterTests {
    private static let reissued = [entry("a", nil, 10), entry("b", 10, 20), entry("c", 20)]

    @Test(
        arguments: [
            (reissued, 9, "a"), (reissued, 10, "b"), (reissued, 19, "b"), (reissued, 20, "c"), (reissued, nil, nil),
            // What is set later goes before, where it holds.
            ([entry("a"), entry("b", 10, 20)], 9, "a"), ([entry("a"), entry("b", 10, 20)], 10, "b"),
            ([entry("b", 10, 20), entry("a")], 15, "a"), ([entry("a"), entry("b")], 15, "b"),
            // Of an unknown start: the only entry, or the last without bounds.
            ([entry("a", 10, 20)], nil, "a"), ([entry("a")], nil, "a"), ([entry("a"), entry("b")], nil, "b"),
            ([entry("a"), entry("b", 10)], nil, "a"), ([], nil, nil), ([], 5, nil), ([entry("a", 10, 20)], 20, nil),
        ] as [([DeviceRegister.Entry], Int?, String?)])
    func whoHadItThen(_ entries: [DeviceRegister.Entry], _ day: Int?, _ officer: String?) {
        let register = DeviceRegister([entry("x", serial: "K2")] + entries)
        #expect(register.entry(of: "K1", at: day.map(time))?.officer == officer)
        let found = register.officer(ofRecordingBy: "K1", startedAt: day.map(time), named: "n")
        #expect(found.officer == officer ?? "n")
        #expect(found.basis == (officer == nil ? .name : .register))
    }

    @Test func aRecordingOfNobodysDeviceKeepsItsName() {
        let register = DeviceRegister([entry("a")])
        #expect(register.officer(ofRecordingBy: nil, startedAt: time(1), named: "n") == ("n", .name))
        #expect(register.officer(ofRecordingBy: "K9", startedAt: time(1), named: nil) == (nil, nil))
    }

    @Test func entriesOverlapWhereAMomentIsInBoth() {
        #expect(!entry("a", nil, 10).overlaps(entry("b", 10)))
        #expect(entry("a", nil, 11).overlaps(entry("b", 10)))
        #expect(entry("a").overlaps(entry("b", 10, 11)) && entry("b", 10, 11).overlaps(entry("a")))
        #expect(!entry("a", 1, 2).overlaps(entry("b", 3, 4)) && !entry("b", 3, 4).overlaps(entry("a", 1, 2)))
    }
}

@Suite struct DeviceRegisterFileTests {
    private static let shanghai = StationZone(identifier: "Asia/Shanghai")

    private func register(_ devices: String) throws -> DeviceRegister {
        let zone = try #require(Self.shanghai)
        return try DeviceRegister(file: YAMLFile(name: "x.yaml", text: "profiles: []\n\(devices)"), zone: zone)
    }

    @Test func datesAreOfTheStation() throws {
        let register = try register(
            """
            devices:
              - {serial: K1, officer: "061234", name: 王, until: 2026-11-01}
              - {serial: K1, officer: "7", from: 2026-11-01, until: "2026-11-02T08:00:00Z"}
            """)
        #expect(register.serials == ["K1"])
        let entries = register.entries(of: "K1")
        #expect(entries.map(\.officer) == ["061234", "7"] && entries[0].name == "王")
        #expect(entries[0].until == WallTime(rfc3339: "2026-10-31T16:00:00Z") && entries[0].from == nil)
        #expect(entries[1].from == entries[0].until)
        #expect(entries[1].until == WallTime(rfc3339: "2026-11-02T08:00:00Z"))
    }

    @Test func withoutDevicesItIsEmpty() throws {
        #expect(try register("bays: {}").serials.isEmpty)
    }

    @Test(arguments: [
        (
            "[{serial: K, officer: a, until: 2026-02-02},\n {serial: L, officer: b},\n {serial: K, officer: c}]",
            "x.yaml:4: devices.2: overlaps the entry of \"K\" in line 2"
        ),
        ("[{serial: K}]", "x.yaml:2: devices.0: the key \"officer\" is missing"),
        ("[{serial: '', officer: a}]", "devices.0.serial: is \"\", expected 1 to 200 characters"),
        ("[{serial: K, officer: \"a\\nb\"}]", "devices.0.officer: is \"a"),
        ("[{serial: K, officer: a, from: tomorrow}]", "devices.0.from: is \"tomorrow\", expected a date or a time"),
        (
            "[{serial: K, officer: a, from: 2026-02-02, until: 2026-02-02}]",
            "devices.0.until: is not after \"from\""
        ),
        ("[{serial: K, officer: a, to: 2026-02-02}]", "devices.0: the key \"to\" is not known"),
    ])
    func whatIsWrongHasItsLine(_ devices: String, _ expected: String) throws {
        let error = #expect(throws: YAMLError.self) { try register("devices: \(devices)") }
        #expect(error?.description.contains(expected) == true, "\(error?.description ?? "")")
    }

    @Test func theExampleIsRead() throws {
        let text = try String(contentsOfFile: Repository.path("Config/devices.yaml"), encoding: .utf8)
        let register = try DeviceRegister(
            file: YAMLFile(name: "devices.yaml", text: text), zone: #require(Self.shanghai))
        #expect(register.entries(of: "DSJ-EXAMPLE").map(\.officer) == ["061234", "061240"])
    }

    @Test func profilesDoNotComplainOfTheRegister() throws {
        _ = try profiles("profiles: []\ndevices: [{serial: K, officer: a}]")
    }
}

@Suite struct DeviceRowTests {
    private let station: StationDatabase
    private var random = SeededRandom(seed: 11)

    init() throws {
        station = try StationDatabase()
    }

    private mutating func recording(_ device: String, day: Int?, named: String? = "n") throws -> RecordingID {
        var recording = random.recording(at: day.map { time($0).millisecondsSince1970 })
        (recording.device, recording.officer) = (device, named)
        (recording.namedOfficer, recording.officerBasis) = (named, named.map { _ in .name })
        try station.insert(recording)
        return recording.id
    }

    private func assign(_ entry: DeviceRegister.Entry) throws -> Int {
        try station.queue.write { database in
            _ = try station.catalogue.assign(entry, by: "user:u", at: time(30), in: database)
            let register = DeviceRegister(try station.catalogue.assignments(of: entry.serial, in: database))
            return try station.catalogue.resolveOfficers(of: entry.serial, by: register, in: database).count
        }
    }

    @Test mutating func anEntryComesBackAsItWent() throws {
        _ = try assign(entry("a", 10, 20))
        let found = try station.queue.read { try station.catalogue.assignments(in: $0) }
        var expected = entry("a", 10, 20)
        expected.origin = .set(number: 1, by: "user:u", at: time(30))
        #expect(found == [expected])
    }

    @Test mutating func recordingsThatAreThereFollowTheRegister() throws {
        let early = try recording("K1", day: 5)
        let later = try recording("K1", day: 15)
        let unknown = try recording("K1", day: nil)
        let other = try recording("K2", day: 15)
        func officers() throws -> [String?] {
            try [early, later, unknown, other].map { try station.recording($0)?.officer }
        }
        #expect(try assign(entry("a", 10, 20)) == 2)
        #expect(try officers() == ["n", "a", "a", "n"])
        #expect(try station.recording(later)?.officerBasis == .register)
        #expect(try station.recording(later)?.namedOfficer == "n")
        // A second entry with bounds: nobody guesses any more whose the recording without a start is.
        #expect(try assign(entry("b", nil, 10)) == 2)
        #expect(try officers() == ["b", "a", "n", "n"])
        #expect(try station.recording(unknown)?.officerBasis == .name)
        #expect(try assign(entry("b", nil, 10)) == 0)
        #expect(try station.queue.read { try station.catalogue.devicesByRegister(in: $0) } == ["K1"])
    }

    @Test mutating func everyRecordingOfManyIsFoundAnew() throws {
        // More than are read at once, many with the same start.
        for index in 0..<1203 { _ = try recording("K1", day: index % 3 == 0 ? nil : index % 7, named: nil) }
        #expect(try assign(entry("a")) == 1203)
        var query = RecordingQuery(limit: 1000)
        query.officer = "a"
        #expect(try station.page(query).next != nil)
        #expect(try assign(entry("b", 3)) == (0..<1203).filter { $0 % 3 != 0 && $0 % 7 >= 3 }.count)
    }

    @Test mutating func seenDevicesAreThoseOfRecordingsAndOfDockings() throws {
        _ = try recording("K1", day: 1)
        _ = try recording("K1", day: 2)
        let log = DockLog()
        try station.queue.write { database in
            for (device, day) in [("K2", 4), ("K2", 6), ("K1", 5)] {
                var dock = Dock(
                    source: "docks", root: RawPath("/m/\(device)"), fileSystem: "f", device: device, state: .reading,
                    dockedAt: time(day))
                dock.id = try log.begin(dock, in: database)
                try log.save(dock, in: database)
            }
        }
        let seen = try station.queue.read { try station.catalogue.seenDevices(in: $0) }
        #expect(seen.map(\.serial) == ["K1", "K2"] && seen.map(\.recordings) == [2, 0])
        #expect(seen.map(\.dockedAt) == [time(5), time(6)])
    }

    @Test mutating func aHoldEndsOnce() throws {
        let id = try recording("K1", day: 1)
        let catalogue = station.catalogue
        let first = try station.queue.write {
            try catalogue.hold(id, reason: "court", by: "user:a", at: time(1), in: $0)
        }
        _ = try station.queue.write { try catalogue.hold(id, reason: "again", by: "user:b", at: time(2), in: $0) }
        for (user, day) in [("user:c", 3), ("user:d", 4)] {
            try station.queue.write { try catalogue.release(first.number, by: user, at: time(day), in: $0) }
        }
        let holds = try station.queue.read { try catalogue.holds(of: id, in: $0) }
        #expect(holds.map(\.reason) == ["court", "again"] && holds.map(\.releasedBy) == ["user:c", nil])
        #expect(holds[0].releasedAt == time(3) && holds[1].releasedAt == nil)
    }
}
