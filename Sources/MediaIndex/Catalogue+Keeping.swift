package import EvidenceModel
import Foundation
package import GRDB

/// What may leave the station, or a device, and what may not.
extension Catalogue {
    private static let mayGo = """
        state = 'verified' AND place = 'spool' AND evicted_at_ms IS NULL
          AND NOT EXISTS(SELECT 1 FROM hold WHERE hold.recording = recording.id AND released_at_ms IS NULL)
        """

    /// Recordings whose copy in the spool may make room, those collected first at first: verified on every target, and
    /// held by nobody.
    package func evictable(limit: Int, in database: Database) throws -> [(id: RecordingID, size: Int64)] {
        try Row.fetchAll(
            database.cachedStatement(
                sql: """
                    SELECT id, size_bytes FROM recording INDEXED BY recording_evictable
                    WHERE \(Self.mayGo) ORDER BY collected_at_ms LIMIT ?
                    """),
            arguments: [limit]
        ).compactMap { row in RecordingID(row["id"]).map { ($0, row["size_bytes"]) } }
    }

    /// Bytes of all copies that may make room.
    package func evictableBytes(in database: Database) throws -> Int64 {
        try Int64.fetchOne(
            database.cachedStatement(
                sql: """
                    SELECT coalesce(sum(size_bytes), 0) FROM recording INDEXED BY recording_evictable
                    WHERE \(Self.mayGo)
                    """)) ?? 0
    }

    package func isEvictable(_ id: RecordingID, in database: Database) throws -> Bool {
        try Bool.fetchOne(
            database.cachedStatement(sql: "SELECT EXISTS(SELECT 1 FROM recording WHERE id = ? AND \(Self.mayGo))"),
            arguments: [id.text]) ?? false
    }

    /// The recordings whose copies left the spool last: one may lie there still, where the agent was killed in between.
    package func lastEvicted(limit: Int, in database: Database) throws -> [RecordingID] {
        try String.fetchAll(
            database,
            sql: """
                SELECT id FROM recording WHERE evicted_at_ms IS NOT NULL ORDER BY evicted_at_ms DESC LIMIT ?
                """,
            arguments: [limit]
        ).compactMap { RecordingID($0) }
    }

    package func isHeld(_ id: RecordingID, in database: Database) throws -> Bool {
        try Bool.fetchOne(
            database.cachedStatement(
                sql: "SELECT EXISTS(SELECT 1 FROM hold WHERE recording = ? AND released_at_ms IS NULL)"),
            arguments: [id.text]) ?? false
    }

    /// Size and times that the file at `path` had when it was read in full and had the content of `id`.
    package func fileTimes(
        of id: RecordingID, source: String, fileSystem: String, path: RawPath, in database: Database
    ) throws -> [FileTimes] {
        try Row.fetchAll(
            database.cachedStatement(
                sql: """
                    SELECT size_bytes, modified_ns, changed_ns FROM sighting
                    WHERE source = ? AND file_system = ? AND path = ? AND recording = ? AND whole = 1
                    """),
            arguments: [source, fileSystem, path.databaseBytes, id.text]
        ).map { FileTimes(size: $0[0], modifiedNanoseconds: $0[1], changedNanoseconds: $0[2]) }
    }
}
