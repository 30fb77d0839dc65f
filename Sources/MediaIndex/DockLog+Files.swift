package import EvidenceModel
import Foundation
package import GRDB

/// What was left where it is, and what could not be read: two small tables for `status`.
extension DockLog {
    /// Remembers what was left where it is.
    package func save(
        _ entry: SkippedEntry, source: String, fileSystem: String, at time: WallTime, in database: Database
    ) throws {
        try database.cachedStatement(
            sql: """
                INSERT INTO skipped_entry(source, file_system, path, reason, seen_at_ms) VALUES(?, ?, ?, ?, ?)
                ON CONFLICT DO UPDATE SET reason = excluded.reason, seen_at_ms = excluded.seen_at_ms
                """
        ).execute(arguments: [
            source, fileSystem, entry.path.databaseBytes, entry.reason.rawValue, time.millisecondsSince1970,
        ])
    }

    /// How many entries were left where they are, by reason.
    package func skippedCounts(in database: Database) throws -> [String: Int] {
        let rows = try Row.fetchAll(database, sql: "SELECT reason, count(*) FROM skipped_entry GROUP BY reason")
        return Dictionary(rows.map { ($0[0], $0[1]) }, uniquingKeysWith: +)
    }

    /// A file that settled and could not be read.
    package struct UncollectedFile: Sendable, Hashable {
        package var source: String
        package var fileSystem: String
        package var path: RawPath
        package var reason: String
        package var since: WallTime

        package init(source: String, fileSystem: String, path: RawPath, reason: String, since: WallTime) {
            self.source = source
            self.fileSystem = fileSystem
            self.path = path
            self.reason = reason
            self.since = since
        }
    }

    /// Remembers a file that could not be read; its first failure keeps the time.
    package func save(_ file: UncollectedFile, in database: Database) throws {
        try database.execute(
            sql: """
                INSERT INTO uncollected_file(source, file_system, path, reason, since_ms) VALUES(?, ?, ?, ?, ?)
                ON CONFLICT DO UPDATE SET reason = excluded.reason
                """,
            arguments: [
                file.source, file.fileSystem, file.path.databaseBytes, file.reason,
                file.since.millisecondsSince1970,
            ])
    }

    /// The file was collected after all, or is no longer there.
    package func removeUncollected(
        source: String, fileSystem: String, path: RawPath, in database: Database
    ) throws {
        try database.cachedStatement(
            sql: "DELETE FROM uncollected_file WHERE source = ? AND file_system = ? AND path = ?"
        ).execute(arguments: [source, fileSystem, path.databaseBytes])
    }

    package func uncollected(in database: Database) throws -> [UncollectedFile] {
        try Row.fetchAll(database, sql: "SELECT * FROM uncollected_file ORDER BY since_ms").map { row in
            UncollectedFile(
                source: row["source"], fileSystem: row["file_system"], path: RawPath(bytes: row["path"] as Data),
                reason: row["reason"], since: WallTime(millisecondsSince1970: row["since_ms"]))
        }
    }
}
