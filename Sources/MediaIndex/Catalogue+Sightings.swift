package import EvidenceModel
import Foundation
package import GRDB

extension Catalogue {
    /// One place where one content was seen.
    package struct Sighting: Sendable, Hashable {
        package var source: String
        package var fileSystem: String
        package var file: SettledFile
        package var sentinel: Sentinel
        /// All of it could be read. Else the file is not taken for seen: it is read again when it is found again.
        package var isWhole: Bool

        package init(
            source: String, fileSystem: String, file: SettledFile, sentinel: Sentinel, isWhole: Bool = true
        ) {
            self.source = source
            self.fileSystem = fileSystem
            self.file = file
            self.sentinel = sentinel
            self.isWhole = isWhole
        }
    }

    /// The recording that was collected from just this file: same source, file system, path, size, times, and the same
    /// bytes at both ends. Nothing where any of it differs: the file is then read.
    package func recording(seenAt sighting: Sighting, in database: Database) throws -> RecordingID? {
        try String.fetchOne(
            database.cachedStatement(
                sql: """
                    SELECT recording FROM sighting WHERE source = ? AND file_system = ? AND path = ?
                      AND size_bytes = ? AND modified_ns = ? AND changed_ns = ? AND sentinel_sha256 = ? AND whole = 1
                    """),
            arguments: [
                sighting.source, sighting.fileSystem, sighting.file.path.databaseBytes, sighting.file.stamp.size,
                sighting.file.stamp.modifiedNanoseconds, sighting.file.stamp.changedNanoseconds,
                Data(sighting.sentinel.digest.bytes),
            ]
        ).flatMap { RecordingID($0) }
    }

    /// Whether anything was collected from a file of this name and stamp: only then is a sentinel worth reading.
    package func mayHaveSeen(
        _ file: SettledFile, source: String, fileSystem: String, in database: Database
    ) throws -> Bool {
        try Bool.fetchOne(
            database.cachedStatement(
                sql: """
                    SELECT EXISTS(SELECT 1 FROM sighting WHERE source = ? AND file_system = ? AND path = ?
                      AND size_bytes = ? AND modified_ns = ? AND changed_ns = ? AND whole = 1)
                    """),
            arguments: [
                source, fileSystem, file.path.databaseBytes, file.stamp.size, file.stamp.modifiedNanoseconds,
                file.stamp.changedNanoseconds,
            ]) ?? false
    }

    /// Remembers that `recording` was read from this file.
    package func insert(
        _ sighting: Sighting, of recording: RecordingID, at time: WallTime, in database: Database
    ) throws {
        try database.cachedStatement(
            sql: """
                INSERT INTO sighting(recording, source, file_system, path, size_bytes, modified_ns, changed_ns,
                  sentinel_sha256, seen_at_ms, companion_key, whole) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT DO UPDATE SET recording = excluded.recording, seen_at_ms = excluded.seen_at_ms,
                  whole = excluded.whole
                """
        ).execute(arguments: [
            recording.text, sighting.source, sighting.fileSystem, sighting.file.path.databaseBytes,
            sighting.file.stamp.size, sighting.file.stamp.modifiedNanoseconds, sighting.file.stamp.changedNanoseconds,
            Data(sighting.sentinel.digest.bytes), time.millisecondsSince1970, sighting.file.path.companionKey,
            sighting.isWhole,
        ])
    }

    /// In how many places the recording's content was seen.
    package func sightings(of recording: RecordingID, in database: Database) throws -> Int {
        try Int.fetchOne(
            database, sql: "SELECT count(*) FROM sighting WHERE recording = ?", arguments: [recording.text]) ?? 0
    }
}
