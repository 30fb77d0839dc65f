package import EvidenceModel
import Foundation
package import GRDB

extension UploadJournal {
    static let turns = """
        ALTER TABLE upload ADD COLUMN share TEXT NOT NULL DEFAULT ''; -- who waits for it: a device or a source
        ALTER TABLE upload ADD COLUMN urgency INTEGER NOT NULL DEFAULT 2 CHECK(urgency BETWEEN 0 AND 2);
        DROP INDEX upload_open;
        CREATE INDEX upload_open ON upload(target, share, urgency, planned_at_ms, id) WHERE progress <> 'verified';
        """

    static let classes = """
        ALTER TABLE upload ADD COLUMN is_backfill INTEGER NOT NULL DEFAULT 0 CHECK(is_backfill IN (0, 1));
        ALTER TABLE upload ADD COLUMN collected_at_ms INTEGER NOT NULL DEFAULT 0; -- its deadline counts from there
        UPDATE upload SET collected_at_ms = planned_at_ms;
        DROP INDEX upload_open;
        CREATE INDEX upload_open ON upload(target, share, is_backfill, urgency, collected_at_ms, id)
          WHERE progress <> 'verified';
        CREATE INDEX upload_aging ON upload(target, share, collected_at_ms, id)
          WHERE progress <> 'verified' AND is_backfill = 0;
        """

    /// Whether a parked upload's time has come; also where it is so far ahead that the clock must have fallen back since.
    static func isDue(_ column: String, _ now: String) -> String {
        "(\(column) IS NULL OR \(column) NOT BETWEEN \(now) + 1 AND \(now) + \(Int64(2 * parkedSeconds * 1000)))"
    }

    /// Uploads to `target` that are not verified and whose time has come, but those in `running`: of each share the
    /// first ones, by class, the small before the others and then the oldest.
    ///
    /// - Parameters:
    ///   - limit: so many of each share and of each class at most.
    ///   - pressing: recordings that were collected before this moment are near their deadline.
    package func due(
        target: String, at time: WallTime, except running: Set<String>, ofEachShare limit: Int,
        pressing: WallTime = WallTime(millisecondsSince1970: 0), in database: Database
    ) throws -> [JournaledUpload] {
        // Share by share through the indexes: the time it takes does not grow with what waits behind the first ones.
        let rows = try Row.fetchAll(
            database.cachedStatement(
                sql: """
                    WITH RECURSIVE waiting(share) AS (
                      SELECT min(share) FROM upload WHERE target = ?1 AND progress <> 'verified'
                      UNION ALL
                      SELECT (SELECT min(next.share) FROM upload AS next
                        WHERE next.target = ?1 AND next.progress <> 'verified' AND next.share > waiting.share)
                      FROM waiting WHERE waiting.share IS NOT NULL)
                    SELECT upload.*, upload.is_backfill = 0 AND upload.collected_at_ms < ?5 AS is_pressing
                    FROM waiting JOIN upload ON upload.id IN (
                      SELECT id FROM (\(Self.first(Self.byClass)))
                      UNION SELECT id FROM (\(Self.first(Self.byAge, also: Self.isAging))))
                    ORDER BY upload.urgency <> 0, NOT is_pressing, upload.is_backfill, upload.urgency,
                      upload.collected_at_ms, upload.id
                    """),
            arguments: [
                target, time.millisecondsSince1970,
                String(decoding: try JSONEncoder().encode(running), as: UTF8.self), limit,
                pressing.millisecondsSince1970,
            ])
        return try rows.map { row in
            var upload = try journaled(row, in: database)
            upload.turn.isPressing = row["is_pressing"]
            return upload
        }
    }

    private static let byClass = "first.is_backfill, first.urgency, first.collected_at_ms, first.id"
    private static let byAge = "first.collected_at_ms, first.id"
    private static let isAging = "first.is_backfill = 0 AND first.collected_at_ms < ?5"

    /// Ids of the first uploads of a share that waits, in an order that an index has.
    private static func first(_ order: String, also condition: String = "true") -> String {
        """
        SELECT first.id FROM upload AS first
        WHERE first.target = ?1 AND first.progress <> 'verified' AND first.share = waiting.share AND \(condition)
          AND \(isDue("first.next_try_ms", "?2"))
          -- What reading back has found, asking for size and tag must not forgive.
          AND first.parked_code IS NOT 'read_back'
          AND first.id NOT IN (SELECT value FROM json_each(?3))
        ORDER BY \(order) LIMIT ?4
        """
    }
}
