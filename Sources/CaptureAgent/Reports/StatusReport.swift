import EvidenceModel
import Foundation
import GRDB
import MediaIndex
import SyncEngine

/// How the station is doing: the JSON object of the contract.
struct StatusReport: Encodable {
    struct StationRow: Encodable {
        var id: String
        var name: String
        /// Process id of the agent, or nothing when none runs.
        var agent: String?
        /// What was left where it is, by reason.
        var skipped: [String: Int] = [:]
        /// Recordings by state.
        var recordings: [String: Int] = [:]
    }

    struct DockRow: Encodable {
        /// The docking's number, by which listeners tell one from another.
        var docking: Int64
        var source: String
        /// The port, as people call it.
        var bay: String?
        var device: String?
        var officer: String?
        var state: String
        var filesTotal: Int
        var filesCollected: Int
        /// Could be read in part only; they are not among those that are collected.
        var filesDamaged: Int
        var filesVerified: Int
        /// Removed from the device, after they were proved to be at every target.
        var filesWiped: Int
        var bytesTotal: Int64
        var bytesCollected: Int64
        var bytesVerified: Int64
        /// Collected, of late.
        var bytesPerSecond: Double
        /// Of copying, and then of uploading, at the present rate; nothing where nothing moves.
        var secondsLeft: Double?
        var dockedAt: String
        var undockedAt: String?
        var safeToUndock: Bool
        var reason: String?
        /// Positive where the device's clock is ahead of the station's.
        var clockOffsetSeconds: Double?
        var clockOffsetMethod: String?
    }

    struct Queue: Encodable {
        var waiting = 0
        var uploading = 0
        var verified = 0
        var parked = 0
        var overdue = 0
        var bytesLeft: Int64 = 0
        /// Seconds at the present rate; nothing where nothing moves.
        var secondsLeft: Double?
        /// Since the oldest recording was collected that is not verified at every target; nothing where all are.
        var oldestUnsafeSeconds: Double?
    }

    struct TargetRow: Encodable {
        var name: String
        var state: String
        var bytesPerSecond: Double
        var clockOffsetSeconds: Double?
        var capabilities: [String] = []
        var reason: String?
        var hint: String?
        var since: String?
        /// Manifests that it does not have yet.
        var manifestsWaiting = 0
        /// Why one of them is tried again later.
        var manifestsReason: String?
        /// When it was asked about the verified copy that it was asked about the longest ago.
        var leastCheckedAt: String?
        var transfer = Transfer()
        /// Failed parts by reason.
        var partsRetried: [String: Int] = [:]
        /// When the oldest recording was collected that it does not have verified.
        var oldestUnsafeSince: String?
    }

    /// Bytes since the station was set up.
    struct Transfer: Encodable {
        var bytesSent: Int64 = 0
        /// Acknowledged by the target.
        var bytesDurable: Int64 = 0
        /// Sent for nothing, and so again.
        var bytesResent: Int64 = 0
    }

    /// A device, or a source whose devices are not known, over all targets.
    struct DeviceRow: Encodable {
        var device: String
        var copiesOpen: Int
        var oldestUnsafeSince: String?
        var transfer = Transfer()
        var partsRetried: Int
    }

    struct Parked: Encodable {
        var recording: String?
        var target: String?
        var reason: String
        var since: String?
        var hint: String
    }

    var station: StationRow
    var docks: [DockRow] = []
    var queue = Queue()
    var targets: [TargetRow] = []
    var parked: [Parked] = []
    /// Those that moved anything or have something that is not safe, the longest unsafe first.
    var devices: [DeviceRow] = []

    func json() throws -> String { try JSONText.snakeCase(self) }

    /// - Parameters:
    ///   - agent: process id of the running agent.
    ///   - isWatched: somebody watches the docks at this moment; else nothing is called safe, since nobody knows what is
    ///     docked now.
    static func make(
        _ view: StationView, agent: String?, isWatched: Bool, at now: WallTime
    ) async throws -> StatusReport {
        let station = view.configuration.station
        let empty = StatusReport(station: StationRow(id: station.id, name: station.name, agent: agent))
        guard let database = view.database else { return empty }
        return try await database.read { database in
            var report = empty
            try report.fill(view, isWatched: isWatched, at: now, in: database)
            return report
        }
    }

    /// Dockings that ended well are shown for a day.
    private static let shownSeconds = 86_400.0

    private mutating func fill(
        _ view: StationView, isWatched: Bool, at now: WallTime, in database: Database
    ) throws {
        let configuration = view.configuration
        let zone = configuration.station.zone
        let counts = try view.catalogue.counts(in: database)
        station.recordings = Dictionary(uniqueKeysWithValues: counts.map { ($0.key.rawValue, $0.value) })
        station.skipped = try view.docks.skippedCounts(in: database)
        let known = try view.journal.targets(in: database)
        let manifests = try view.journal.manifestQueues(in: database)
        targets = try configuration.targetNames.map { name in
            let status = known.first { $0.name == name } ?? TargetStatus(name: name)
            let least = try view.journal.leastChecked(target: name, in: database)
            let seen = try view.journal.capabilities(target: name, in: database)
            return TargetRow(
                name: name, state: status.state, bytesPerSecond: status.bytesPerSecond,
                clockOffsetSeconds: status.clockOffsetSeconds, capabilities: seen?.capabilities.words ?? [],
                reason: status.reason, hint: status.hint, since: status.since.map(zone.text),
                manifestsWaiting: manifests[name]?.waiting ?? 0,
                manifestsReason: manifests[name]?.reason, leastCheckedAt: least.map { zone.text($0.at) })
        }
        try fillSafety(view, in: database)
        let uploadRate = targets.reduce(0) { $0 + $1.bytesPerSecond }
        docks = try view.docks.docks(endedAfter: now.adding(seconds: -Self.shownSeconds), in: database)
            .map { Self.row($0, configuration, isWatched: isWatched, uploadRate: uploadRate) }
        try fillQueue(view, at: now, in: database)
        parked =
            try parkedCopies(view, in: database) + uncollectedFiles(view, in: database)
            + undescribedRecordings(view, in: database)
    }

    private mutating func fillQueue(_ view: StationView, at now: WallTime, in database: Database) throws {
        let deadline = now.adding(seconds: -view.configuration.deadlineHours * 3600)
        let status = try view.journal.queue(targets: view.configuration.targetNames, in: database)
        let rate = targets.reduce(0) { $0 + $1.bytesPerSecond }
        queue = Queue(
            waiting: status.waiting, uploading: status.uploading, verified: status.verified, parked: status.parked,
            overdue: try view.catalogue.overdue(collectedBefore: deadline, in: database), bytesLeft: status.bytesLeft,
            secondsLeft: rate > 0 ? Double(status.bytesLeft) / rate : nil,
            oldestUnsafeSeconds: try oldestUnsafe(view, in: database).map { max(0, now.seconds(since: $0)) })
    }

    private func parkedCopies(_ view: StationView, in database: Database) throws -> [Parked] {
        let targets = view.configuration.targetNames
        return try view.journal.copies(of: nil, in: database).filter { targets.contains($0.target) }.map { copy in
            Parked(
                recording: copy.recording.text, target: copy.target, reason: copy.parkedReason ?? "",
                since: copy.parkedAt.map(view.configuration.station.zone.text), hint: copy.parkedHint ?? "")
        }
    }

    private func uncollectedFiles(_ view: StationView, in database: Database) throws -> [Parked] {
        try view.docks.uncollected(in: database).map { file in
            Parked(
                reason: "\(file.path.display) of \(file.source) is not collected: \(file.reason)",
                since: view.configuration.station.zone.text(file.since),
                hint: "leave the device docked, it is tried again; else look at the card")
        }
    }

    private func undescribedRecordings(_ view: StationView, in database: Database) throws -> [Parked] {
        try view.catalogue.undescribedReasons(in: database).map { id, reason in
            Parked(
                recording: id.text, reason: "it is not described, so its copies are not planned: \(reason)",
                hint: "is capture-probe beside capture-agent, and the recording's device docked? It is tried again")
        }
    }

    private static func row(
        _ dock: Dock, _ configuration: AgentConfiguration, isWatched: Bool, uploadRate: Double
    ) -> DockRow {
        let rule = UndockRule(isWatched: isWatched, collect: configuration.source(dock.source)?.collect)
        let state = rule.state(of: dock)
        let zone = configuration.station.zone
        return DockRow(
            docking: dock.id, source: dock.source, bay: dock.bay, device: dock.device, officer: dock.officer,
            state: state.rawValue,
            filesTotal: dock.filesTotal, filesCollected: dock.filesCollected, filesDamaged: dock.filesDamaged,
            filesVerified: dock.filesVerified, filesWiped: dock.filesWiped, bytesTotal: dock.bytesTotal,
            bytesCollected: dock.bytesCollected, bytesVerified: dock.bytesVerified,
            bytesPerSecond: dock.bytesPerSecond, secondsLeft: rule.secondsLeft(dock, uploadRate: uploadRate),
            dockedAt: zone.text(dock.dockedAt), undockedAt: dock.undockedAt.map(zone.text),
            safeToUndock: state == .safeToUndock, reason: dock.reason, clockOffsetSeconds: dock.clockOffset?.seconds,
            clockOffsetMethod: dock.clockOffset?.method.rawValue)
    }
}
