package import EvidenceModel
import Foundation
package import GRDB

extension Catalogue {
    /// The recording with this id.
    package func recording(_ id: RecordingID, in database: Database) throws -> Recording? {
        try recordings(sql: "SELECT * FROM recording WHERE id = ?", arguments: [id.text], in: database).first
    }

    package func contains(_ id: RecordingID, in database: Database) throws -> Bool {
        try Bool.fetchOne(
            database.cachedStatement(sql: "SELECT EXISTS(SELECT 1 FROM recording WHERE id = ?)"), arguments: [id.text]
        ) ?? false
    }

    /// The recording with this content.
    package func recording(withContent digest: ContentDigest, in database: Database) throws -> Recording? {
        try recordings(
            sql: "SELECT * FROM recording WHERE sha256 = ?", arguments: [Data(digest.bytes)], in: database
        ).first
    }

    /// Ids that begin with `prefix`, at most `limit` of them: for people who type the beginning.
    package func ids(startingWith prefix: String, limit: Int, in database: Database) throws -> [RecordingID] {
        try String.fetchAll(
            database, sql: "SELECT id FROM recording WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
            arguments: [prefix, prefix + "g", limit]
        ).compactMap { RecordingID($0) }
    }

    /// Whether there are recordings the probe has not looked at yet.
    package func hasUndescribed(in database: Database) throws -> Bool {
        try Bool.fetchOne(
            database.cachedStatement(sql: "SELECT EXISTS(SELECT 1 FROM recording WHERE described_at_ms IS NULL)")
        ) ?? false
    }

    /// Recordings the probe has not looked at yet, oldest first.
    ///
    /// - Parameters:
    ///   - limit: so many of each owner at most: those of a device that hangs must not stand before all others.
    ///   - owners: theirs are left out; `at <root>` of bytes that lie where they were written, `from <source> <device>` of
    ///     those in the spool.
    package func undescribed(
        ofEachOwner limit: Int, except owners: Set<String> = [], in database: Database
    ) throws -> [Recording] {
        // Owner by owner through the index: the time it takes does not grow with what waits.
        try recordings(
            sql: """
                WITH RECURSIVE waiting(owner) AS (
                  SELECT min(owner) FROM recording WHERE described_at_ms IS NULL
                  UNION ALL
                  SELECT (SELECT min(next.owner) FROM recording AS next
                    WHERE next.described_at_ms IS NULL AND next.owner > waiting.owner)
                  FROM waiting WHERE waiting.owner IS NOT NULL)
                SELECT recording.* FROM waiting JOIN recording ON recording.id IN (
                  SELECT first.id FROM recording AS first
                  WHERE first.described_at_ms IS NULL AND first.owner = waiting.owner
                  ORDER BY first.collected_at_ms, first.id LIMIT ?)
                WHERE waiting.owner NOT IN (SELECT value FROM json_each(?))
                ORDER BY recording.collected_at_ms, recording.id
                """,
            arguments: [limit, String(decoding: try JSONEncoder().encode(owners), as: UTF8.self)], in: database)
    }

    /// Recordings that were tried to be described in vain, and why.
    package func undescribedReasons(in database: Database) throws -> [(RecordingID, String)] {
        try Row.fetchAll(
            database,
            sql: """
                SELECT id, undescribed_reason FROM recording
                WHERE described_at_ms IS NULL AND undescribed_reason IS NOT NULL ORDER BY collected_at_ms
                """
        ).compactMap { row in RecordingID(row[0]).map { ($0, row[1]) } }
    }

    /// One page of the recordings that `query` asks for.
    package func page(_ query: RecordingQuery, in database: Database) throws -> RecordingPage {
        var (conditions, arguments) = filters(query)
        if let after = query.after {
            conditions.append("(order_ms, id) < (?, ?)")
            arguments += [after.startedAtMilliseconds, after.id.text]
        }
        let condition = conditions.isEmpty ? "" : " WHERE " + conditions.joined(separator: " AND ")
        // The limit comes from whoever asks; one more is read to tell whether there are more.
        let limit = min(max(query.limit, 0), Int.max - 1)
        let found = try recordings(
            sql: "SELECT * FROM recording\(condition) ORDER BY order_ms DESC, id DESC LIMIT ?",
            arguments: arguments + [limit + 1], in: database)
        let page = Array(found.prefix(limit))
        return RecordingPage(recordings: page, next: found.count > limit ? page.last.map { .init($0) } : nil)
    }

    private func filters(_ query: RecordingQuery) -> (conditions: [String], arguments: StatementArguments) {
        var conditions: [String] = []
        var arguments = StatementArguments()
        func add(_ condition: String, _ value: (any DatabaseValueConvertible)?) {
            guard let value else { return }
            conditions.append(condition)
            arguments += [value]
        }
        add("order_ms >= ?", query.since?.millisecondsSince1970)
        add("order_ms < ? AND started_at_ms IS NOT NULL", query.until?.millisecondsSince1970)
        add("officer = ?", query.officer)
        add("device = ?", query.device)
        add("kind = ?", query.kind?.rawValue)
        add("state = ?", query.state?.rawValue)
        add("health = ?", query.health?.rawValue)
        add("take = ?", query.take?.text)
        add("searched_text LIKE ? ESCAPE '\\'", query.text.map { "%" + Self.literal($0) + "%" })
        for (column, value) in [("item", query.item), ("stage", query.stage), ("case_number", query.caseNumber)] {
            add("EXISTS(SELECT 1 FROM tag WHERE tag.recording = recording.id AND tag.\(column) = ?)", value)
        }
        return (conditions, arguments)
    }

    private static func literal(_ text: String) -> String {
        // By scalars, as SQLite matches: a sign with an accent on it is one Character, and still a wildcard.
        text.unicodeScalars.map { "\\%_".unicodeScalars.contains($0) ? "\\\($0)" : String($0) }.joined()
    }

    /// How many recordings are in each state.
    package func counts(in database: Database) throws -> [RecordingState: Int] {
        let rows = try Row.fetchAll(database, sql: "SELECT state, count(*) FROM recording GROUP BY state")
        return Dictionary(
            rows.compactMap { row in RecordingState(rawValue: row[0]).map { ($0, row[1]) } }, uniquingKeysWith: +)
    }

    /// How many recordings were collected before `time` and are not verified on every target.
    package func overdue(collectedBefore time: WallTime, in database: Database) throws -> Int {
        try Int.fetchOne(
            database, sql: "SELECT count(*) FROM recording WHERE state <> 'verified' AND collected_at_ms < ?",
            arguments: [time.millisecondsSince1970]) ?? 0
    }

    private func recordings(sql: String, arguments: StatementArguments, in database: Database) throws -> [Recording] {
        try Row.fetchAll(database.cachedStatement(sql: sql), arguments: arguments).map { row in
            try RecordingRow.recording(row, details(of: row["id"], take: row["take"], in: database))
        }
    }
}
