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
                  started_at_basis, order_ms, file_time_ms, collected_at_ms, kind, state)
                VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """
        ).execute(arguments: [
            recording.id.text, recording.station, Data(recording.content.digest.bytes), recording.content.size,
            recording.content.layout.partSize, Data(ContentDigest.joined(recording.content.partDigests)),
            direct == nil ? "spool" : "direct", direct?.root, direct?.fileSystem, recording.fileName.databaseBytes,
            recording.source, recording.sourcePath.databaseBytes, recording.sourcePath.display, recording.device,
            recording.officer, recording.startedAt?.millisecondsSince1970, recording.startedAtBasis.rawValue,
            recording.startedAt?.millisecondsSince1970 ?? .min, recording.fileTime.millisecondsSince1970,
            recording.collectedAt.millisecondsSince1970, MediaKind.unknown.rawValue, recording.state.rawValue,
        ])
    }

    /// Writes what the probe found, and what follows from it. `recording.facts` must be there.
    package func describe(_ recording: Recording, at time: WallTime, in database: Database) throws {
        guard let facts = recording.facts else { preconditionFailure("a description has facts") }
        let details = try String(decoding: JSONEncoder().encode(facts.healthDetails), as: UTF8.self)
        try database.cachedStatement(
            sql: """
                UPDATE recording SET device = ?, officer = ?, started_at_ms = ?, started_at_basis = ?, order_ms = ?,
                  described_at_ms = ?, undescribed_reason = NULL, kind = ?, container = ?, duration_seconds = ?, creation_time = ?, health = ?,
                  health_details = ? WHERE id = ?
                """
        ).execute(arguments: [
            recording.device, recording.officer, recording.startedAt?.millisecondsSince1970,
            recording.startedAtBasis.rawValue, recording.startedAt?.millisecondsSince1970 ?? .min,
            time.millisecondsSince1970, facts.kind.rawValue, facts.container, facts.durationSeconds, facts.creationTime,
            facts.health.rawValue, details, recording.id.text,
        ])
        try insert(facts.streams, of: recording.id, in: database)
        try insert(recording.tags, of: recording.id, in: database)
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

    private func insert(_ streams: [StreamFacts], of id: RecordingID, in database: Database) throws {
        let statement = try database.cachedStatement(
            sql: """
                INSERT INTO stream(recording, stream_index, kind, codec, width_px, height_px, frame_rate,
                  sample_rate_hz, channels) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)
                """)
        for (index, stream) in streams.enumerated() {
            try statement.execute(arguments: [
                id.text, index, stream.kind.rawValue, stream.codec, stream.widthPixels, stream.heightPixels,
                stream.frameRate, stream.sampleRateHertz, stream.channels,
            ])
        }
    }

    private func insert(_ tags: [Tag], of id: RecordingID, in database: Database) throws {
        let statement = try database.cachedStatement(
            sql: """
                INSERT INTO tag(recording, tag_index, item, stage, case_number, given_by, confidence, given_at_ms,
                  list_version) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)
                """)
        for (index, tag) in tags.enumerated() {
            try statement.execute(arguments: [
                id.text, index, tag.item, tag.stage, tag.caseNumber, tag.by, tag.confidence,
                tag.at.millisecondsSince1970, tag.listVersion,
            ])
        }
    }

    package func setState(_ state: RecordingState, of id: RecordingID, in database: Database) throws {
        try database.cachedStatement(sql: "UPDATE recording SET state = ? WHERE id = ? AND state <> ?")
            .execute(arguments: [state.rawValue, id.text, state.rawValue])
    }

    /// The bytes of a recording that lay where a recorder wrote them are now where `place` says: the file moved, came
    /// back on another mount, or was copied into the spool. One that is in the spool stays there.
    package func setPlace(_ place: ContentPlace, of id: RecordingID, in database: Database) throws {
        switch place {
        case .spool:
            try database.cachedStatement(
                sql: """
                    UPDATE recording SET place = 'spool', direct_root = NULL, direct_file_system = NULL WHERE id = ?
                    """
            ).execute(arguments: [id.text])
        case .direct(let root, let fileSystem, let path):
            try database.cachedStatement(
                sql: """
                    UPDATE recording SET direct_root = ?, direct_file_system = ?, source_path = ?, searched_text = ?
                    WHERE id = ? AND place = 'direct'
                    """
            ).execute(arguments: [root.databaseBytes, fileSystem, path.databaseBytes, path.display, id.text])
        }
    }
}
