import EvidenceModel
import Foundation
import GRDB
import MediaIndex
import StationTesting
import Testing

@Suite("Upgrade of an earlier catalogue")
struct UpgradeTests {
    private let queue: DatabaseQueue
    private let catalogue = Catalogue()

    init() throws {
        queue = try DatabaseQueue()
        try queue.write { database in
            try database.execute(sql: CatalogueOne.schema)
            try database.execute(sql: CatalogueOne.rows)
        }
        var migrator = DatabaseMigrator()
        CatalogueSchema.registerMigrations(in: &migrator)
        try migrator.migrate(queue)
    }

    private func recording(_ number: Int) throws -> Recording {
        let id = try #require(RecordingID("01900000-0000-7000-8000-00000000000\(number)"))
        return try #require(try queue.read { try catalogue.recording(id, in: $0) })
    }

    @Test func whatWasDescribedIsKeptWithTheEvidenceThatIsKnown() throws {
        let named = try recording(1)
        #expect(named.device == "K0001" && named.officer == "061234" && named.state == .verified)
        #expect(named.facts?.streams.map(\.codec) == ["h264"] && named.facts?.healthDetails == ["a"])
        #expect(named.facts?.durationSeconds == 20.02 && named.facts?.durationBasis == nil)
        #expect(named.facts?.damagedSpans == [] && named.facts?.positions == [])
        #expect(named.tags.map(\.item) == ["i"])
        #expect(named.marks == RecordingMarks() && named.clockOffset == nil && named.take == nil)
        let start = WallTime(millisecondsSince1970: 1_700_000_000_000)
        #expect(
            named.evidence == [
                TimeEvidence(
                    basis: .fileName, original: "", readAs: "by an older version of the agent", at: start,
                    isByDeviceClock: true)
            ])
        let embedded = try recording(2)
        #expect(embedded.evidence.map(\.original) == ["2023-11-14T22:13:20Z"])
        #expect(try recording(3).evidence == [] && recording(3).facts == nil)
    }

    @Test func whatWasSeenFindsItsSidecars() throws {
        let (medium, sidecar) = (try recording(2), try recording(3))
        try queue.read { database throws in
            #expect(try catalogue.companions(of: sidecar.id, in: database) == [medium])
            #expect(try catalogue.companions(of: medium.id, in: database) == [], "not described yet")
        }
    }

    @Test func theLastDockingOfEachRootBeginsTheHistory() throws {
        let second = DatabaseQueueOfTwo()
        let log = DockLog()
        let docks = try second.upgraded().read { try log.docks(endedAfter: WallTime(millisecondsSince1970: 0), in: $0) }
        #expect(docks.map(\.root.display) == ["/media/a", "/media/b", "/media/c"])
        #expect(docks.map(\.ended) == [nil, .early, .complete] && docks.map(\.filesNew) == [1, 0, 0])
        #expect(docks.map(\.clockOffset) == [ClockOffset(seconds: 3.5, method: .timeFile), nil, nil])
        #expect(docks.map(\.undockedAt?.millisecondsSince1970) == [nil, 1_700_000_000_002, 1_700_000_000_002])
    }

    @Test func aDescriptionIsWrittenAsUsual() throws {
        var sidecar = try recording(3)
        sidecar.facts = MediaFacts(kind: .sidecar, health: .intact)
        let described = sidecar
        try queue.write { try catalogue.describe(described, at: described.collectedAt, in: $0) }
        #expect(try recording(3) == described)
        #expect(try queue.read { try catalogue.undescribed(ofEachOwner: 5, in: $0) } == [])
        #expect(
            try queue.read { try DockLog().docks(endedAfter: described.collectedAt, in: $0).map(\.clockOffset) } == [
                nil
            ])
    }
}

/// A database of the second version of the catalogue, whose schema the first and its migration make, with rows.
private struct DatabaseQueueOfTwo {
    func upgraded() throws -> DatabaseQueue {
        let queue = try DatabaseQueue()
        var migrator = DatabaseMigrator()
        CatalogueSchema.registerMigrations(in: &migrator)
        try queue.write { database in
            try database.execute(sql: CatalogueOne.schema)
            try database.execute(sql: CatalogueOne.rows)
        }
        try migrator.migrate(queue, upTo: "catalogue-2")
        try queue.write { database in
            try database.execute(
                sql: """
                    UPDATE dock SET clock_offset_seconds = 3.5, clock_offset_method = 'time_file';
                    INSERT INTO dock(source, root, file_system, state, docked_at_ms, undocked_at_ms, files_total)
                    VALUES('docks', CAST('/media/b' AS BLOB), 'g', 'undocked', 1700000000001, 1700000000002, 1),
                      ('docks', CAST('/media/c' AS BLOB), 'h', 'undocked', 1700000000001, 1700000000002, 0);
                    """)
        }
        try migrator.migrate(queue)
        return queue
    }
}

@Suite("Catalogue of times and takes")
struct CatalogueTimesTests {
    private let station: StationDatabase
    private var random = SeededRandom(seed: 41)

    init() throws {
        station = try StationDatabase()
    }

    private func time(_ seconds: Double) -> WallTime {
        WallTime(millisecondsSince1970: 1_795_000_000_000).adding(seconds: seconds)
    }

    @Test mutating func everythingThatIsKnownComesBack() throws {
        var recording = random.recording(at: 1_795_000_000_000)
        recording.startedAtBasis = .gps
        recording.marks = RecordingMarks(profile: "p", part: 3, takeKey: "0123", camera: "F", isImportant: true)
        recording.clockOffset = ClockOffset(seconds: -3.2, method: .timeFile)
        recording.evidence = TimeEvidence.Basis.allCases.map {
            TimeEvidence(basis: $0, original: "“\($0)”", readAs: "r", at: time(1), isByDeviceClock: $0 != .gps)
        }
        let points = [
            GeoPoint(latitude: 34.36, longitude: 107.14, altitudeMetres: 570.5, at: time(2)),
            GeoPoint(latitude: -90, longitude: -180),
        ].compactMap(\.self)
        recording.facts = MediaFacts(
            kind: .video, container: "mp4", durationSeconds: 20, durationBasis: .estimated, playableSeconds: 12.5,
            bitRate: 5_800_000,
            streams: [
                StreamFacts(
                    kind: .video, codec: "hevc", widthPixels: 1920, heightPixels: 1080, frameRate: 29.97,
                    rotationDegrees: 90, bitRate: 5_000_000),
                StreamFacts(kind: .audio, codec: "aac", channels: 2, language: "chi", startOffsetSeconds: 4.978),
            ], creationTime: "2026-11-22T09:30:00", make: "M", model: "X1", positions: points, health: .truncated,
            damagedSpans: [ByteSpan(offset: 5, length: 7), ByteSpan(offset: 100, length: 0)])
        try station.insert(recording)
        #expect(try station.recording(recording.id) == recording)
    }

    @Test mutating func aRowThatWasTamperedWithIsAnError() throws {
        var recording = random.recording(at: 5)
        recording.evidence = [
            TimeEvidence(basis: .gps, original: "", readAs: "", at: time(0), isByDeviceClock: false)
        ]
        recording.facts = MediaFacts(
            kind: .video, positions: [GeoPoint(latitude: 1, longitude: 1)].compactMap(\.self), health: .intact)
        try station.insert(recording)
        for sql in [
            "time_evidence SET basis = 'x'", "position SET latitude_degrees = 91", "recording SET duration_basis = 'x'",
            "recording SET clock_offset_seconds = 1, clock_offset_method = 'x'",
        ] {
            try station.queue.inDatabase { database throws in
                try database.execute(sql: "SAVEPOINT s; UPDATE \(sql)")
                #expect(throws: CatalogueError.self) { try station.catalogue.recording(recording.id, in: database) }
                try database.execute(sql: "ROLLBACK TO s; RELEASE s")
            }
        }
    }

    // MARK: Companions

    private mutating func seen(_ path: RawPath, modified: Int64 = 1_795_000_000, system: String = "f") throws
        -> Recording
    {
        var recording = random.recording(name: path.lastComponent)
        recording.facts = MediaFacts(kind: .video, health: .intact)
        try station.insert(recording)
        let stamp = FileStamp(
            device: 1, inode: 1, size: 1, modifiedNanoseconds: modified * 1_000_000_000, changedNanoseconds: 0)
        let sighting = Catalogue.Sighting(
            source: "s", fileSystem: system, file: SettledFile(path: path, stamp: stamp),
            sentinel: Sentinel(digest: random.digest()))
        let catalogue = station.catalogue
        try station.queue.write { try catalogue.insert(sighting, of: recording.id, at: recording.collectedAt, in: $0) }
        return recording
    }

    @Test mutating func companionsHaveTheSameFolderAndStem() throws {
        let medium = try seen(RawPath("DCIM/执法/X.a.MP4"))
        let wanted = [
            try seen(RawPath("dcim/执法/x.A.gpx")), try seen(RawPath("DCIM/执法/X.a.SRT"), modified: 1_795_086_400),
        ]
        for path in ["X.a.MP4", "DCIM/执法/X.MP4", "DCIM/执法/b/X.a.gpx", "DCIM/执法/.gpx"] { _ = try seen(RawPath(path)) }
        _ = try seen(RawPath("DCIM/执法/X.a.nmea"), system: "g")
        _ = try seen(RawPath("DCIM/执法/X.a.log"), modified: 1_795_086_401)
        let odd = try seen(RawPath(bytes: [0x41, 0xFF, 0x2E, 0x41]))
        let other = try seen(RawPath(bytes: [0x61, 0xFF, 0x2E, 0x42]))
        _ = try seen(RawPath(bytes: [0x61, 0xFE, 0x2E, 0x42]))
        let catalogue = station.catalogue
        try station.queue.read { database throws in
            #expect(
                try Set(catalogue.companions(of: medium.id, in: database).map(\.id)) == Set(wanted.map(\.id)))
            #expect(try catalogue.companions(of: odd.id, in: database).map(\.id) == [other.id])
            let plan = try String.fetchAll(
                database,
                sql: """
                    EXPLAIN QUERY PLAN SELECT other.recording FROM sighting AS own
                    JOIN sighting AS other USING(source, file_system, companion_key) WHERE own.recording = 'x'
                    """, adapter: SuffixRowAdapter(fromIndex: 3))
            #expect(plan.count == 2 && plan.allSatisfy { $0.hasPrefix("SEARCH") }, "\(plan)")
        }
    }

    // MARK: Takes

    /// One after the other, as if each was just described; then what the catalogue says of all.
    private mutating func takes(_ starts: [Double?], device: String? = "K1", order: [Int]? = nil) throws -> [String] {
        var recordings: [Recording] = []
        for (index, start) in starts.enumerated() {
            var recording = random.recording(name: RawPath("\(index).mp4"))
            recording.device = device
            recording.startedAt = start.map(time)
            recording.facts = MediaFacts(
                kind: .video, durationSeconds: 10, streams: [StreamFacts(kind: .video, codec: "h264")], health: .intact)
            recordings.append(recording)
        }
        for index in order ?? Array(starts.indices) { try describe(recordings[index]) }
        return try recordings.map { recording in
            guard let take = try station.recording(recording.id)?.take else { return "-" }
            let first = recordings.firstIndex { $0.id == take.id }.map { "\($0)" } ?? "?"
            return "\(first):\(take.part)/\(take.parts):\(take.gapSeconds.map { "\($0)" } ?? "-")"
        }
    }

    private func describe(_ recording: Recording) throws {
        try station.insert(recording)
        let catalogue = station.catalogue
        try station.queue.write { try catalogue.retake(recording.id, in: $0) }
    }

    @Test mutating func partsAreOneTakeInWhateverOrderTheyCome() throws {
        let expected = ["0:1/3:-", "0:2/3:0.5", "0:3/3:-0.5", "-", "-"]
        for (device, order) in [("A", [0, 1, 2, 3, 4]), ("B", [4, 3, 2, 1, 0]), ("C", [2, 0, 4, 1, 3])] {
            #expect(try takes([0, 10.5, 20, 40, nil], device: device, order: order) == expected, "\(order)")
        }
        // Without a device the source and the folder stand for it.
        #expect(try takes([500, 510, nil], device: nil) == ["0:1/2:-", "0:2/2:0.0", "-"])
    }

    @Test mutating func whatComesBetweenTakesItsPlace() throws {
        // 1 follows 0 only until 2, which is nearer to both, is there; then 1 is alone.
        #expect(try takes([0, 11.5, 10], order: [0, 1, 2]) == ["0:1/2:-", "-", "0:2/2:0.0"])
    }

    @Test mutating func whatMovesLeavesItsTake() throws {
        #expect(try takes([0, 10, 20]) == ["0:1/3:-", "0:2/3:0.0", "0:3/3:0.0"])
        var query = RecordingQuery()
        query.device = "K1"
        let all = try station.page(query).recordings.reversed().map(\.self)
        query.take = all[0].id
        #expect(try station.page(query).recordings.count == 3)
        var first = all[0]
        first.startedAt = time(-100)
        let (moved, catalogue) = (first, station.catalogue)
        try station.queue.write { database throws in
            try catalogue.setStart(of: moved, in: database)
            try catalogue.retake(moved.id, in: database)
        }
        let now = try all.map { try station.recording($0.id)?.take }
        #expect(now[0] == nil && now[1]?.id == all[1].id && now[1]?.part == 1 && now[1]?.gapSeconds == nil)
        #expect(now[2] == Take(id: all[1].id, part: 2, parts: 2, gapSeconds: 0))
    }

    @Test mutating func aLongTakeKeepsItsBeginning() throws {
        // Longer than what is looked at: 300 parts of ten minutes.
        let starts = (0..<300).map { Double($0) * 600 }
        var recordings: [Recording] = []
        for start in starts {
            var recording = random.recording()
            (recording.device, recording.startedAt) = ("L", time(start))
            recording.facts = MediaFacts(kind: .audio, durationSeconds: 600, health: .intact)
            recordings.append(recording)
            try describe(recording)
        }
        let last = try #require(try station.recording(recordings[299].id)?.take)
        #expect(last == Take(id: recordings[0].id, part: 300, parts: 300, gapSeconds: 0))
        #expect(try station.recording(recordings[150].id)?.take?.part == 151)
    }

    @Test(arguments: [
        ("device = 'K'", "recording_by_device"), ("device IS NULL AND source = 's'", "recording_without_device"),
    ])
    func neighboursComeFromAnIndex(_ scope: String, _ index: String) throws {
        let plan = try station.queue.read { database in
            try String.fetchAll(
                database,
                sql: """
                    EXPLAIN QUERY PLAN SELECT * FROM recording WHERE \(scope) AND (order_ms, id) <= (5, 'a')
                      AND order_ms >= 1 AND kind IN ('video', 'audio') ORDER BY order_ms DESC, id DESC LIMIT 1000
                    """, adapter: SuffixRowAdapter(fromIndex: 3))
        }
        #expect(plan.count == 1 && plan[0].contains("USING INDEX \(index)"), "\(plan)")
    }
}
