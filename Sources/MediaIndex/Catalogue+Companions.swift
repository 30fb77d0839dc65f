package import EvidenceModel
package import GRDB

extension Catalogue {
    /// Companions that are looked at; a card has a few of a name.
    private static let companions = 32

    /// Described recordings that were seen beside this one under the same name, whatever the extension: a sidecar's
    /// media, a medium's sidecars. Same source, file system, folder and stem, without regard to case.
    ///
    /// A counter may start again on the same card: so the two files' times, which are of one clock, must lie within a
    /// day of each other.
    package func companions(of id: RecordingID, in database: Database) throws -> [Recording] {
        let ids = try String.fetchAll(
            database.cachedStatement(
                sql: """
                    SELECT DISTINCT other.recording FROM sighting AS own
                    JOIN sighting AS other USING(source, file_system, companion_key)
                    WHERE own.recording = ?1 AND other.recording <> ?1
                      AND abs(other.modified_ns / 1000000000 - own.modified_ns / 1000000000) <= 86400
                    ORDER BY other.recording LIMIT ?2
                    """),
            arguments: [id.text, Self.companions])
        return try ids.compactMap { RecordingID($0) }.compactMap { try recording($0, in: database) }
            .filter { $0.facts != nil }
    }

    /// The recordings that a docking brought and that are not corrected by any clock's offset.
    package func uncorrected(broughtBy docking: Int64, in database: Database) throws -> [Recording] {
        let ids = try String.fetchAll(
            database,
            sql: """
                SELECT DISTINCT recording.id FROM docking_file JOIN recording ON recording.id = docking_file.recording
                WHERE docking_file.docking = ? AND is_new = 1 AND recording.clock_offset_seconds IS NULL
                """,
            arguments: [docking])
        return try ids.compactMap { RecordingID($0) }.compactMap { try recording($0, in: database) }
    }
}
