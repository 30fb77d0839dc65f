package import EvidenceModel
import Foundation
package import GRDB

extension UploadJournal {
    static let keeping = """
        ALTER TABLE upload ADD COLUMN checked_at_ms INTEGER; -- when the target was last asked about the verified copy
        ALTER TABLE upload ADD COLUMN checks INTEGER NOT NULL DEFAULT 0 CHECK(checks >= 0); -- passes that asked
        UPDATE upload SET checked_at_ms = (SELECT max(asked_at_ms) FROM receipt WHERE receipt.upload = upload.id)
          WHERE progress = 'verified';
        CREATE INDEX upload_checked ON upload(target, checked_at_ms, id) WHERE progress = 'verified';
        CREATE TABLE pass( -- how far asking again has come at a target
          target TEXT PRIMARY KEY,
          counted_ms INTEGER NOT NULL -- copies are owed a question for the time since
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE manifest_wish( -- its copy is verified, and something is to be said of it that no manifest says yet
          target TEXT NOT NULL,
          recording TEXT NOT NULL,
          since_ms INTEGER NOT NULL,
          PRIMARY KEY(target, recording)
        ) STRICT, WITHOUT ROWID;
        INSERT INTO manifest_wish SELECT target, recording, coalesce(checked_at_ms, planned_at_ms) FROM upload
          WHERE progress = 'verified';
        CREATE TABLE manifest(
          id TEXT PRIMARY KEY CHECK(length(id) = 36), -- also in the object's metadata, as the upload
          target TEXT NOT NULL,
          recording TEXT NOT NULL,
          number INTEGER NOT NULL CHECK(number >= 1),
          object_key TEXT NOT NULL, -- without the target's prefix
          size_bytes INTEGER NOT NULL CHECK(size_bytes > 0),
          sha256 BLOB NOT NULL CHECK(length(sha256) = 32),
          body BLOB, -- until the target has it verified
          made_at_ms INTEGER NOT NULL,
          stored_tag TEXT, -- what the target called it when it was stored
          verified_at_ms INTEGER,
          failure TEXT, next_try_ms INTEGER,
          UNIQUE(target, recording, number),
          CHECK((body IS NULL) = (verified_at_ms IS NOT NULL)),
          CHECK((failure IS NULL) = (next_try_ms IS NULL))
        ) STRICT;
        CREATE UNIQUE INDEX manifest_open ON manifest(target, recording) WHERE verified_at_ms IS NULL;
        """

    /// Those of `uploads`, which `target` lists as unfinished, that are under way or may be.
    package func known(
        _ uploads: [UnfinishedUpload], target: String, in database: Database
    ) throws -> Set<UnfinishedUpload> {
        func list(_ texts: [String]) throws -> String {
            String(decoding: try JSONEncoder().encode(texts), as: UTF8.self)
        }
        let rows = try Row.fetchAll(
            database.cachedStatement(
                sql: """
                    SELECT id, token, object_key, progress FROM upload WHERE target = ?1 AND progress <> 'verified'
                      AND (token IN (SELECT value FROM json_each(?2)) OR id IN (SELECT value FROM json_each(?2))
                        OR progress = 'creating' AND object_key IN (SELECT value FROM json_each(?3)))
                    """),
            arguments: [
                target, try list(uploads.flatMap { S3Token.texts(id: $0.token) }), try list(uploads.map(\.key)),
            ])
        var tokens: Set<String> = []
        var keys: Set<String> = []
        for row in rows {
            tokens.insert(row["id"])
            if let token: String = row["token"] { tokens.formUnion([token, S3Token(token).id]) }
            // Its token is not known yet: any upload of the key may be it.
            if row["progress"] == "creating" { keys.insert(row["object_key"]) }
        }
        return Set(uploads.filter { tokens.contains($0.token) || keys.contains($0.key) })
    }

    // MARK: Asking again

    /// The verified copy that `target` was asked about the longest ago, with the passes that asked.
    package func leastChecked(
        target: String, in database: Database
    ) throws -> (upload: JournaledUpload, passes: Int, at: WallTime)? {
        let row = try Row.fetchOne(
            database.cachedStatement(
                sql: """
                    SELECT * FROM upload WHERE target = ? AND progress = 'verified' AND checked_at_ms IS NOT NULL
                    ORDER BY checked_at_ms, id LIMIT 1
                    """),
            arguments: [target])
        guard let row else { return nil }
        return (
            try journaled(row, in: database), row["checks"],
            WallTime(millisecondsSince1970: row["checked_at_ms"])
        )
    }

    package func verifiedCount(target: String, in database: Database) throws -> Int {
        try Int.fetchOne(
            database.cachedStatement(sql: "SELECT count(*) FROM upload WHERE target = ? AND progress = 'verified'"),
            arguments: [target]) ?? 0
    }

    /// A pass asked about this copy.
    package func noteCheck(of upload: String, at time: WallTime, in database: Database) throws {
        try database.cachedStatement(sql: "UPDATE upload SET checks = checks + 1, checked_at_ms = ? WHERE id = ?")
            .execute(arguments: [time.millisecondsSince1970, upload])
    }

    /// The moment up to which questions to `target` are counted, or nothing before the first.
    package func passCounted(target: String, in database: Database) throws -> WallTime? {
        try Int64.fetchOne(
            database.cachedStatement(sql: "SELECT counted_ms FROM pass WHERE target = ?"), arguments: [target]
        ).map(WallTime.init(millisecondsSince1970:))
    }

    package func setPassCounted(_ time: WallTime, target: String, in database: Database) throws {
        try database.cachedStatement(
            sql: "INSERT INTO pass VALUES(?, ?) ON CONFLICT DO UPDATE SET counted_ms = excluded.counted_ms"
        ).execute(arguments: [target, time.millisecondsSince1970])
    }
}
