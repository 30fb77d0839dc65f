import EvidenceModel
import GRDB
import MediaIndex
import StationTesting
import Testing

/// What may leave the spool, and what may leave a device.
@Suite struct KeepingTests {
    private let station: StationDatabase
    private let log = DockLog()
    private var random = SeededRandom(seed: 99)

    init() throws {
        station = try StationDatabase()
    }

    private mutating func insert(
        _ state: RecordingState, collectedAt seconds: Double, place: ContentPlace = .spool
    ) throws -> Recording {
        var recording = random.recording()
        (recording.state, recording.place) = (state, place)
        recording.collectedAt = WallTime(millisecondsSince1970: 1_795_000_000_000).adding(seconds: seconds)
        try station.insert(recording)
        return recording
    }

    private func hold(_ recording: Recording, released: Bool = false) throws {
        try station.queue.write { database in
            try database.execute(
                sql: """
                    INSERT INTO hold(recording, reason, held_by, held_at_ms, released_by, released_at_ms)
                    VALUES(?, 'r', 'u', 1, ?, ?)
                    """,
                arguments: [recording.id.text, released ? "u" : nil, released ? 2 : nil])
        }
    }

    @Test mutating func onlyVerifiedCopiesThatNobodyHoldsMakeRoomTheOldestFirst() throws {
        let young = try insert(.verified, collectedAt: 9)
        let old = try insert(.verified, collectedAt: 1)
        let released = try insert(.verified, collectedAt: 5)
        let held = try insert(.verified, collectedAt: 0)
        let gone = try insert(.verified, collectedAt: 0)
        for state in RecordingState.allCases where state != .verified { _ = try insert(state, collectedAt: 0) }
        let direct = ContentPlace.direct(root: RawPath("/a"), fileSystem: "f", path: RawPath("b"))
        _ = try insert(.verified, collectedAt: 0, place: direct)
        try hold(held)
        try hold(released, released: true)
        let catalogue = station.catalogue
        try station.queue.write { database in
            try catalogue.setPlace(.targets, of: gone.id, at: gone.collectedAt, in: database)
            let found = try catalogue.evictable(limit: 9, in: database)
            #expect(found.map(\.id) == [old.id, released.id, young.id])
            #expect(try catalogue.evictableBytes(in: database) == 15)
            #expect(try catalogue.isEvictable(old.id, in: database) && catalogue.isHeld(held.id, in: database))
            #expect(try !catalogue.isEvictable(held.id, in: database))
            #expect(try !catalogue.isEvictable(gone.id, in: database))
            #expect(try catalogue.lastEvicted(limit: 2, in: database) == [gone.id])
            let place = try catalogue.recording(gone.id, in: database)?.place
            #expect(place == .targets)
        }
    }

    @Test mutating func whatCouldGoFromADeviceIsCounted() throws {
        let states: [RecordingState] = [.verified, .verified, .verified, .parked, .uploading]
        let recordings = try states.map { try insert($0, collectedAt: 0) }
        try hold(recordings[1])
        let (log, dock) = (
            log,
            Dock(
                source: "s", root: RawPath("/m"), fileSystem: "f", state: .reading, dockedAt: recordings[0].collectedAt)
        )
        try station.queue.write { database in
            let docking = try log.begin(dock, in: database)
            for recording in recordings {
                try log.add(recording.id, path: RawPath(recording.id.text), docking: docking, isNew: true, in: database)
            }
            #expect(try log.filesUnderWay(docking: docking, in: database) == 1)
            #expect(try log.filesRemovable(docking: docking, in: database) == 2)
            let paths = try log.filesLeft(after: RawPath(""), docking: docking, limit: 9, in: database)
            #expect(paths.count == 5)
            let removal = DockLog.Removal(
                docking: docking, path: RawPath(recordings[0].id.text), recording: recordings[0].id, method: "o_direct")
            try log.begin(removal, at: recordings[0].collectedAt, in: database)
            #expect(try log.openRemovals(source: "s", fileSystem: "f", in: database) == [removal])
            #expect(try log.openRemovals(source: "s", fileSystem: "g", in: database) == [])
            #expect(try log.filesRemovable(docking: docking, in: database) == 2, "it may still be there")
            try log.complete(removal, at: recordings[0].collectedAt, in: database)
            #expect(try log.openRemovals(source: "s", fileSystem: "f", in: database) == [])
            #expect(try log.filesRemovable(docking: docking, in: database) == 1)
            #expect(try log.filesLeft(after: RawPath(""), docking: docking, limit: 9, in: database).count == 4)
            try log.abandon(removal, in: database)
            #expect(try log.filesRemovable(docking: docking, in: database) == 1, "what is gone is not taken back")
        }
    }

    @Test mutating func whereACopyCouldBeReadAgainIsFound() throws {
        let recording = try insert(.parked, collectedAt: 0)
        let log = log
        try station.queue.write { database in
            for (root, isOver) in [("/m/a", true), ("/m/b", false)] {
                var dock = Dock(
                    source: "s", root: RawPath(root), fileSystem: "f", state: .reading, dockedAt: recording.collectedAt)
                dock.id = try log.begin(dock, in: database)
                try log.add(recording.id, path: RawPath("x.mp4"), docking: dock.id, isNew: false, in: database)
                if isOver {
                    (dock.state, dock.undockedAt, dock.ended) = (.undocked, recording.collectedAt, .complete)
                    try log.save(dock, in: database)
                }
            }
            let places = try log.places(of: recording.id, in: database)
            #expect(places.map(\.root.display) == ["/m/b"] && places.map(\.path.display) == ["x.mp4"])
        }
    }
}
