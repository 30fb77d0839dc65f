package import GRDB

/// What was moved to a target, for one share or for all, since the station was set up.
package struct TransferTotals: Sendable, Hashable {
    package var bytesSent: Int64 = 0
    package var bytesDurable: Int64 = 0
    package var bytesResent: Int64 = 0
    package var partsRetried = 0

    package init(
        bytesSent: Int64 = 0, bytesDurable: Int64 = 0, bytesResent: Int64 = 0, partsRetried: Int = 0
    ) {
        self.bytesSent = bytesSent
        self.bytesDurable = bytesDurable
        self.bytesResent = bytesResent
        self.partsRetried = partsRetried
    }
}

extension UploadJournal {
    static let transfers = """
        CREATE TABLE transfer( -- since the station was set up; what a power cut took is not counted
          target TEXT NOT NULL,
          share TEXT NOT NULL, -- a device or a source
          bytes_sent INTEGER NOT NULL,
          bytes_durable INTEGER NOT NULL,
          bytes_resent INTEGER NOT NULL,
          parts_retried INTEGER NOT NULL,
          PRIMARY KEY(target, share)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE transfer_retry(
          target TEXT NOT NULL,
          reason TEXT NOT NULL, -- the server's code, or the kind of failure
          parts INTEGER NOT NULL,
          PRIMARY KEY(target, reason)
        ) STRICT, WITHOUT ROWID;
        """

    /// Reasons that are told apart at one target: servers choose their codes.
    static let mostReasons = 32

    /// Adds what was moved to `target` by each share.
    package func add(_ counts: [String: TransferCount], target: String, in database: Database) throws {
        for (share, count) in counts {
            try database.cachedStatement(
                sql: """
                    INSERT INTO transfer VALUES(?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
                      bytes_sent = bytes_sent + excluded.bytes_sent,
                      bytes_durable = bytes_durable + excluded.bytes_durable,
                      bytes_resent = bytes_resent + excluded.bytes_resent,
                      parts_retried = parts_retried + excluded.parts_retried
                    """
            ).execute(arguments: [
                target, share, count.bytesSent, count.bytesDurable, count.bytesResent,
                count.retries.values.reduce(0, +),
            ])
            for (reason, parts) in count.retries {
                try database.cachedStatement(
                    sql: """
                        INSERT INTO transfer_retry SELECT ?1, CASE WHEN ?2 IN
                            (SELECT reason FROM transfer_retry WHERE target = ?1)
                            OR (SELECT count(*) FROM transfer_retry WHERE target = ?1) < ?3 THEN ?2 ELSE 'other' END, ?4
                        WHERE true ON CONFLICT DO UPDATE SET parts = parts + excluded.parts
                        """
                ).execute(arguments: [target, reason, Self.mostReasons, parts])
            }
        }
    }

    /// By target, and in it by share.
    package func transfers(in database: Database) throws -> [String: [String: TransferTotals]] {
        var totals: [String: [String: TransferTotals]] = [:]
        for row in try Row.fetchAll(database, sql: "SELECT * FROM transfer") {
            totals[row["target"], default: [:]][row["share"]] = TransferTotals(
                bytesSent: row["bytes_sent"], bytesDurable: row["bytes_durable"], bytesResent: row["bytes_resent"],
                partsRetried: row["parts_retried"])
        }
        return totals
    }

    /// Failed parts by target and reason.
    package func retries(in database: Database) throws -> [String: [String: Int]] {
        var retries: [String: [String: Int]] = [:]
        for row in try Row.fetchAll(database, sql: "SELECT target, reason, parts FROM transfer_retry") {
            retries[row[0], default: [:]][row[1]] = row[2]
        }
        return retries
    }
}

extension TransferTotals {
    package static func + (left: TransferTotals, right: TransferTotals) -> TransferTotals {
        TransferTotals(
            bytesSent: left.bytesSent + right.bytesSent, bytesDurable: left.bytesDurable + right.bytesDurable,
            bytesResent: left.bytesResent + right.bytesResent, partsRetried: left.partsRetried + right.partsRetried)
    }
}
