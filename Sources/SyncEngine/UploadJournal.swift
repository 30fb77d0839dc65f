package import EvidenceModel
import Foundation
package import GRDB

/// What every upload has come to, so that after a crash it goes on from here and from the target's own list of parts.
///
/// Every method takes the `Database` of the caller's transaction, so that a verified copy, its receipt and the ledger's
/// entry are one fact.
package struct UploadJournal: Sendable {
    package init() {}

    package static func registerMigrations(in migrator: inout DatabaseMigrator) {
        migrator.registerMigration("journal-1") { database in
            try database.execute(sql: schema)
        }
        migrator.registerMigration("journal-2") { database in
            try database.execute(sql: turns)
        }
        migrator.registerMigration("journal-3") { database in
            try database.execute(sql: classes)
        }
        migrator.registerMigration("journal-4") { database in
            try database.execute(sql: keeping + transfers)
        }
        migrator.registerMigration("journal-5") { database in
            try database.execute(sql: capabilities)
        }
    }

    private static let schema = """
        CREATE TABLE upload(
          id TEXT PRIMARY KEY CHECK(length(id) = 36), -- also in the object's metadata
          recording TEXT NOT NULL,
          target TEXT NOT NULL,
          object_key TEXT NOT NULL, -- without the target's prefix
          size_bytes INTEGER NOT NULL CHECK(size_bytes >= 0),
          part_size_bytes INTEGER NOT NULL CHECK(part_size_bytes > 0),
          sha256 BLOB NOT NULL CHECK(length(sha256) = 32),
          part_sha256 BLOB NOT NULL CHECK(length(part_sha256) % 32 = 0),
          progress TEXT NOT NULL CHECK(progress IN
            ('planned', 'creating', 'open', 'sealed', 'completed', 'verified')),
          token TEXT, -- the upload's name at the target
          completed_tag TEXT, -- what the target called the object when it was made
          planned_at_ms INTEGER NOT NULL,
          parked_reason TEXT, parked_hint TEXT, parked_code TEXT, parked_at_ms INTEGER, next_try_ms INTEGER,
          UNIQUE(recording, target),
          CHECK(progress NOT IN ('open', 'sealed') OR token IS NOT NULL),
          CHECK((parked_reason IS NULL) = (next_try_ms IS NULL))
        ) STRICT;
        CREATE INDEX upload_open ON upload(target, planned_at_ms) WHERE progress <> 'verified';
        CREATE TABLE upload_part( -- a part that the target has acknowledged
          upload TEXT NOT NULL REFERENCES upload(id),
          number INTEGER NOT NULL CHECK(number >= 1),
          tag TEXT NOT NULL,
          PRIMARY KEY(upload, number)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE receipt( -- a target was asked after completion, and everything agreed
          upload TEXT NOT NULL REFERENCES upload(id),
          asked_at_ms INTEGER NOT NULL,
          size_bytes INTEGER NOT NULL,
          tag TEXT NOT NULL,
          version_id TEXT,
          method TEXT NOT NULL, -- what was compared
          PRIMARY KEY(upload, asked_at_ms)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE target(
          name TEXT PRIMARY KEY,
          state TEXT NOT NULL CHECK(state IN ('up', 'waiting')),
          reason TEXT, hint TEXT, since_ms INTEGER,
          bytes_per_second REAL NOT NULL DEFAULT 0, -- durable bytes, over the last minute
          clock_offset_seconds REAL,
          CHECK((state = 'up') = (reason IS NULL))
        ) STRICT;
        """

    /// Adds an upload; one for the same recording and target must not be there.
    ///
    /// - Parameter collectedAt: when the recording was collected: its deadline counts from there; none for `time`.
    package func insert(
        _ plan: UploadPlan, turn: UploadTurn, collectedAt: WallTime? = nil, at time: WallTime, in database: Database
    ) throws {
        try database.cachedStatement(
            sql: """
                INSERT INTO upload(id, recording, target, object_key, size_bytes, part_size_bytes, sha256, part_sha256,
                  progress, planned_at_ms, share, urgency, is_backfill, collected_at_ms)
                  VALUES(?, ?, ?, ?, ?, ?, ?, ?, 'planned', ?, ?, ?, ?, ?)
                """
        ).execute(arguments: [
            plan.upload, plan.recording.text, plan.target, plan.key, plan.content.size, plan.content.layout.partSize,
            Data(plan.content.digest.bytes), Data(ContentDigest.joined(plan.content.partDigests)),
            time.millisecondsSince1970, turn.share, turn.urgency.rawValue,
            turn.uploadClass == .backfill, (collectedAt ?? time).millisecondsSince1970,
        ])
    }

    /// Seconds after which a parked upload is looked at again without anybody asking.
    static let parkedSeconds = 600.0

    /// Writes what happened to `plan`'s upload.
    package func write(
        _ entry: JournalEntry, for plan: UploadPlan, at time: WallTime, in database: Database
    ) throws {
        switch entry {
        case .creating: try set("progress = 'creating'", [], plan, database)
        case .opened(let token): try set("progress = 'open', token = ?", [token], plan, database)
        case .sealed: try set("progress = 'sealed'", [], plan, database)
        case .completed(let tag): try set("progress = 'completed', completed_tag = ?", [tag], plan, database)
        case .acknowledged(let part, let tag):
            try database.cachedStatement(
                sql: """
                    INSERT INTO upload_part(upload, number, tag) VALUES(?, ?, ?)
                    ON CONFLICT DO UPDATE SET tag = excluded.tag
                    """
            ).execute(arguments: [plan.upload, part, tag])
        case .forgotten(let parts):
            for part in parts {
                try database.execute(
                    sql: "DELETE FROM upload_part WHERE upload = ? AND number = ?", arguments: [plan.upload, part])
            }
        case .lost:
            try removeParts(plan, database)
            try set("progress = 'planned', token = NULL, completed_tag = NULL", [], plan, database)
        case .verified(let object, let method):
            try wishManifest(of: plan, at: time, in: database)
            try insertReceipt(object, method: method, for: plan, at: time, in: database)
            try removeParts(plan, database)
            try set(
                "progress = 'verified', completed_tag = coalesce(completed_tag, ?), checked_at_ms = ?",
                [object.tag, time.millisecondsSince1970], plan, database)
        case .parked(let failure):
            // A verified copy that turned out to differ is verified no more.
            try set(
                """
                progress = CASE progress WHEN 'verified' THEN 'completed' ELSE progress END, parked_reason = ?,
                  parked_hint = ?, parked_code = ?, parked_at_ms = coalesce(parked_at_ms, ?), next_try_ms = ?
                """,
                [
                    failure.sentence, failure.hint, failure.code, time.millisecondsSince1970,
                    time.adding(seconds: Self.parkedSeconds).millisecondsSince1970,
                ], plan, database)
        }
        switch entry {
        case .creating, .opened, .acknowledged, .sealed, .completed, .verified: try unpark(plan.upload, in: database)
        case .forgotten, .lost, .parked: break
        }
    }

    private func set(
        _ assignments: String, _ arguments: StatementArguments, _ plan: UploadPlan, _ database: Database
    ) throws {
        try database.cachedStatement(sql: "UPDATE upload SET \(assignments) WHERE id = ?")
            .execute(arguments: arguments + [plan.upload])
    }

    private func removeParts(_ plan: UploadPlan, _ database: Database) throws {
        try database.cachedStatement(sql: "DELETE FROM upload_part WHERE upload = ?").execute(arguments: [plan.upload])
    }

    /// A target was asked once more, and everything agreed.
    package func insertReceipt(
        _ object: StoredObject, method: String, for plan: UploadPlan, at time: WallTime, in database: Database
    ) throws {
        try database.cachedStatement(
            sql: """
                INSERT INTO receipt(upload, asked_at_ms, size_bytes, tag, version_id, method, locked_until_ms)
                VALUES(?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
                """
        ).execute(arguments: [
            plan.upload, time.millisecondsSince1970, object.size, object.tag, object.versionID, method,
            object.lock?.until.millisecondsSince1970,
        ])
    }

    private func unpark(_ upload: String, in database: Database) throws {
        try database.cachedStatement(
            sql: """
                UPDATE upload SET parked_reason = NULL, parked_hint = NULL, parked_code = NULL, parked_at_ms = NULL,
                  next_try_ms = NULL WHERE id = ? AND parked_reason IS NOT NULL
                """
        ).execute(arguments: [upload])
    }

    /// Every parked upload may be tried now: the agent has started, or a source came back.
    package func makeParkedDue(at time: WallTime, in database: Database) throws {
        try database.execute(
            sql: "UPDATE upload SET next_try_ms = ? WHERE parked_reason IS NOT NULL",
            arguments: [time.millisecondsSince1970])
    }
}
