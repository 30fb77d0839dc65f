import EvidenceModel
import GRDB

/// The tables that have many rows for one recording.
extension Catalogue {
    /// - Parameter take: the id of the recording's take, as the column has it.
    func details(of id: String, take: String?, in database: Database) throws -> RecordingRow.Details {
        func rows(_ table: String, _ order: String) throws -> [Row] {
            try Row.fetchAll(
                database.cachedStatement(sql: "SELECT * FROM \(table) WHERE recording = ? ORDER BY \(order)"),
                arguments: [id])
        }
        let parts = try take.flatMap { take in
            try Int.fetchOne(
                database.cachedStatement(sql: "SELECT count(*) FROM recording WHERE take = ?"), arguments: [take])
        }
        return RecordingRow.Details(
            streams: try rows("stream", "stream_index").map { try RecordingRow.stream($0) },
            positions: try rows("position", "position_index").map { try RecordingRow.position($0) },
            tags: try rows("tag", "tag_index").map(RecordingRow.tag),
            evidence: try rows("time_evidence", "evidence_index").map { try RecordingRow.evidence($0) },
            takeParts: parts ?? 0)
    }

    func insert(_ streams: [StreamFacts], of id: RecordingID, in database: Database) throws {
        let statement = try database.cachedStatement(
            sql: """
                INSERT INTO stream(recording, stream_index, kind, codec, width_px, height_px, frame_rate,
                  sample_rate_hz, channels, rotation_degrees, language, start_offset_seconds, bit_rate)
                VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """)
        for (index, stream) in streams.enumerated() {
            try statement.execute(arguments: [
                id.text, index, stream.kind.rawValue, stream.codec, stream.widthPixels, stream.heightPixels,
                stream.frameRate, stream.sampleRateHertz, stream.channels, stream.rotationDegrees, stream.language,
                stream.startOffsetSeconds, stream.bitRate,
            ])
        }
    }

    func insert(_ positions: [GeoPoint], of id: RecordingID, in database: Database) throws {
        let statement = try database.cachedStatement(
            sql: """
                INSERT INTO position(recording, position_index, latitude_degrees, longitude_degrees, altitude_m, at_ms)
                VALUES(?, ?, ?, ?, ?, ?)
                """)
        for (index, point) in positions.enumerated() {
            try statement.execute(arguments: [
                id.text, index, point.latitude, point.longitude, point.altitudeMetres, point.at?.millisecondsSince1970,
            ])
        }
    }

    func insert(_ tags: [Tag], of id: RecordingID, in database: Database) throws {
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

    /// All evidence of the recording, in place of what there was.
    func insert(_ evidence: [TimeEvidence], of id: RecordingID, in database: Database) throws {
        try database.cachedStatement(sql: "DELETE FROM time_evidence WHERE recording = ?").execute(arguments: [id.text])
        let statement = try database.cachedStatement(
            sql: """
                INSERT INTO time_evidence(recording, evidence_index, basis, original, read_as, at_ms, by_device_clock)
                VALUES(?, ?, ?, ?, ?, ?, ?)
                """)
        for (index, piece) in evidence.enumerated() {
            try statement.execute(arguments: [
                id.text, index, piece.basis.rawValue, piece.original, piece.readAs, piece.at.millisecondsSince1970,
                piece.isByDeviceClock,
            ])
        }
    }
}
