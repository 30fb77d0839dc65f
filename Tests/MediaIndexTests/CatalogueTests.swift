import EvidenceModel
import Foundation
import GRDB
import MediaIndex
import StationTesting
import Testing

@Suite("Catalogue")
struct CatalogueTests {
    private let station: StationDatabase
    private var random = SeededRandom(seed: 8)

    init() throws {
        station = try StationDatabase()
    }

    @Test mutating func aRecordingComesBackAsItWent() throws {
        let bare = random.recording()
        var full = random.recording(name: RawPath(bytes: [0xFF, 0x25, 0xE6, 0x27]), at: -5)
        full.device = "K'1"
        full.officer = "张三"
        full.startedAtBasis = .fileName
        full.state = .parked
        full.facts = MediaFacts(
            kind: .video, container: "mp4", durationSeconds: 20.02,
            streams: [
                StreamFacts(kind: .video, codec: "h264", widthPixels: 1280, heightPixels: 720, frameRate: 25),
                StreamFacts(kind: .audio, codec: "aac", sampleRateHertz: 48_000, channels: 1),
                StreamFacts(kind: .data, codec: "gpmd"),
            ], creationTime: "2026-11-22T01:30:00Z", health: .damaged, healthDetails: ["“一”", "two\n"])
        full.tags = [
            EvidenceModel.Tag(
                item: "b", stage: "s", caseNumber: "2026-1", by: "rule:r", confidence: 0.25,
                at: .init(
                    millisecondsSince1970: 7), listVersion: "v"),
            EvidenceModel.Tag(
                item: "a", by: "user:x", confidence: 1, at: .init(millisecondsSince1970: 8), listVersion: "v"),
        ]
        var large = random.recording()
        large.content = random.content(size: 5001 * (8 << 20) + 3)
        large.place = .direct(root: RawPath(bytes: [0x2F, 0xFE]), fileSystem: "uuid", path: large.sourcePath)
        var empty = random.recording()
        empty.content = random.content(size: 0)
        for recording in [bare, full, large, empty] {
            try station.insert(recording)
            #expect(try station.recording(recording.id) == recording)
            let digest = recording.content.digest
            #expect(
                try station.queue.read { try station.catalogue.recording(withContent: digest, in: $0) } == recording)
        }
        #expect(large.content.partDigests.count == 5002)
        #expect(try station.recording(random.recording().id) == nil)
    }

    @Test mutating func theSameContentIsOneRecording() throws {
        let first = random.recording()
        var second = random.recording()
        second.content = first.content
        try station.insert(first)
        #expect(throws: DatabaseError.self) { try station.insert(second) }
        #expect(try station.recording(second.id) == nil)
    }

    @Test mutating func theStateAndThePlaceChange() throws {
        var recording = random.recording()
        recording.place = .direct(root: RawPath("/a"), fileSystem: "f", path: recording.sourcePath)
        try station.insert(recording)
        let moved = ContentPlace.direct(root: RawPath("/b"), fileSystem: "g", path: RawPath("moved/名.mp4"))
        let steps: [(ContentPlace, ContentPlace)] = [
            (.targets, recording.place), (moved, moved), (.spool, .spool), (moved, .spool), (.targets, .targets),
            (moved, .targets), (.spool, .spool),
        ]
        for (place, expected) in steps {
            try station.queue.write { database in
                try station.catalogue.setPlace(place, of: recording.id, at: recording.collectedAt, in: database)
            }
            #expect(try station.recording(recording.id)?.place == expected)
        }
        try station.queue.write { try station.catalogue.setState(.verified, of: recording.id, in: $0) }
        #expect(try station.recording(recording.id)?.state == .verified)
        #expect(try station.queue.read { try station.catalogue.counts(in: $0) } == [.verified: 1])
    }

    @Test mutating func whatIsNotDescribedIsFoundOldestFirst() throws {
        var recordings = (0..<20).map { _ in random.recording() }
        recordings[3].facts = MediaFacts(kind: .photo, health: .intact)
        for recording in recordings { try station.insert(recording) }
        let expected = recordings.filter { $0.facts == nil }.sorted {
            ($0.collectedAt, $0.id) < ($1.collectedAt, $1.id)
        }
        #expect(try station.queue.read { try station.catalogue.undescribed(ofEachOwner: 100, in: $0) } == expected)
        // Those of one device that waits for ever do not stand before all others.
        var seen: [String: Int] = [:]
        let few = expected.filter { recording in
            let place = "\(recording.place == .spool) \(recording.source) \(recording.device ?? "")"
            seen[place, default: 0] += 1
            return seen[place, default: 0] <= 1
        }
        #expect(try station.queue.read { try station.catalogue.undescribed(ofEachOwner: 1, in: $0) } == few)
    }

    @Test mutating func overdueIsWhatIsOldAndNotVerified() throws {
        let recordings = (0..<30).map { _ in random.recording() }
        for recording in recordings { try station.insert(recording) }
        try station.queue.write { database throws in
            for recording in recordings.prefix(10) {
                try station.catalogue.setState(.verified, of: recording.id, in: database)
            }
        }
        let time = recordings[20].collectedAt
        let expected = recordings.dropFirst(10).filter { $0.collectedAt < time }.count
        #expect(try station.queue.read { try station.catalogue.overdue(collectedBefore: time, in: $0) } == expected)
    }

    @Test mutating func aPersonMayTypeTheBeginningOfAnID() throws {
        let recordings = (0..<40).map { _ in random.recording() }
        for recording in recordings { try station.insert(recording) }
        for length in [0, 8, 9, 11, 13, 20, 36] {
            let prefix = String(recordings[7].id.text.prefix(length))
            let expected = recordings.map(\.id).filter { $0.text.hasPrefix(prefix) }.sorted()
            let found = try station.queue.read {
                try station.catalogue.ids(startingWith: prefix, limit: 100, in: $0)
            }
            #expect(found == expected)
        }
    }

    @Test mutating func aRowThatWasTamperedWithIsAnError() throws {
        let recording = random.recording()
        try station.insert(recording)
        for sql in ["part_sha256 = zeroblob(64)", "state = 'lost'", "started_at_basis = 'x'"] {
            try station.queue.inDatabase { database throws in
                try database.execute(sql: "SAVEPOINT s; UPDATE recording SET \(sql)")
                #expect(throws: CatalogueError.self) { try station.catalogue.recording(recording.id, in: database) }
                try database.execute(sql: "ROLLBACK TO s; RELEASE s")
            }
        }
        #expect(try station.recording(recording.id) == recording)
    }

    @Test mutating func asightingIsFoundByEverythingItIs() throws {
        let recording = random.recording()
        try station.insert(recording)
        let stamp = FileStamp(device: 1, inode: 2, size: 3, modifiedNanoseconds: 4, changedNanoseconds: 5)
        let seen = Catalogue.Sighting(
            source: "s", fileSystem: "f", file: SettledFile(path: RawPath(bytes: [0xFF]), stamp: stamp),
            sentinel: Sentinel(digest: random.digest()))
        try station.queue.write { database throws in
            for time in [recording.collectedAt, recording.fileTime] {
                try station.catalogue.insert(seen, of: recording.id, at: time, in: database)
            }
        }
        var others: [Catalogue.Sighting] = []
        func other(_ change: (inout Catalogue.Sighting) -> Void) {
            var copy = seen
            change(&copy)
            others.append(copy)
        }
        other { $0.source = "t" }
        other { $0.fileSystem = "g" }
        other { $0.file.path = RawPath(bytes: [0xFE]) }
        other { $0.file.stamp.size = 4 }
        other { $0.file.stamp.modifiedNanoseconds = 5 }
        other { $0.file.stamp.changedNanoseconds = 6 }
        let strangers = others
        let sentinel = random.digest()
        try station.queue.read { database throws in
            let catalogue = station.catalogue
            func may(_ sighting: Catalogue.Sighting) throws -> Bool {
                try catalogue.mayHaveSeen(
                    sighting.file, source: sighting.source, fileSystem: sighting.fileSystem, in: database)
            }
            #expect(try catalogue.recording(seenAt: seen, in: database) == recording.id)
            #expect(try may(seen))
            #expect(try catalogue.sightings(of: recording.id, in: database) == 1)
            for stranger in strangers {
                #expect(try catalogue.recording(seenAt: stranger, in: database) == nil)
                #expect(try !may(stranger))
            }
            // Device and inode change from mount to mount; other bytes at the ends are another file.
            var remounted = seen
            (remounted.file.stamp.device, remounted.file.stamp.inode) = (9, 9)
            #expect(try catalogue.recording(seenAt: remounted, in: database) == recording.id)
            var rewritten = seen
            rewritten.sentinel = Sentinel(digest: sentinel)
            #expect(try may(rewritten))
            #expect(try catalogue.recording(seenAt: rewritten, in: database) == nil)
        }
    }

    @Test func whatWasLeftAndWhatFailedIsKept() throws {
        let log = DockLog()
        let early = WallTime(millisecondsSince1970: 1)
        let late = WallTime(millisecondsSince1970: 2)
        func failed(_ path: RawPath, _ reason: String, _ since: WallTime) -> DockLog.UncollectedFile {
            .init(source: "s", fileSystem: "f", path: path, reason: reason, since: since)
        }
        let odd = RawPath(bytes: [0xFF])
        try station.queue.write { database throws in
            for reason in [SkippedEntry.Reason.unreadable, .systemFolder] {
                let entry = SkippedEntry(path: odd, reason: reason)
                try log.save(entry, source: "s", fileSystem: "f", at: early, in: database)
            }
            try log.save(failed(odd, "one", early), in: database)
            try log.save(failed(odd, "two", late), in: database)
            try log.save(failed(RawPath("b"), "three", late), in: database)
        }
        try station.queue.read { database throws in
            #expect(try log.skippedCounts(in: database) == ["system_folder": 1])
            #expect(
                try log.uncollected(in: database)
                    == [failed(odd, "two", early), failed(RawPath("b"), "three", late)])
        }
        try station.queue.write { database throws in
            try log.removeUncollected(source: "s", fileSystem: "f", path: odd, in: database)
            #expect(try log.uncollected(in: database).map(\.path) == [RawPath("b")])
        }
    }
}
