package import EvidenceModel
import Foundation
package import GRDB

extension UploadJournal {
    static let capabilities = """
        ALTER TABLE target ADD COLUMN capabilities TEXT; -- JSON of S3Capabilities; none where it was not tried out
        ALTER TABLE target ADD COLUMN tried_at_ms INTEGER; -- when it was
        ALTER TABLE receipt ADD COLUMN locked_until_ms INTEGER; -- none where nothing keeps the object from being deleted
        """

    /// What a target is known to do; nothing where it was never tried out, or by a version that looked at other things.
    package func capabilities(target: String, in database: Database) throws -> S3KnownCapabilities? {
        let row = try Row.fetchOne(
            database, sql: "SELECT capabilities, tried_at_ms FROM target WHERE name = ?", arguments: [target])
        guard let row, let text: String = row[0], let triedAt: Int64 = row[1],
            let known = try? JSONDecoder().decode(S3Capabilities.self, from: Data(text.utf8))
        else { return nil }
        return S3KnownCapabilities(capabilities: known, triedAt: WallTime(millisecondsSince1970: triedAt))
    }

    package func save(_ known: S3KnownCapabilities, target: String, in database: Database) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        try database.execute(
            sql: """
                INSERT INTO target(name, state, capabilities, tried_at_ms) VALUES(?, 'up', ?, ?)
                ON CONFLICT DO UPDATE SET capabilities = excluded.capabilities, tried_at_ms = excluded.tried_at_ms
                """,
            arguments: [
                target, String(decoding: try encoder.encode(known.capabilities), as: UTF8.self),
                known.triedAt.millisecondsSince1970,
            ])
    }

    /// Until when the target said that a copy is locked, at most; nothing where it never said so.
    package func lockedUntil(of upload: String, in database: Database) throws -> WallTime? {
        try Int64.fetchOne(
            database.cachedStatement(sql: "SELECT max(locked_until_ms) FROM receipt WHERE upload = ?"),
            arguments: [upload]
        ).map(WallTime.init(millisecondsSince1970:))
    }
}
