package import EvidenceModel
package import GRDB

/// A person's order that a recording is kept, whatever else would let it go, until it is released.
package struct Hold: Sendable, Hashable {
    package var number: Int64
    package var recording: RecordingID
    package var reason: String
    /// `user:<name>`.
    package var by: String
    package var at: WallTime
    package var releasedBy: String?
    package var releasedAt: WallTime?
}

extension Catalogue {
    package func hold(
        _ recording: RecordingID, reason: String, by user: String, at time: WallTime, in database: Database
    ) throws -> Hold {
        try database.execute(
            sql: "INSERT INTO hold(recording, reason, held_by, held_at_ms) VALUES(?, ?, ?, ?)",
            arguments: [recording.text, reason, user, time.millisecondsSince1970])
        return Hold(
            number: database.lastInsertedRowID, recording: recording, reason: reason, by: user, at: time)
    }

    /// The hold is over; one that was over already keeps who ended it first.
    package func release(_ number: Int64, by user: String, at time: WallTime, in database: Database) throws {
        try database.execute(
            sql: "UPDATE hold SET released_by = ?, released_at_ms = ? WHERE id = ? AND released_at_ms IS NULL",
            arguments: [user, time.millisecondsSince1970, number])
    }

    /// All holds that a recording ever had, in the order in which they were made.
    package func holds(of recording: RecordingID, in database: Database) throws -> [Hold] {
        try Row.fetchAll(
            database.cachedStatement(sql: "SELECT * FROM hold WHERE recording = ? ORDER BY id"),
            arguments: [recording.text]
        ).map { row in
            let released: Int64? = row["released_at_ms"]
            return Hold(
                number: row["id"], recording: recording, reason: row["reason"], by: row["held_by"],
                at: WallTime(millisecondsSince1970: row["held_at_ms"]), releasedBy: row["released_by"],
                releasedAt: released.map(WallTime.init(millisecondsSince1970:)))
        }
    }
}
