package import EvidenceModel
import Foundation
package import GRDB

/// What is known of every recording, in the station's database. Every method takes the `Database` of the caller's
/// transaction, so that a fact of the catalogue stands or falls with those of the ledger and of the upload journal.
package struct Catalogue: Sendable {
    package init() {}

    /// Adds a recording that was collected and not yet described.
    ///
    /// - Throws: GRDB's error; a constraint failure where the same content is there already.
    package func insert(_ recording: Recording, in database: Database) throws {
        var direct: (root: Data, fileSystem: String)?
        if case .direct(let root, let fileSystem, _) = recording.place { direct = (root.databaseBytes, fileSystem) }
        try database.cachedStatement(
            sql: """
                INSERT INTO recording(id, station, sha256, size_bytes, part_size_bytes, part_sha256, place, direct_root,
                  direct_file_system, file_name, source, source_path, searched_text, device, officer, started_at_ms,
                  started_at_basis, order_ms, file_time_ms, collected_at_ms, kind, state, profile, part_number,
                  take_key, camera, important, clock_offset_seconds, clock_offset_method, unreadable_bytes,
                  named_officer, officer_by)
                VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """
        ).execute(arguments: [
            recording.id.text, recording.station, Data(recording.content.digest.bytes), recording.content.size,
            recording.content.layout.partSize, Data(ContentDigest.joined(recording.content.partDigests)),
            direct == nil ? "spool" : "direct", direct?.root, direct?.fileSystem, recording.fileName.databaseBytes,
            recording.source, recording.sourcePath.databaseBytes, recording.sourcePath.display, recording.device,
            recording.officer, recording.startedAt?.millisecondsSince1970, recording.startedAtBasis.rawValue,
            recording.startedAt?.millisecondsSince1970 ?? .min, recording.fileTime.millisecondsSince1970,
            recording.collectedAt.millisecondsSince1970, MediaKind.unknown.rawValue, recording.state.rawValue,
            recording.marks.profile, recording.marks.part, recording.marks.takeKey, recording.marks.camera,
            recording.marks.isImportant, recording.clockOffset?.seconds, recording.clockOffset?.method.rawValue,
            recording.unreadable.isEmpty ? nil : try Self.json(recording.unreadable),
            recording.namedOfficer, recording.officerBasis?.rawValue,
        ])
        try insert(recording.evidence, of: recording.id, in: database)
    }

    /// Writes what the probe found, and what follows from it. `recording.facts` must be there.
    package func describe(_ recording: Recording, at time: WallTime, in database: Database) throws {
        guard let facts = recording.facts else { preconditionFailure("a description has facts") }
        try database.cachedStatement(
            sql: """
                UPDATE recording SET device = ?, described_at_ms = ?, undescribed_reason = NULL, kind = ?,
                  container = ?, duration_seconds = ?, duration_basis = ?, playable_seconds = ?, bit_rate = ?,
                  creation_time = ?, make = ?, model = ?, health = ?, health_details = ?, damaged_bytes = ?
                WHERE id = ?
                """
        ).execute(arguments: [
            recording.device, time.millisecondsSince1970, facts.kind.rawValue, facts.container,
            facts.durationSeconds, facts.durationBasis?.rawValue, facts.playableSeconds, facts.bitRate,
            facts.creationTime, facts.make, facts.model, facts.health.rawValue, try Self.json(facts.healthDetails),
            try Self.json(facts.damagedSpans), recording.id.text,
        ])
        try setStart(of: recording, in: database)
        try insert(facts.streams, of: recording.id, in: database)
        try insert(facts.positions, of: recording.id, in: database)
        try insert(recording.tags, of: recording.id, in: database)
    }

    private static func json(_ list: some Encodable) throws -> String {
        String(decoding: try JSONEncoder().encode(list), as: UTF8.self)
    }

    /// Writes a start that was chosen, with all its evidence and the clock's offset, and the officer that follows from it.
    package func setStart(of recording: Recording, in database: Database) throws {
        try database.cachedStatement(
            sql: """
                UPDATE recording SET started_at_ms = ?, started_at_basis = ?, order_ms = ?, clock_offset_seconds = ?,
                  clock_offset_method = ?, officer = ?, officer_by = ? WHERE id = ?
                """
        ).execute(arguments: [
            recording.startedAt?.millisecondsSince1970, recording.startedAtBasis.rawValue,
            recording.startedAt?.millisecondsSince1970 ?? .min, recording.clockOffset?.seconds,
            recording.clockOffset?.method.rawValue, recording.officer, recording.officerBasis?.rawValue,
            recording.id.text,
        ])
        try insert(recording.evidence, of: recording.id, in: database)
    }

    /// Remembers why a recording could not be described; whether that is news.
    package func setUndescribed(_ reason: String, of id: RecordingID, in database: Database) throws -> Bool {
        try database.execute(
            sql: """
                UPDATE recording SET undescribed_reason = ?, state = 'parked'
                WHERE id = ? AND described_at_ms IS NULL AND undescribed_reason IS NOT ?
                """,
            arguments: [reason, id.text, reason])
        return database.changesCount > 0
    }

    package func setState(_ state: RecordingState, of id: RecordingID, in database: Database) throws {
        try database.cachedStatement(sql: "UPDATE recording SET state = ? WHERE id = ? AND state <> ?")
            .execute(arguments: [state.rawValue, id.text, state.rawValue])
    }

    /// The bytes of a recording are now where `place` says: the file moved, came back on another mount, was copied into
    /// the spool, or left it. One that is in the spool does not go back to where a recorder wrote it.
    package func setPlace(_ place: ContentPlace, of id: RecordingID, at time: WallTime, in database: Database) throws {
        switch place {
        case .spool:
            try database.cachedStatement(
                sql: """
                    UPDATE recording SET place = 'spool', direct_root = NULL, direct_file_system = NULL,
                      evicted_at_ms = NULL WHERE id = ?
                    """
            ).execute(arguments: [id.text])
        case .direct(let root, let fileSystem, let path):
            try database.cachedStatement(
                sql: """
                    UPDATE recording SET direct_root = ?, direct_file_system = ?, source_path = ?, searched_text = ?
                    WHERE id = ? AND place = 'direct'
                    """
            ).execute(arguments: [root.databaseBytes, fileSystem, path.databaseBytes, path.display, id.text])
        case .targets:
            try database.cachedStatement(
                sql: "UPDATE recording SET evicted_at_ms = ? WHERE id = ? AND place = 'spool'"
            ).execute(arguments: [time.millisecondsSince1970, id.text])
        }
    }
}
