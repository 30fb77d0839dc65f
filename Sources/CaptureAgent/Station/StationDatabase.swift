import CustodyLedger
import EvidenceModel
import Foundation
import GRDB
import MediaIndex
import SyncEngine

/// `station.sqlite`: one writing connection in one process (who holds the `StationLock`), readers that never write.
///
/// SQLite before 3.51.3 can damage a database when two connections write or checkpoint at once; here only the one writer
/// does either.
struct StationDatabase: Sendable {
    private let pool: any DatabaseReader
    private let writer: DatabasePool?
    private let groups: GroupWriter?
    private let path: String

    /// Opens for the process that holds the lock: creates and migrates, after checking what is there.
    init(writing path: RawPath, lock: borrowing StationLock) throws(CommandFailure) {
        self.path = path.display
        do {
            // Looked at without writing first: closing a writing connection would already change a damaged file.
            if FileManager.default.fileExists(atPath: path.display) { try Self.check(path.display) }
            let opened = try DatabasePool(path: path.display, configuration: Self.configuration())
            try Self.migrator.migrate(opened)
            (pool, writer, groups) = (opened, opened, GroupWriter(opened))
        } catch {
            throw Self.failure(error, path.display)
        }
    }

    /// Opens for looking only; nothing where there is no database yet.
    init?(reading path: RawPath) throws(CommandFailure) {
        self.path = path.display
        guard FileManager.default.fileExists(atPath: path.display) else { return nil }
        do {
            let opened = try Self.readOnly(path.display)
            guard try opened.read({ try Self.isComplete($0) }) else {
                // The agent that holds the station is just making it, table by table.
                if StationLock.holder(stateDirectory: path.parent) != nil { return nil }
                throw CommandFailure(
                    .inputOutput, "the database \(path.display) is of another version of the agent",
                    hint: "start the agent once: it brings its database up to date")
            }
            (pool, writer, groups) = (opened, nil, nil)
        } catch let error as DatabaseError
            where error.resultCode == .SQLITE_ERROR && StationLock.holder(stateDirectory: path.parent) != nil
        {
            // Between two of its tables.
            return nil
        } catch {
            throw Self.failure(error, path.display)
        }
    }

    /// Whether every migration was made; a database that is just being created has not even their table.
    private static func isComplete(_ database: Database) throws -> Bool {
        try database.tableExists("grdb_migrations") && migrator.hasCompletedMigrations(database)
    }

    private static func readOnly(_ path: String) throws -> DatabaseQueue {
        var configuration = configuration()
        configuration.readonly = true
        return try DatabaseQueue(path: path, configuration: configuration)
    }

    private static func configuration() -> Configuration {
        var configuration = Configuration()
        configuration.busyMode = .timeout(5)
        configuration.prepareDatabase { database in
            try database.execute(sql: "PRAGMA synchronous = NORMAL")
        }
        return configuration
    }

    /// All tables, each with one owner.
    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        CatalogueSchema.registerMigrations(in: &migrator)
        Ledger.registerMigrations(in: &migrator)
        UploadJournal.registerMigrations(in: &migrator)
        return migrator
    }

    /// A database that is damaged is never used, and never made anew.
    private static func check(_ path: String) throws {
        let findings = try readOnly(path).read { try String.fetchAll($0, sql: "PRAGMA quick_check(3)") }
        guard findings == ["ok"] else {
            throw CommandFailure(
                .inputOutput, "the database \(path) is damaged: \(findings.joined(separator: "; "))",
                hint: "keep a copy of the whole state directory and restore the database from a copy")
        }
    }

    private static func failure(_ error: any Error, _ path: String) -> CommandFailure {
        if let failure = error as? CommandFailure { return failure }
        let what = (error as? DatabaseError)?.message ?? "\(error)"
        return CommandFailure(
            .inputOutput, "the database \(path) cannot be used: \(what)",
            hint: "keep a copy of the whole state directory and restore the database from a copy")
    }

    /// Ends all work on the database and leaves one file, without a log of changes beside it.
    func close() {
        try? writer?.close()
    }

    /// Reads a consistent state.
    func read<Value: Sendable>(_ body: @Sendable @escaping (Database) throws -> Value) async throws -> Value {
        try await pool.read(body)
    }

    /// Reads a consistent state, on the caller's thread: while a command begins, and nothing else goes on yet.
    func blockingRead<Value>(_ body: (Database) throws -> Value) throws -> Value {
        try pool.read(body)
    }

    /// Tells `observer` of every change that is committed, on the writer's thread, for as long as the observer lives.
    func observe(_ observer: some TransactionObserver) {
        writer?.add(transactionObserver: observer, extent: .observerLifetime)
    }

    /// All of `body`, or nothing, in one transaction with what others write at the same moment.
    ///
    /// - Parameter durable: it has survived a power cut when this returns; else it may be undone by one, whole.
    func write<Value: Sendable>(
        durable: Bool, _ body: @Sendable @escaping (Database) throws -> Value
    ) async throws -> Value {
        guard let groups else {
            throw CommandFailure(.stationHeld, "\(path) is open for looking only", hint: "stop the running agent first")
        }
        return try await groups.write(durable: durable, body)
    }
}
