import EvidenceModel
import GRDB
import StationTesting
import Testing

@testable import SyncEngine

@Suite("What the journal keeps of stores and locks")
struct JournalCapabilityTests {
    private let journal = UploadJournal()
    private let noon = WallTime(millisecondsSince1970: 1_800_000_000_000)
    private let plan = SampleRecording(seed: 1, size: 35, partSize: 10).plan()

    private func database(upTo name: String? = nil) throws -> (DatabaseQueue, DatabaseMigrator) {
        let queue = try DatabaseQueue()
        var migrator = DatabaseMigrator()
        UploadJournal.registerMigrations(in: &migrator)
        if let name { try migrator.migrate(queue, upTo: name) } else { try migrator.migrate(queue) }
        return (queue, migrator)
    }

    private func verify(_ lock: ObjectLock?, after seconds: Double, _ database: Database) throws {
        let object = StoredObject(size: 35, tag: "e", lock: lock)
        try journal.write(
            .verified(object, method: "m"), for: plan, at: noon.adding(seconds: seconds), in: database)
    }

    @Test func whatAStoreDoesIsKeptBesideHowItIsDoing() throws {
        let (queue, _) = try database()
        try queue.write { database in
            #expect(try journal.capabilities(target: "cloud", in: database) == nil)
            let known = S3KnownCapabilities(capabilities: .amazon, triedAt: noon)
            try journal.save(known, target: "cloud", in: database)
            #expect(try journal.capabilities(target: "cloud", in: database) == known)
            let status = TargetStatus(name: "cloud", state: "waiting", reason: "r", hint: "h", since: noon)
            try journal.save(status, in: database)
            #expect(try journal.capabilities(target: "cloud", in: database) == known)
            #expect(try journal.targets(in: database) == [status])
            let later = S3KnownCapabilities(capabilities: .only(.l1), triedAt: noon.adding(seconds: 9))
            try journal.save(later, target: "cloud", in: database)
            #expect(try journal.capabilities(target: "cloud", in: database) == later)
            #expect(try journal.targets(in: database) == [status])
        }
    }

    /// A version that looked at less: the store is tried out again.
    @Test func wordsOfAnotherVersionAreNotRead() throws {
        let (queue, _) = try database()
        try queue.write { database in
            try database.execute(
                sql: "INSERT INTO target(name, state, capabilities, tried_at_ms) VALUES('t', 'up', '{}', 1)")
            #expect(try journal.capabilities(target: "t", in: database) == nil)
        }
    }

    @Test func theLastWordOnALockIsShownAndTheLongestHeldAgainst() throws {
        let (queue, _) = try database()
        try queue.write { database in
            try journal.insert(plan, turn: UploadTurn(share: "", urgency: .usual), at: noon, in: database)
            #expect(try journal.lockedUntil(of: plan.upload, in: database) == nil)
            let until = noon.adding(seconds: 86_400)
            try verify(ObjectLock(mode: "COMPLIANCE", until: until), after: 1, database)
            #expect(try journal.copies(of: plan.recording, in: database).map(\.lockedUntil) == [until])
            try verify(nil, after: 2, database)
            #expect(try journal.copies(of: plan.recording, in: database).map(\.lockedUntil) == [nil])
            #expect(try journal.lockedUntil(of: plan.upload, in: database) == until)
        }
    }

    @Test func receiptsAndTargetsOfAnEarlierVersionStay() throws {
        let (queue, migrator) = try database(upTo: "journal-4")
        try queue.write { database in
            try database.execute(
                sql: """
                    INSERT INTO target(name, state, clock_offset_seconds) VALUES('target', 'up', 1.5);
                    INSERT INTO upload(id, recording, target, object_key, size_bytes, part_size_bytes, sha256, part_sha256,
                      progress, completed_tag, planned_at_ms) VALUES('\(plan.upload)', '\(plan.recording.text)', 'target',
                      'k', 0, 10, zeroblob(32), zeroblob(0), 'verified', 'w', 0);
                    INSERT INTO receipt VALUES('\(plan.upload)', 5, 0, 'w', NULL, 'm');
                    """)
        }
        try migrator.migrate(queue)
        try queue.read { database in
            #expect(try journal.targets(in: database).map(\.clockOffsetSeconds) == [1.5])
            #expect(try journal.capabilities(target: "target", in: database) == nil)
            let copies = try journal.copies(of: plan.recording, in: database)
            #expect(copies.map(\.state) == [.verified] && copies.map(\.lockedUntil) == [nil])
        }
    }

    /// A token with the station's own note is the one that the store lists without it.
    @Test func anUploadWithSumsIsNoOrphan() throws {
        let (queue, _) = try database()
        try queue.write { database in
            try journal.insert(plan, turn: UploadTurn(share: "", urgency: .usual), at: noon, in: database)
            for entry in [JournalEntry.creating, .opened(token: "u1;crc64nvme")] {
                try journal.write(entry, for: plan, at: noon, in: database)
            }
            let listed = ["u1", "u2"].map { UnfinishedUpload(key: "other", token: $0, startedAt: noon) }
            #expect(try journal.known(listed, target: "target", in: database).map(\.token) == ["u1"])
        }
    }
}
