import Console
import EvidenceModel
import Foundation
import GRDB
import Logging
import MediaIndex
import ServiceLifecycle
import SyncEngine
import Synchronization

/// Tells listeners what changes: docks, targets, the states of recordings.
///
/// A committed change rings; the feed then reads how everything is, at most twice a second, and tells what is not as it
/// was. While nobody listens nothing is read.
struct EventFeed: Service {
    let hub: EventHub
    private let bell: Bell
    private let changes: CatalogueChanges
    private let station: Station

    private static let pauseSeconds = 0.5
    /// Recordings that are told of in one turn; the others' turn comes half a second later.
    private static let recordingsAtOnce = 128

    init(station: Station) {
        let bell = Bell()
        let hub = EventHub { bell.ring() }
        (self.station, self.bell, self.hub) = (station, bell, hub)
        changes = CatalogueChanges(hub: hub) { bell.ring() }
    }

    func run() async throws {
        station.database.observe(changes)
        let (bell, hub) = (bell, hub)
        station.transfers.listen { if hub.isHeard { bell.ring() } }
        await cancelWhenGracefulShutdown {
            var board = EventBoard()
            for await _ in bell.rings {
                guard hub.isHeard else { continue }
                await tell(&board)
                try? await Task.sleep(for: .seconds(Self.pauseSeconds))
            }
        }
    }

    private func tell(_ board: inout EventBoard) async {
        let (rows, isMore) = changes.take(Self.recordingsAtOnce)
        if isMore { bell.ring() }
        do {
            let report = try await StatusReport.make(
                StationView(station), agent: String(getpid()), isWatched: true, at: Station.now())
            let catalogue = station.catalogue
            let states = try await station.database.read { try catalogue.states(ofRows: rows, in: $0) }
            let news = try board.changed(to: report)
            let uploads = try station.transfers.takeNews().map(EventBoard.event)
            hub.publish(news + (try states.map(EventBoard.event)) + uploads, everything: board.everything)
        } catch {
            if Task.isCancelled { return }
            station.logger.error("the event stream cannot be fed", metadata: ["error": "\(error)"])
        }
    }
}

/// How docks and targets were when listeners were told last.
struct EventBoard {
    private(set) var everything: [ConsoleEvent] = []

    /// The rows of `report` that nobody was told of, or that changed since.
    mutating func changed(to report: StatusReport) throws -> [ConsoleEvent] {
        let docks = try report.docks.map { ConsoleEvent(name: "dock", json: try JSONText.snakeCase($0)) }
        let targets = try report.targets.map { ConsoleEvent(name: "target", json: try JSONText.snakeCase($0)) }
        let known = Set(everything)
        everything = docks + targets
        return everything.filter { !known.contains($0) }
    }

    static func event(_ state: RecordingStateReport) throws -> ConsoleEvent {
        ConsoleEvent(name: "recording", json: try JSONText.encode(state))
    }
}

extension EventBoard {
    static func event(_ progress: UploadProgress) throws -> ConsoleEvent {
        let report = UploadProgressReport(
            recording: progress.recording.text, target: progress.target, bytesTotal: progress.bytesTotal,
            bytesDurable: progress.bytesDurable, bytesSent: progress.bytesSent)
        return ConsoleEvent(name: "upload", json: try JSONText.snakeCase(report))
    }
}

/// The data of an `upload` event.
struct UploadProgressReport: Encodable {
    var recording: String
    var target: String
    var bytesTotal: Int64
    var bytesDurable: Int64
    var bytesSent: Int64
}

/// The data of a `recording` event.
struct RecordingStateReport: Encodable {
    var id: String
    var state: String
}

extension Catalogue {
    /// The states of the recordings in these rows.
    fileprivate func states(ofRows rows: [Int64], in database: Database) throws -> [RecordingStateReport] {
        let list = String(decoding: try JSONEncoder().encode(rows), as: UTF8.self)
        return try Row.fetchAll(
            database.cachedStatement(
                sql: "SELECT id, state FROM recording WHERE rowid IN (SELECT value FROM json_each(?))"),
            arguments: [list]
        ).map { RecordingStateReport(id: $0[0], state: $0[1]) }
    }
}

/// Notes what committed transactions changed, while anybody listens. Called on the writer's thread only.
final class CatalogueChanges: TransactionObserver, Sendable {
    private struct Noted {
        /// Of the transaction under way.
        var open: Set<Int64> = []
        var isRung = false
        /// Somebody listened when the last transaction was committed.
        var wasHeard = false
        /// Of recordings whose state changed, not yet told.
        var committed: Set<Int64> = []
    }

    /// Rows that are remembered; of more nobody is told.
    private static let mostRows = 10_000

    private let hub: EventHub
    private let ring: @Sendable () -> Void
    private let noted = Mutex(Noted())

    init(hub: EventHub, ring: @escaping @Sendable () -> Void) {
        self.hub = hub
        self.ring = ring
    }

    /// Up to `count` rows of recordings that are to be told of, and whether there are more.
    func take(_ count: Int) -> ([Int64], isMore: Bool) {
        noted.withLock { noted in
            let taken = Array(noted.committed.prefix(count))
            noted.committed.subtract(taken)
            return (taken, !noted.committed.isEmpty)
        }
    }

    func observes(eventsOfKind kind: DatabaseEventKind) -> Bool {
        guard hub.isHeard else { return false }
        switch kind {
        case .insert(let table): return Self.isTold(table)
        case .delete(let table): return Self.isTold(table) && table != "recording"
        case .update(let table, let columns):
            return Self.isTold(table) && (table != "recording" || columns.contains("state"))
        }
    }

    private static func isTold(_ table: String) -> Bool {
        ["recording", "docking", "docking_file", "target"].contains(table)
    }

    func databaseDidChange(with event: DatabaseEvent) {
        noted.withLock { noted in
            noted.isRung = true
            if event.tableName == "recording", noted.open.count < Self.mostRows { noted.open.insert(event.rowID) }
        }
    }

    func databaseDidCommit(_ database: Database) {
        let isHeard = hub.isHeard
        let isRung = noted.withLock { noted in
            defer { (noted.open, noted.isRung, noted.wasHeard) = ([], false, isHeard) }
            if noted.committed.count < Self.mostRows { noted.committed.formUnion(noted.open) }
            // Of a transaction that was under way when the first listener came, nothing was noted.
            return noted.isRung || isHeard && !noted.wasHeard
        }
        if isRung { ring() }
    }

    func databaseDidRollback(_ database: Database) {
        noted.withLock { ($0.open, $0.isRung) = ([], false) }
    }
}
