package import EvidenceModel
import Foundation
package import GRDB

/// Files that were, or are about to be, taken from devices.
extension DockLog {
    /// A file whose removal was begun, and of which it is not known whether it is gone.
    package struct Removal: Sendable, Hashable {
        package var docking: Int64
        package var path: RawPath
        package var recording: RecordingID
        /// How it was read again.
        package var method: String

        package init(docking: Int64, path: RawPath, recording: RecordingID, method: String) {
            self.docking = docking
            self.path = path
            self.recording = recording
            self.method = method
        }
    }

    /// The recording that `path` was in this docking.
    package func recording(at path: RawPath, docking: Int64, in database: Database) throws -> RecordingID? {
        try String.fetchOne(
            database.cachedStatement(sql: "SELECT recording FROM docking_file WHERE docking = ? AND path = ?"),
            arguments: [docking, path.databaseBytes]
        ).flatMap { RecordingID($0) }
    }

    /// A file in a docking.
    package struct Place: Sendable, Hashable {
        package var root: RawPath
        package var fileSystem: String
        package var path: RawPath
    }

    /// Where the content of `id` was found in dockings that are not over.
    package func places(of id: RecordingID, in database: Database) throws -> [Place] {
        try Row.fetchAll(
            database.cachedStatement(
                sql: """
                    SELECT root, file_system, path FROM docking_file JOIN docking ON docking.id = docking_file.docking
                    WHERE recording = ? AND undocked_at_ms IS NULL ORDER BY docking, path
                    """),
            arguments: [id.text]
        ).map { row in
            Place(
                root: RawPath(bytes: row["root"] as Data), fileSystem: row["file_system"],
                path: RawPath(bytes: row["path"] as Data))
        }
    }

    /// Files of this docking that were not removed, by path, from the first after `path` on.
    package func filesLeft(
        after path: RawPath, docking: Int64, limit: Int, in database: Database
    ) throws -> [RawPath] {
        try Data.fetchAll(
            database.cachedStatement(
                sql: """
                    SELECT path FROM docking_file WHERE docking = ?1 AND path > ?2 AND NOT EXISTS(
                      SELECT 1 FROM removal WHERE removal.docking = ?1 AND removal.path = docking_file.path
                        AND removed_at_ms IS NOT NULL)
                    ORDER BY path LIMIT ?3
                    """),
            arguments: [docking, path.databaseBytes, limit]
        ).map(RawPath.init(bytes:))
    }

    /// How many files of this docking are on their way to the targets: collected, and neither verified nor parked.
    package func filesUnderWay(docking: Int64, in database: Database) throws -> Int {
        try Int.fetchOne(
            database.cachedStatement(
                sql: """
                    SELECT count(*) FROM docking_file JOIN recording ON recording.id = docking_file.recording
                    WHERE docking = ? AND recording.state NOT IN ('verified', 'parked')
                    """),
            arguments: [docking]) ?? 0
    }

    /// How many files of this docking are verified on every target, held by nobody, and were not removed.
    package func filesRemovable(docking: Int64, in database: Database) throws -> Int {
        try Int.fetchOne(
            database.cachedStatement(
                sql: """
                    SELECT count(*) FROM docking_file JOIN recording ON recording.id = docking_file.recording
                    WHERE docking = ?1 AND recording.state = 'verified' AND NOT EXISTS(
                      SELECT 1 FROM hold WHERE hold.recording = recording.id AND released_at_ms IS NULL)
                      AND NOT EXISTS(
                      SELECT 1 FROM removal WHERE removal.docking = ?1 AND removal.path = docking_file.path
                        AND removed_at_ms IS NOT NULL)
                    """),
            arguments: [docking]) ?? 0
    }

    /// The file was proved to be what the targets have, and its name is about to go.
    package func begin(_ removal: Removal, at time: WallTime, in database: Database) throws {
        try database.cachedStatement(
            sql: """
                INSERT INTO removal(docking, path, recording, method, begun_at_ms) VALUES(?, ?, ?, ?, ?)
                ON CONFLICT DO UPDATE SET recording = excluded.recording, method = excluded.method,
                  begun_at_ms = excluded.begun_at_ms, removed_at_ms = NULL
                """
        ).execute(arguments: [
            removal.docking, removal.path.databaseBytes, removal.recording.text, removal.method,
            time.millisecondsSince1970,
        ])
    }

    /// It is gone from the device.
    package func complete(_ removal: Removal, at time: WallTime, in database: Database) throws {
        try database.cachedStatement(
            sql: "UPDATE removal SET removed_at_ms = ? WHERE docking = ? AND path = ?"
        ).execute(arguments: [time.millisecondsSince1970, removal.docking, removal.path.databaseBytes])
    }

    /// It is still there.
    package func abandon(_ removal: Removal, in database: Database) throws {
        try database.cachedStatement(
            sql: "DELETE FROM removal WHERE docking = ? AND path = ? AND removed_at_ms IS NULL"
        ).execute(arguments: [removal.docking, removal.path.databaseBytes])
    }

    /// Removals on this file system that were begun and of which nobody knows how they ended: the agent was killed, or
    /// the device went.
    package func openRemovals(source: String, fileSystem: String, in database: Database) throws -> [Removal] {
        try Row.fetchAll(
            database.cachedStatement(
                sql: """
                    SELECT removal.* FROM removal JOIN docking ON docking.id = removal.docking
                    WHERE source = ? AND file_system = ? AND removed_at_ms IS NULL ORDER BY docking, path
                    """),
            arguments: [source, fileSystem]
        ).compactMap { row in
            RecordingID(row["recording"]).map {
                Removal(
                    docking: row["docking"], path: RawPath(bytes: row["path"] as Data), recording: $0,
                    method: row["method"])
            }
        }
    }
}
