package import EvidenceModel
import Foundation
package import GRDB

/// The words about a recording that lie beside its media at a target, on their way there.
package struct Manifest: Sendable, Hashable {
    /// As an upload: its UUID, key, size and digest.
    package var plan: UploadPlan
    /// Counts from 1; never given twice.
    package var number: Int
    package var body: [UInt8]
    /// What the target called it, where it was stored and that answer arrived.
    package var storedTag: String?

    package init(plan: UploadPlan, number: Int, body: [UInt8], storedTag: String? = nil) {
        self.plan = plan
        self.number = number
        self.body = body
        self.storedTag = storedTag
    }
}

/// Manifests of one target that are not verified, for people.
package struct ManifestQueue: Sendable, Hashable {
    package var waiting = 0
    /// Why one of them is tried again later.
    package var reason: String?
}

extension UploadJournal {
    /// What is to be said of the copy is not said by any manifest yet: it becomes verified.
    func wishManifest(of plan: UploadPlan, at time: WallTime, in database: Database) throws {
        try database.cachedStatement(
            sql: """
                INSERT INTO manifest_wish SELECT target, recording, ? FROM upload WHERE id = ? AND progress <> 'verified'
                ON CONFLICT DO NOTHING
                """
        ).execute(arguments: [time.millisecondsSince1970, plan.upload])
    }

    /// Something about the recording changed: every target that has it verified is told by another manifest. Where it is
    /// not verified yet, the first one says it.
    package func wishManifests(of recording: RecordingID, at time: WallTime, in database: Database) throws {
        try database.cachedStatement(
            sql: """
                INSERT INTO manifest_wish SELECT target, recording, ? FROM upload
                WHERE recording = ? AND progress = 'verified' ON CONFLICT DO NOTHING
                """
        ).execute(arguments: [time.millisecondsSince1970, recording.text])
    }

    /// The recording whose manifest for `target` is to be made next: the oldest wish that has none on its way.
    package func wishedManifest(target: String, in database: Database) throws -> RecordingID? {
        let text = try String.fetchOne(
            database.cachedStatement(
                sql: """
                    SELECT recording FROM manifest_wish AS wish WHERE target = ? AND NOT EXISTS
                      (SELECT 1 FROM manifest WHERE manifest.target = wish.target
                        AND manifest.recording = wish.recording AND verified_at_ms IS NULL)
                    ORDER BY since_ms, recording LIMIT 1
                    """),
            arguments: [target])
        return text.flatMap { RecordingID($0) }
    }

    /// The number of a recording's next manifest at `target`.
    package func nextManifestNumber(
        of recording: RecordingID, target: String, in database: Database
    ) throws -> Int {
        try Int.fetchOne(
            database.cachedStatement(
                sql: "SELECT coalesce(max(number), 0) + 1 FROM manifest WHERE recording = ? AND target = ?"),
            arguments: [recording.text, target]) ?? 1
    }

    /// The manifest says what was wished: it waits to be stored, with these bytes under this key, whatever happens.
    package func insert(_ manifest: Manifest, at time: WallTime, in database: Database) throws {
        let plan = manifest.plan
        try database.cachedStatement(
            sql: """
                INSERT INTO manifest(id, target, recording, number, object_key, size_bytes, sha256, body, made_at_ms)
                VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)
                """
        ).execute(arguments: [
            plan.upload, plan.target, plan.recording.text, manifest.number, plan.key, plan.content.size,
            Data(plan.content.digest.bytes), Data(manifest.body), time.millisecondsSince1970,
        ])
        try database.cachedStatement(sql: "DELETE FROM manifest_wish WHERE target = ? AND recording = ?")
            .execute(arguments: [plan.target, plan.recording.text])
    }

    /// The manifest to `target` whose turn it is at `time`: the oldest that is not parked until later.
    package func dueManifest(target: String, at time: WallTime, in database: Database) throws -> Manifest? {
        let row = try Row.fetchOne(
            database.cachedStatement(
                sql: """
                    SELECT * FROM manifest WHERE target = ?1 AND verified_at_ms IS NULL
                      AND \(Self.isDue("next_try_ms", "?2")) ORDER BY made_at_ms, id LIMIT 1
                    """),
            arguments: [target, time.millisecondsSince1970])
        guard let row else { return nil }
        guard let recording = RecordingID(row["recording"]), let digest = ContentDigest(bytes: row["sha256"] as Data),
            let body = row["body"] as Data?, Int64(body.count) == row["size_bytes"]
        else { throw JournalError(upload: row["id"]) }
        let layout = PartLayout(size: Int64(body.count), partSize: Int64(body.count))
        return Manifest(
            plan: UploadPlan(
                upload: row["id"], recording: recording, target: target, key: row["object_key"],
                content: StoredContent(layout: layout, digest: digest, partDigests: [digest])),
            number: row["number"], body: [UInt8](body), storedTag: row["stored_tag"])
    }

    /// Writes what came of a manifest.
    package func write(
        _ outcome: ManifestOutcome, of manifest: Manifest, at time: WallTime, in database: Database
    ) throws {
        let id = manifest.plan.upload
        switch outcome {
        case .stored(let tag):
            try database.execute(sql: "UPDATE manifest SET stored_tag = ? WHERE id = ?", arguments: [tag, id])
        case .verified:
            try database.execute(
                sql: """
                    UPDATE manifest SET verified_at_ms = ?, body = NULL, failure = NULL, next_try_ms = NULL WHERE id = ?
                    """, arguments: [time.millisecondsSince1970, id])
        case .parked(let failure):
            try database.execute(
                sql: "UPDATE manifest SET failure = ?, next_try_ms = ? WHERE id = ?",
                arguments: [
                    failure.sentence, time.adding(seconds: Self.parkedSeconds).millisecondsSince1970, id,
                ])
        }
    }

    /// What lies under the manifest's key is another's: the same words go under a key of a later number.
    package func replace(
        _ manifest: Manifest, by other: Manifest, at time: WallTime, in database: Database
    ) throws {
        try database.execute(
            sql: """
                UPDATE manifest SET id = ?, number = ?, object_key = ?, size_bytes = ?, sha256 = ?, body = ?,
                  made_at_ms = ?, stored_tag = NULL, failure = NULL, next_try_ms = NULL WHERE id = ?
                """,
            arguments: [
                other.plan.upload, other.number, other.plan.key, other.plan.content.size,
                Data(other.plan.content.digest.bytes), Data(other.body), time.millisecondsSince1970,
                manifest.plan.upload,
            ])
    }

    /// What waits at each target: manifests to be made, and made ones that are not verified.
    package func manifestQueues(in database: Database) throws -> [String: ManifestQueue] {
        var queues: [String: ManifestQueue] = [:]
        let rows = try Row.fetchAll(
            database,
            sql: """
                SELECT target, sum(open), max(failure) FROM (
                  SELECT target, count(*) AS open, NULL AS failure FROM manifest_wish GROUP BY target
                  UNION ALL
                  SELECT target, count(*), max(failure) FROM manifest WHERE verified_at_ms IS NULL GROUP BY target)
                GROUP BY target
                """)
        for row in rows { queues[row[0]] = ManifestQueue(waiting: row[1], reason: row[2]) }
        return queues
    }

    /// What a target answered about a recording, the oldest first.
    package func receipts(of recording: RecordingID, target: String, in database: Database) throws -> [Receipt] {
        try Row.fetchAll(
            database.cachedStatement(
                sql: """
                    SELECT receipt.*, upload.object_key FROM receipt JOIN upload ON upload.id = receipt.upload
                    WHERE upload.recording = ? AND upload.target = ? ORDER BY asked_at_ms
                    """),
            arguments: [recording.text, target]
        ).map { row in
            Receipt(
                upload: row["upload"], recording: recording, target: target, key: row["object_key"],
                size: row["size_bytes"], tag: row["tag"], versionID: row["version_id"], method: row["method"],
                askedAt: WallTime(millisecondsSince1970: row["asked_at_ms"]))
        }
    }
}
