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

    /// Whether a parked upload's time has come; also where it is so far ahead that the clock must have fallen back since.
    static func isDue(_ column: String, _ now: String) -> String {
        "(\(column) IS NULL OR \(column) NOT BETWEEN \(now) + 1 AND \(now) + \(Int64(2 * parkedSeconds * 1000)))"
    }

    /// Uploads to `target` that are not verified and whose time has come, but those in `running`: of each share the
    /// first ones, the urgent before the others and then the oldest.
    ///
    /// - Parameter limit: so many of each share at most.
    package func due(
        target: String, at time: WallTime, except running: Set<String>, ofEachShare limit: Int, in database: Database
    ) throws -> [JournaledUpload] {
        // Share by share through the index: the time it takes does not grow with what waits behind the first ones.
        let rows = try Row.fetchAll(
            database.cachedStatement(
                sql: """
                    WITH RECURSIVE waiting(share) AS (
                      SELECT min(share) FROM upload WHERE target = ?1 AND progress <> 'verified'
                      UNION ALL
                      SELECT (SELECT min(next.share) FROM upload AS next
                        WHERE next.target = ?1 AND next.progress <> 'verified' AND next.share > waiting.share)
                      FROM waiting WHERE waiting.share IS NOT NULL)
                    SELECT upload.* FROM waiting JOIN upload ON upload.id IN (
                      SELECT first.id FROM upload AS first
                      WHERE first.target = ?1 AND first.progress <> 'verified' AND first.share = waiting.share
                        AND \(Self.isDue("first.next_try_ms", "?2"))
                        -- What reading back has found, asking for size and tag must not forgive.
                        AND first.parked_code IS NOT 'read_back'
                        AND first.id NOT IN (SELECT value FROM json_each(?3))
                      ORDER BY first.urgency, first.planned_at_ms, first.id LIMIT ?4)
                    ORDER BY upload.urgency, upload.planned_at_ms, upload.id
                    """),
            arguments: [
                target, time.millisecondsSince1970,
                String(decoding: try JSONEncoder().encode(running), as: UTF8.self), limit,
            ])
        return try rows.map { try journaled($0, in: database) }
    }
}
