package import EvidenceModel
package import GRDB

/// The device register's rows, and what follows from them for recordings.
extension Catalogue {
    /// What was set of one device, in the order in which it was set.
    package func assignments(of serial: String, in database: Database) throws -> [DeviceRegister.Entry] {
        try Row.fetchAll(
            database.cachedStatement(
                sql: "SELECT * FROM device_assignment WHERE serial = ? AND officer IS NOT NULL ORDER BY id"),
            arguments: [serial]
        ).map(Self.entry)
    }

    /// What was set of all devices, in the order in which it was set.
    package func assignments(in database: Database) throws -> [DeviceRegister.Entry] {
        try Row.fetchAll(
            database, sql: "SELECT * FROM device_assignment WHERE officer IS NOT NULL ORDER BY id"
        ).map(Self.entry)
    }

    private static func entry(_ row: Row) -> DeviceRegister.Entry {
        func time(_ column: String) -> WallTime? {
            (row[column] as Int64?).map(WallTime.init(millisecondsSince1970:))
        }
        return DeviceRegister.Entry(
            serial: row["serial"], officer: row["officer"], name: row["name"], from: time("from_ms"),
            until: time("until_ms"),
            origin: .set(
                number: row["id"], by: row["set_by"], at: WallTime(millisecondsSince1970: row["set_at_ms"])))
    }

    /// Adds an entry of the register, whose origin then has its number.
    package func assign(
        _ entry: DeviceRegister.Entry, by user: String, at time: WallTime, in database: Database
    ) throws -> DeviceRegister.Entry {
        try database.execute(
            sql: """
                INSERT INTO device_assignment(serial, officer, name, from_ms, until_ms, set_by, set_at_ms)
                VALUES(?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                entry.serial, entry.officer, entry.name, entry.from?.millisecondsSince1970,
                entry.until?.millisecondsSince1970, user, time.millisecondsSince1970,
            ])
        var assigned = entry
        assigned.origin = .set(number: database.lastInsertedRowID, by: user, at: time)
        return assigned
    }

    /// Recordings that are looked at before the next are read: what memory holds of them at once.
    private static let officersAtOnce = 500

    /// Finds anew whose the recordings of one device are.
    ///
    /// - Returns: how many have another officer, or another basis for him, than before.
    package func resolveOfficers(
        of serial: String, by register: DeviceRegister, in database: Database
    ) throws -> [RecordingID] {
        var changed: [RecordingID] = []
        var after: (order: Int64, id: String)? = (.min, "")
        while let last = after {
            let rows = try Row.fetchAll(
                database.cachedStatement(
                    sql: """
                        SELECT id, order_ms, started_at_ms, officer, officer_by, named_officer FROM recording
                        WHERE device = ? AND (order_ms, id) > (?, ?) ORDER BY order_ms, id LIMIT ?
                        """),
                arguments: [serial, last.order, last.id, Self.officersAtOnce])
            for row in rows where try resolveOfficer(row, of: serial, by: register, in: database) {
                if let id = RecordingID(row["id"]) { changed.append(id) }
            }
            after = rows.last.map { ($0["order_ms"], $0["id"]) }
        }
        return changed
    }

    private func resolveOfficer(
        _ row: Row, of serial: String, by register: DeviceRegister, in database: Database
    ) throws -> Bool {
        let startedAt = (row["started_at_ms"] as Int64?).map(WallTime.init(millisecondsSince1970:))
        let (officer, basis) = register.officer(
            ofRecordingBy: serial, startedAt: startedAt, named: row["named_officer"])
        if officer == row["officer"] as String?, basis?.rawValue == row["officer_by"] as String? { return false }
        try database.cachedStatement(sql: "UPDATE recording SET officer = ?, officer_by = ? WHERE id = ?")
            .execute(arguments: [officer, basis?.rawValue, row["id"] as String])
        return true
    }

    /// Devices of whose recordings any has its officer from the register.
    package func devicesByRegister(in database: Database) throws -> [String] {
        try String.fetchAll(
            database,
            sql: "SELECT DISTINCT device FROM recording WHERE officer_by = 'register' AND device IS NOT NULL")
    }

    /// A device that was docked, or that recordings name.
    package struct SeenDevice: Sendable, Hashable {
        package var serial: String
        /// When its last docking began; none where it was never told at a docking.
        package var dockedAt: WallTime?
        package var recordings: Int
    }

    /// Every device that was ever seen, by serial.
    package func seenDevices(in database: Database) throws -> [SeenDevice] {
        try Row.fetchAll(
            database,
            sql: """
                WITH counted AS (
                  SELECT device, count(*) AS recordings FROM recording WHERE device IS NOT NULL GROUP BY device),
                docked AS (
                  SELECT device, max(docked_at_ms) AS docked_at_ms FROM docking
                  WHERE device IS NOT NULL GROUP BY device)
                SELECT device, docked_at_ms, coalesce(recordings, 0) AS recordings
                FROM counted FULL JOIN docked USING(device) ORDER BY device
                """
        ).map { row in
            let docked: Int64? = row["docked_at_ms"]
            return SeenDevice(
                serial: row["device"], dockedAt: docked.map(WallTime.init(millisecondsSince1970:)),
                recordings: row["recordings"])
        }
    }
}
