import Collector
import EvidenceModel
import FileAccess
import Logging
import MediaIndex

/// Makes room in the spool: copies of recordings that every target has verified and nobody holds go, those collected
/// first at first. For all devices together, one after the other.
actor SpoolRoom {
    private let database: StationDatabase
    private let spool: Spool
    private let logger: Logger
    private let catalogue = Catalogue()
    private let lane = IOLane(label: "spool room")
    private static let batch = 64

    init(_ spool: Spool, _ database: StationDatabase, logger: Logger) {
        self.spool = spool
        self.database = database
        self.logger = logger
    }

    /// Whether so many bytes, the floor among them, are free now.
    func make(bytes: Int64) async -> Bool {
        do {
            // Where all that may go would not be enough, nothing goes for it.
            guard try await canBeMade(bytes) else { return false }
            while try await !hasFree(bytes) {
                let catalogue = catalogue
                let found = try await database.read { try catalogue.evictable(limit: Self.batch, in: $0) }
                if found.isEmpty { return false }
                for (id, _) in found {
                    try await evict(id)
                    if try await hasFree(bytes) { return true }
                }
            }
            return true
        } catch {
            if !Task.isCancelled { logger.error("no room can be made in the spool", metadata: ["error": "\(error)"]) }
            return false
        }
    }

    /// Ends what a crash interrupted: the catalogue says that the copy has gone before it does.
    func finish() async throws {
        let (catalogue, spool) = (catalogue, spool)
        let last = try await database.read { try catalogue.lastEvicted(limit: Self.batch, in: $0) }
        for id in last { _ = try await lane.run { () throws(FileAccessError) in try spool.remove(id) } }
    }

    private func canBeMade(_ bytes: Int64) async throws -> Bool {
        if try await hasFree(bytes) { return true }
        let catalogue = catalogue
        let evictable = try await database.read { try catalogue.evictableBytes(in: $0) }
        return try await hasFree(bytes - evictable)
    }

    private func hasFree(_ bytes: Int64) async throws -> Bool {
        let spool = spool
        return try await lane.run { () throws(FileAccessError) in try spool.hasFree(bytes: bytes) }
    }

    private func evict(_ id: RecordingID) async throws {
        let (catalogue, spool, now) = (catalogue, spool, Station.now())
        let mayGo = try await database.write(durable: true) { database in
            // Asked again in the transaction: a hold, or a copy that differs, may have come in between.
            guard try catalogue.isEvictable(id, in: database) else { return false }
            try catalogue.setPlace(.targets, of: id, at: now, in: database)
            return true
        }
        guard mayGo else { return }
        let freed = try await lane.run { () throws(FileAccessError) in try spool.remove(id) }
        logger.info(
            "a copy made room in the spool", metadata: ["recording.id": "\(id)", "bytes": "\(freed)"])
    }
}
