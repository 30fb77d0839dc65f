package import EvidenceModel
import Foundation
package import GRDB

/// What one watched root is doing, in one word that a person reads.
package enum DockState: String, Sendable, Hashable, Codable, CaseIterable {
    case reading, copying, uploading, attention, undocked
    case safeToUndock = "safe_to_undock"
}

/// One watched root as people see it: who is docked, how far it is.
package struct Dock: Sendable, Hashable {
    package var source: String
    package var root: RawPath
    package var fileSystem: String
    package var device: String?
    package var officer: String?
    package var state: DockState
    package var reason: String?
    package var dockedAt: WallTime
    package var undockedAt: WallTime?
    package var filesTotal: Int
    package var filesCollected: Int
    package var bytesTotal: Int64
    package var bytesCollected: Int64
    /// How wrong the device's clock was when it was docked, where that was measured.
    package var clockOffset: ClockOffset?
    /// Counted from the recordings this docking brought; not stored.
    package var filesVerified = 0
    package var bytesVerified: Int64 = 0

    package init(
        source: String, root: RawPath, fileSystem: String, device: String? = nil, officer: String? = nil,
        state: DockState, reason: String? = nil, dockedAt: WallTime, undockedAt: WallTime? = nil, filesTotal: Int = 0,
        filesCollected: Int = 0, bytesTotal: Int64 = 0, bytesCollected: Int64 = 0, clockOffset: ClockOffset? = nil
    ) {
        self.source = source
        self.root = root
        self.fileSystem = fileSystem
        self.device = device
        self.officer = officer
        self.state = state
        self.reason = reason
        self.dockedAt = dockedAt
        self.undockedAt = undockedAt
        self.filesTotal = filesTotal
        self.filesCollected = filesCollected
        self.bytesTotal = bytesTotal
        self.bytesCollected = bytesCollected
        self.clockOffset = clockOffset
    }
}

/// What is docked, what was left where it is, and what could not be read: three small tables for `status`.
package struct DockLog: Sendable {
    package init() {}

    /// Writes how `dock` stands now; a new docking at the same root replaces the one before.
    package func save(_ dock: Dock, in database: Database) throws {
        try database.cachedStatement(
            sql: """
                INSERT INTO dock(source, root, file_system, device, officer, state, reason, docked_at_ms,
                  undocked_at_ms, files_total, files_collected, bytes_total, bytes_collected, clock_offset_seconds,
                  clock_offset_method)
                VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT DO UPDATE SET file_system = excluded.file_system, device = excluded.device,
                  officer = excluded.officer, state = excluded.state, reason = excluded.reason,
                  docked_at_ms = excluded.docked_at_ms, undocked_at_ms = excluded.undocked_at_ms,
                  files_total = excluded.files_total, files_collected = excluded.files_collected,
                  bytes_total = excluded.bytes_total, bytes_collected = excluded.bytes_collected,
                  clock_offset_seconds = excluded.clock_offset_seconds,
                  clock_offset_method = excluded.clock_offset_method
                """
        ).execute(arguments: [
            dock.source, dock.root.databaseBytes, dock.fileSystem, dock.device, dock.officer, dock.state.rawValue,
            dock.reason, dock.dockedAt.millisecondsSince1970, dock.undockedAt?.millisecondsSince1970, dock.filesTotal,
            dock.filesCollected, dock.bytesTotal, dock.bytesCollected, dock.clockOffset?.seconds,
            dock.clockOffset?.method.rawValue,
        ])
    }

    /// The clock's offset of the device that is docked at this root now.
    package func clockOffset(at root: WatchedRoot, in database: Database) throws -> ClockOffset? {
        try Row.fetchOne(
            database.cachedStatement(
                sql: """
                    SELECT clock_offset_seconds, clock_offset_method FROM dock
                    WHERE source = ? AND root = ? AND undocked_at_ms IS NULL
                    """),
            arguments: [root.source, root.path.databaseBytes]
        ).flatMap { try RecordingRow.clockOffset($0, "dock \(root.path.display)") }
    }

    /// Forgets what an earlier docking at this root brought, and what was skipped or unreadable on this file system: all
    /// of it is looked at anew.
    package func beginDocking(_ root: WatchedRoot, in database: Database) throws {
        try database.execute(
            sql: "DELETE FROM dock_file WHERE source = ? AND root = ?",
            arguments: [root.source, root.path.databaseBytes])
        for table in ["skipped_entry", "uncollected_file"] {
            try database.execute(
                sql: "DELETE FROM \(table) WHERE source = ? AND file_system = ?",
                arguments: [root.source, root.fileSystem])
        }
    }

    /// No root is watched any more, or not yet: what was docked when the agent last ran may be gone.
    package func endAllDockings(at time: WallTime, in database: Database) throws {
        try database.execute(
            sql: """
                UPDATE dock SET state = 'undocked', undocked_at_ms = ?, reason = CASE
                  WHEN files_collected < files_total THEN
                    'no agent was running before all files were collected: dock it again' END
                WHERE state <> 'undocked'
                """,
            arguments: [time.millisecondsSince1970])
    }

    /// The content of `path` on the device at this root is `recording`.
    package func add(
        _ recording: RecordingID, path: RawPath, root: WatchedRoot, in database: Database
    ) throws {
        try database.cachedStatement(
            sql: """
                INSERT INTO dock_file(source, root, path, recording) VALUES(?, ?, ?, ?)
                ON CONFLICT DO UPDATE SET recording = excluded.recording
                """
        ).execute(arguments: [root.source, root.path.databaseBytes, path.databaseBytes, recording.text])
    }

    /// Every root that is or was watched, with what is verified of its last docking.
    package func docks(in database: Database) throws -> [Dock] {
        try Row.fetchAll(
            database,
            sql: """
                SELECT dock.*, count(recording.id) AS files_verified,
                  coalesce(sum(recording.size_bytes), 0) AS bytes_verified
                FROM dock
                LEFT JOIN dock_file USING(source, root)
                LEFT JOIN recording ON recording.id = dock_file.recording AND recording.state = 'verified'
                GROUP BY dock.source, dock.root ORDER BY dock.source, dock.root
                """
        ).map { try Self.dock($0) }
    }

    private static func dock(_ row: Row) throws -> Dock {
        let undocked: Int64? = row["undocked_at_ms"]
        var dock = Dock(
            source: row["source"], root: RawPath(bytes: row["root"] as Data), fileSystem: row["file_system"],
            device: row["device"], officer: row["officer"], state: DockState(rawValue: row["state"]) ?? .attention,
            reason: row["reason"], dockedAt: WallTime(millisecondsSince1970: row["docked_at_ms"]),
            undockedAt: undocked.map(WallTime.init(millisecondsSince1970:)), filesTotal: row["files_total"],
            filesCollected: row["files_collected"], bytesTotal: row["bytes_total"],
            bytesCollected: row["bytes_collected"],
            clockOffset: try RecordingRow.clockOffset(row, "dock \(row["source"] as String)"))
        dock.filesVerified = row["files_verified"]
        dock.bytesVerified = row["bytes_verified"]
        return dock
    }

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
