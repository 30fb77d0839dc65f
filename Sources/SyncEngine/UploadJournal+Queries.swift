package import EvidenceModel
import Foundation
package import GRDB

/// One copy of a recording, for people.
package struct CopyStatus: Sendable, Hashable {
    package var target: String
    package var key: String
    package var state: CopyState
    package var tag: String?
    package var versionID: String?
    package var verifiedAt: WallTime?
    package var parkedReason: String?
    package var parkedHint: String?
    package var parkedAt: WallTime?
    package var recording: RecordingID
    /// Until when the target keeps it from being deleted, as it said last.
    package var lockedUntil: WallTime?
}

/// Counts over all copies to one target, or to all.
package struct QueueStatus: Sendable, Hashable {
    package var waiting = 0
    package var uploading = 0
    package var verified = 0
    package var parked = 0
    /// Bytes that no target has acknowledged yet, over all copies.
    package var bytesLeft: Int64 = 0
}

/// How a target is doing, for people.
package struct TargetStatus: Sendable, Hashable {
    package var name: String
    /// `up` or `waiting`.
    package var state: String
    package var reason: String?
    package var hint: String?
    package var since: WallTime?
    package var bytesPerSecond: Double
    package var clockOffsetSeconds: Double?

    package init(
        name: String, state: String = "up", reason: String? = nil, hint: String? = nil, since: WallTime? = nil,
        bytesPerSecond: Double = 0, clockOffsetSeconds: Double? = nil
    ) {
        self.name = name
        self.state = state
        self.reason = reason
        self.hint = hint
        self.since = since
        self.bytesPerSecond = bytesPerSecond
        self.clockOffsetSeconds = clockOffsetSeconds
    }
}

extension UploadJournal {
    /// All uploads of a recording, or every upload that is verified when none is named.
    package func uploads(
        of recording: RecordingID?, target: String?, in database: Database
    ) throws -> [JournaledUpload] {
        // Two questions, so that the one about a recording comes from an index.
        let which = recording == nil ? "?1 IS NULL AND progress = 'verified'" : "recording = ?1"
        return try Row.fetchAll(
            database.cachedStatement(
                sql: """
                    SELECT * FROM upload WHERE \(which) AND (?2 IS NULL OR target = ?2) ORDER BY recording, target
                    """),
            arguments: [recording?.text, target]
        ).map { try journaled($0, in: database) }
    }

    func journaled(_ row: Row, in database: Database) throws -> JournaledUpload {
        let id: String = row["id"]
        guard var plan = plan(row) else { throw JournalError(upload: id) }
        plan.given.object = row["completed_tag"]
        let parts = try Row.fetchAll(
            database.cachedStatement(sql: "SELECT number, tag FROM upload_part WHERE upload = ?"), arguments: [id])
        let progress: JournaledUpload.Progress =
            switch (row["progress"] as String, row["token"] as String?, row["completed_tag"] as String?) {
            case ("open", let token?, _): .open(token: token)
            case ("sealed", let token?, _): .sealed(token: token)
            case ("completed", _, let tag?), ("verified", _, let tag?): .completed(tag: tag)
            case ("creating", _, _): .creating
            default: .planned
            }
        let urgency = UploadTurn.Urgency(rawValue: row["urgency"]) ?? .usual
        return JournaledUpload(
            plan: plan, turn: UploadTurn(share: row["share"], urgency: urgency, isBackfill: row["is_backfill"]),
            progress: progress,
            tags: Dictionary(parts.map { ($0[0] as Int, $0[1] as String) }, uniquingKeysWith: { $1 }))
    }

    private func plan(_ row: Row) -> UploadPlan? {
        let layout = PartLayout(size: row["size_bytes"], partSize: row["part_size_bytes"])
        guard let parts = ContentDigest.list(joined: row["part_sha256"] as Data), parts.count == layout.count,
            let recording = RecordingID(row["recording"]),
            let digest = ContentDigest(bytes: row["sha256"] as Data)
        else { return nil }
        return UploadPlan(
            upload: row["id"], recording: recording, target: row["target"], key: row["object_key"],
            content: StoredContent(layout: layout, digest: digest, partDigests: parts))
    }

    private static let copyState = """
        CASE WHEN progress = 'verified' THEN 'verified' WHEN parked_reason IS NOT NULL THEN 'parked'
          WHEN progress = 'planned' THEN 'waiting' ELSE 'uploading' END
        """

    /// The copies of a recording, or all parked ones when none is named.
    package func copies(of recording: RecordingID?, in database: Database) throws -> [CopyStatus] {
        let which =
            recording == nil ? "?1 IS NULL AND parked_reason IS NOT NULL AND progress <> 'verified'" : "recording = ?1"
        return try Row.fetchAll(
            database.cachedStatement(
                sql: """
                    SELECT upload.*, \(Self.copyState) AS copy_state, receipt.tag AS receipt_tag, receipt.version_id,
                      receipt.locked_until_ms, max(receipt.asked_at_ms) AS verified_at_ms
                    FROM upload LEFT JOIN receipt ON receipt.upload = upload.id
                    WHERE \(which)
                    GROUP BY upload.id ORDER BY recording, target
                    """),
            arguments: [recording?.text]
        ).compactMap { row in
            guard let id = RecordingID(row["recording"]), let state = CopyState(rawValue: row["copy_state"]) else {
                return nil
            }
            let verifiedAt: Int64? = row["verified_at_ms"]
            let parkedAt: Int64? = row["parked_at_ms"]
            let lockedUntil: Int64? = row["locked_until_ms"]
            return CopyStatus(
                target: row["target"], key: row["object_key"], state: state, tag: row["receipt_tag"],
                versionID: row["version_id"], verifiedAt: verifiedAt.map(WallTime.init(millisecondsSince1970:)),
                parkedReason: row["parked_reason"], parkedHint: row["parked_hint"],
                parkedAt: parkedAt.map(WallTime.init(millisecondsSince1970:)), recording: id,
                lockedUntil: lockedUntil.map(WallTime.init(millisecondsSince1970:)))
        }
    }

    /// The states of a recording's copies on those of `targets` that it has copies planned for.
    package func copyStates(
        of recording: RecordingID, targets: [String], in database: Database
    ) throws -> [CopyState] {
        try Row.fetchAll(
            database.cachedStatement(sql: "SELECT target, \(Self.copyState) FROM upload WHERE recording = ?"),
            arguments: [recording.text]
        ).compactMap { targets.contains($0[0]) ? CopyState(rawValue: $0[1]) : nil }
    }

    /// How many uploads to each target can be worked on at `time`: not verified, and not parked until later.
    package func openUploads(at time: WallTime, in database: Database) throws -> [String: Int] {
        let rows = try Row.fetchAll(
            database,
            sql: """
                SELECT target, count(*) FROM upload WHERE progress <> 'verified'
                  AND \(Self.isDue("next_try_ms", "?1")) AND parked_code IS NOT 'read_back' GROUP BY target
                """,
            arguments: [time.millisecondsSince1970])
        return Dictionary(rows.map { ($0[0], $0[1]) }, uniquingKeysWith: +)
    }

    /// Counts over the copies to those targets.
    package func queue(targets: [String], in database: Database) throws -> QueueStatus {
        var status = QueueStatus()
        let (names, arguments) = Self.list(targets)
        let rows = try Row.fetchAll(
            database,
            sql: """
                SELECT \(Self.copyState) AS copy_state, count(*) FROM upload WHERE target IN (\(names))
                GROUP BY copy_state
                """,
            arguments: arguments)
        for row in rows {
            switch CopyState(rawValue: row[0]) {
            case .waiting: status.waiting = row[1]
            case .uploading: status.uploading = row[1]
            case .verified: status.verified = row[1]
            case .parked: status.parked = row[1]
            case .missing, nil: break
            }
        }
        status.bytesLeft =
            try Int64.fetchOne(
                database,
                sql: """
                    SELECT coalesce(sum(size_bytes - (SELECT coalesce(
                        sum(min(part_size_bytes, size_bytes - (number - 1) * part_size_bytes)), 0)
                      FROM upload_part WHERE upload_part.upload = upload.id)), 0)
                    FROM upload WHERE progress NOT IN ('verified', 'completed') AND target IN (\(names))
                    """,
                arguments: arguments) ?? 0
        return status
    }

    /// As many question marks as there are names, and the names.
    private static func list(_ names: [String]) -> (marks: String, arguments: StatementArguments) {
        (names.map { _ in "?" }.joined(separator: ", "), StatementArguments(names))
    }

    /// The code of what the copy is parked for, where it is.
    package func parkedCode(of upload: String, in database: Database) throws -> String? {
        try String.fetchOne(
            database.cachedStatement(sql: "SELECT parked_code FROM upload WHERE id = ?"), arguments: [upload])
    }

    /// Why the copy is parked, where it is.
    package func parkedReason(of upload: String, in database: Database) throws -> String? {
        try String.fetchOne(
            database.cachedStatement(sql: "SELECT parked_reason FROM upload WHERE id = ?"), arguments: [upload])
    }

    package func save(_ status: TargetStatus, in database: Database) throws {
        try database.cachedStatement(
            sql: """
                INSERT INTO target(name, state, reason, hint, since_ms, bytes_per_second, clock_offset_seconds)
                VALUES(?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT DO UPDATE SET state = excluded.state, reason = excluded.reason, hint = excluded.hint,
                  since_ms = excluded.since_ms, bytes_per_second = excluded.bytes_per_second,
                  clock_offset_seconds = excluded.clock_offset_seconds
                """
        ).execute(arguments: [
            status.name, status.state, status.reason, status.hint, status.since?.millisecondsSince1970,
            status.bytesPerSecond, status.clockOffsetSeconds,
        ])
    }

    package func targets(in database: Database) throws -> [TargetStatus] {
        try Row.fetchAll(database, sql: "SELECT * FROM target ORDER BY name").map { row in
            let since: Int64? = row["since_ms"]
            return TargetStatus(
                name: row["name"], state: row["state"], reason: row["reason"], hint: row["hint"],
                since: since.map(WallTime.init(millisecondsSince1970:)), bytesPerSecond: row["bytes_per_second"],
                clockOffsetSeconds: row["clock_offset_seconds"])
        }
    }
}

/// A row of the journal is not what it is meant to be.
package struct JournalError: Error, Sendable, Hashable, CustomStringConvertible {
    package var upload: String

    package init(upload: String) {
        self.upload = upload
    }

    package var description: String {
        "table upload, row \(upload): ids or digests are malformed; restore the database from a copy"
    }
}
