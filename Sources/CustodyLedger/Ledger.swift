import Foundation
package import EvidenceModel
package import GRDB

/// The append-only log of what happened to every recording, a table of the station's database.
///
/// Every method takes the `Database` of the caller's transaction: an entry is there if and only if the fact is that it
/// tells.
package struct Ledger: Sendable {
    package init() {}

    /// The ledger's part of the schema, for the station's one migrator.
    package static func registerMigrations(in migrator: inout DatabaseMigrator) {
        migrator.registerMigration("ledger-1") { database in
            try database.execute(
                sql: """
                    CREATE TABLE ledger_entry(
                      entry_index INTEGER PRIMARY KEY CHECK(entry_index >= 0), -- counts from 0 without a gap
                      body BLOB NOT NULL CHECK(length(body) BETWEEN 2 AND 65535), -- canonical JSON
                      leaf_sha256 BLOB NOT NULL CHECK(length(leaf_sha256) = 32), -- RFC 6962 leaf hash of body
                      recording TEXT -- the recording it tells about
                    ) STRICT;
                    CREATE INDEX ledger_entry_by_recording ON ledger_entry(recording) WHERE recording IS NOT NULL;
                    CREATE TRIGGER ledger_entry_never_changes BEFORE UPDATE ON ledger_entry
                    BEGIN SELECT RAISE(ABORT, 'a ledger entry never changes'); END;
                    CREATE TRIGGER ledger_entry_never_goes BEFORE DELETE ON ledger_entry
                    BEGIN SELECT RAISE(ABORT, 'a ledger entry is never removed'); END;
                    CREATE TRIGGER ledger_entry_has_no_gap BEFORE INSERT ON ledger_entry
                    WHEN NEW.entry_index <> (SELECT coalesce(max(entry_index) + 1, 0) FROM ledger_entry)
                    BEGIN SELECT RAISE(ABORT, 'a ledger entry goes to the end'); END;
                    """)
        }
    }

    /// Appends `event` in the caller's transaction; its index.
    ///
    /// - Throws: `LedgerError` when the event is too large to be an entry, or GRDB's error; the transaction must then be
    ///   given up.
    @discardableResult
    package func append(_ event: LedgerEvent, in database: Database) throws -> Int64 {
        guard let body = LedgerCodec.encode(event) else { throw LedgerError.entryTooLarge(event.kind) }
        let index = try size(in: database)
        try database.cachedStatement(
            sql: "INSERT INTO ledger_entry(entry_index, body, leaf_sha256, recording) VALUES(?, ?, ?, ?)"
        ).execute(
            arguments: [index, body.databaseBytes, MerkleHash.leaf(body).bytes.databaseBytes, event.recording?.text])
        return index
    }

    /// Number of entries.
    package func size(in database: Database) throws -> Int64 {
        try Int64.fetchOne(
            database.cachedStatement(sql: "SELECT coalesce(max(entry_index) + 1, 0) FROM ledger_entry")) ?? 0
    }

    /// The indexes of the entries about `recording`, in order.
    package func indexes(of recording: RecordingID, in database: Database) throws -> [Int64] {
        try Int64.fetchAll(
            database.cachedStatement(
                sql: "SELECT entry_index FROM ledger_entry WHERE recording = ? ORDER BY entry_index"),
            arguments: [recording.text])
    }

    /// The entries about `recording`, in order, as they stand.
    package func entries(of recording: RecordingID, in database: Database) throws -> [(index: Int64, body: [UInt8])] {
        try Row.fetchAll(
            database, sql: "SELECT entry_index, body FROM ledger_entry WHERE recording = ? ORDER BY entry_index",
            arguments: [recording.text]
        ).map { (index: $0[0], body: [UInt8]($0[1] as Data)) }
    }

    /// Size and head of the tree over all entries, computed from the bodies: a changed body changes the head.
    ///
    /// - Throws: `LedgerError` with the first entry whose stored leaf hash is not that of its body.
    package func checkpoint(in database: Database) throws -> TreeEdge {
        var edge = TreeEdge()
        let rows = try Row.fetchCursor(
            database, sql: "SELECT entry_index, body, leaf_sha256 FROM ledger_entry ORDER BY entry_index")
        while let row = try rows.next() {
            let leaf = MerkleHash.leaf([UInt8](row[1] as Data))
            guard row[0] == edge.size, leaf.bytes == [UInt8](row[2] as Data) else {
                throw LedgerError.entryChanged(index: row[0])
            }
            edge.append(leaf: leaf)
        }
        return edge
    }
}

/// Why the ledger could not do what it was asked.
package enum LedgerError: Error, Sendable, Hashable, CustomStringConvertible {
    case entryTooLarge(LedgerEventKind)
    case entryChanged(index: Int64)

    package var description: String {
        switch self {
        case .entryTooLarge(let kind):
            "a ledger entry \"\(kind.rawValue)\" would be longer than \(LedgerCodec.mostBytes) bytes"
        case .entryChanged(let index):
            "ledger entry \(index) in table ledger_entry is not what was appended: keep a copy of the state "
                + "directory as it is and compare with a published checkpoint"
        }
    }
}

extension [UInt8] {
    /// The bytes as SQLite takes a BLOB.
    var databaseBytes: Data { Data(self) }
}
