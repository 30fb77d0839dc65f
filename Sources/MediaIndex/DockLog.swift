package import EvidenceModel
import Foundation
package import GRDB

/// Every docking there was, what was found in it, what was left where it is, and what could not be read.
package struct DockLog: Sendable {
    package init() {}

    /// A docking begins: its number. What an earlier one at this root merely found again is forgotten, as is what was
    /// skipped or unreadable on this file system; all of it is looked at anew.
    package func begin(_ dock: Dock, in database: Database) throws -> Int64 {
        try database.execute(
            sql: """
                DELETE FROM docking_file WHERE is_new = 0 AND docking =
                  (SELECT max(id) FROM docking WHERE source = ? AND root = ?)
                """,
            arguments: [dock.source, dock.root.databaseBytes])
        for table in ["skipped_entry", "uncollected_file"] {
            try database.execute(
                sql: "DELETE FROM \(table) WHERE source = ? AND file_system = ?",
                arguments: [dock.source, dock.fileSystem])
        }
        try database.execute(
            sql: """
                INSERT INTO docking(source, root, file_system, file_system_type, label, bay, usb, state, docked_at_ms)
                VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                dock.source, dock.root.databaseBytes, dock.fileSystem, dock.fileSystemType, dock.label, dock.bay,
                try dock.usb.map(Self.json), DockState.reading.rawValue, dock.dockedAt.millisecondsSince1970,
            ])
        let id = database.lastInsertedRowID
        var begun = dock
        begun.id = id
        try save(begun, in: database)
        return id
    }

    private static func json(_ usb: USBIdentity) throws -> String {
        String(decoding: try JSONEncoder().encode(usb), as: UTF8.self)
    }

    /// Writes how the docking `dock.id` stands now.
    package func save(_ dock: Dock, in database: Database) throws {
        try database.cachedStatement(
            sql: """
                UPDATE docking SET device = ?, officer = ?, state = ?, reason = ?, undocked_at_ms = ?, ended = ?,
                  files_total = ?, files_collected = ?, files_damaged = ?, files_wiped = ?, bytes_total = ?,
                  bytes_collected = ?, bytes_per_second = ?, clock_offset_seconds = ?, clock_offset_method = ?
                WHERE id = ?
                """
        ).execute(arguments: [
            dock.device, dock.officer, dock.state.rawValue, dock.reason, dock.undockedAt?.millisecondsSince1970,
            dock.ended?.rawValue, dock.filesTotal, dock.filesCollected, dock.filesDamaged, dock.filesWiped,
            dock.bytesTotal, dock.bytesCollected, dock.bytesPerSecond, dock.clockOffset?.seconds,
            dock.clockOffset?.method.rawValue, dock.id,
        ])
    }

    /// The clock's offset of the device that is docked in this docking.
    package func clockOffset(of docking: Int64, in database: Database) throws -> ClockOffset? {
        try Row.fetchOne(
            database.cachedStatement(
                sql: "SELECT clock_offset_seconds, clock_offset_method FROM docking WHERE id = ?"),
            arguments: [docking]
        ).flatMap { try RecordingRow.clockOffset($0, "docking \(docking)") }
    }

    /// No root is watched any more, or not yet: what was docked when the agent last ran may be gone.
    package func endAllDockings(at time: WallTime, in database: Database) throws {
        try database.execute(
            sql: """
                UPDATE docking SET state = 'undocked', undocked_at_ms = ?, ended = 'unwatched', bytes_per_second = 0,
                  reason = CASE
                    WHEN files_collected < files_total THEN
                      'no agent was running before all files were collected: dock it again'
                    WHEN state = 'attention' THEN reason
                    WHEN state = 'reading' THEN 'no agent was running before it was looked through: dock it again' END
                WHERE undocked_at_ms IS NULL
                """,
            arguments: [time.millisecondsSince1970])
    }

    /// The content of `path` is `recording`.
    ///
    /// - Parameter isNew: this docking brought it.
    package func add(
        _ recording: RecordingID, path: RawPath, docking: Int64, isNew: Bool, in database: Database
    ) throws {
        try database.cachedStatement(
            sql: """
                INSERT INTO docking_file(docking, path, recording, is_new) VALUES(?, ?, ?, ?)
                ON CONFLICT DO UPDATE SET recording = excluded.recording,
                  is_new = max(is_new * (recording = excluded.recording), excluded.is_new)
                """
        ).execute(arguments: [docking, path.databaseBytes, recording.text, isNew])
    }

    private static let counted = """
        SELECT docking.*, count(recording.id) AS files_verified,
          coalesce(sum(recording.size_bytes), 0) AS bytes_verified, coalesce(sum(docking_file.is_new), 0) AS files_new
        FROM docking
        LEFT JOIN docking_file ON docking_file.docking = docking.id
        LEFT JOIN recording ON recording.id = docking_file.recording AND recording.state = 'verified'
        """

    /// How it is at every root: its last docking, where that is not over, ended with a reason, or ended after `time`.
    package func docks(endedAfter time: WallTime, in database: Database) throws -> [Dock] {
        try Row.fetchAll(
            database.cachedStatement(
                sql: """
                    \(Self.counted)
                    WHERE docking.id IN (SELECT max(id) FROM docking GROUP BY source, root)
                      AND (undocked_at_ms IS NULL OR reason IS NOT NULL OR undocked_at_ms > ?)
                    GROUP BY docking.id ORDER BY docking.source, docking.root
                    """),
            arguments: [time.millisecondsSince1970]
        ).map { try Self.dock($0) }
    }

    /// The dockings of a device, or of all, the last first.
    package func dockings(ofDevice device: String?, limit: Int, in database: Database) throws -> [Dock] {
        try Row.fetchAll(
            database,
            sql: """
                \(Self.counted)
                WHERE docking.id IN (SELECT id FROM docking WHERE ?1 IS NULL OR device = ?1 ORDER BY id DESC LIMIT ?2)
                GROUP BY docking.id ORDER BY docking.id DESC
                """,
            arguments: [device, limit]
        ).map { try Self.dock($0) }
    }

    private static func dock(_ row: Row) throws -> Dock {
        let undocked: Int64? = row["undocked_at_ms"]
        let ended: String? = row["ended"]
        var dock = Dock(
            source: row["source"], root: RawPath(bytes: row["root"] as Data), fileSystem: row["file_system"],
            device: row["device"], officer: row["officer"], state: DockState(rawValue: row["state"]) ?? .attention,
            reason: row["reason"], dockedAt: WallTime(millisecondsSince1970: row["docked_at_ms"]),
            undockedAt: undocked.map(WallTime.init(millisecondsSince1970:)), filesTotal: row["files_total"],
            filesCollected: row["files_collected"], bytesTotal: row["bytes_total"],
            bytesCollected: row["bytes_collected"],
            clockOffset: try RecordingRow.clockOffset(row, "docking \(row["id"] as Int64)"))
        (dock.id, dock.fileSystemType, dock.label) = (row["id"], row["file_system_type"], row["label"])
        let usb: String? = row["usb"]
        (dock.bay, dock.ended) = (row["bay"], ended.flatMap(Dock.Ending.init))
        dock.usb = usb.flatMap { try? JSONDecoder().decode(USBIdentity.self, from: Data($0.utf8)) }
        (dock.filesDamaged, dock.filesWiped) = (row["files_damaged"], row["files_wiped"])
        (dock.bytesPerSecond, dock.filesNew) = (row["bytes_per_second"], row["files_new"])
        (dock.filesVerified, dock.bytesVerified) = (row["files_verified"], row["bytes_verified"])
        return dock
    }
}
