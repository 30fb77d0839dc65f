import Collector
import CustodyLedger
import EvidenceModel
import Foundation
import Logging
import MediaIndex
import SyncEngine

/// What every service of a running agent works with.
struct Station: Sendable {
    let configuration: AgentConfiguration
    let profiles: DeviceProfiles
    /// Who has which device, as the devices file says it.
    let fileRegister: DeviceRegister
    let itemList: ItemList?
    let database: StationDatabase
    let spool: Spool
    let room: SpoolRoom
    let roots = RootRegistry()
    let dockings = DockingMemory()
    let transfers = TransferBoard()
    let logger: Logger
    let catalogue = Catalogue()
    let docks = DockLog()
    let ledger = Ledger()
    let journal = UploadJournal()
    /// Held for as long as the station is worked on.
    private let lock: StationLock

    /// Takes the state directory's lock, opens the database, and ends what a crash interrupted.
    static func open(_ configuration: AgentConfiguration, logger: Logger) throws -> Station {
        let profiles = try StationFiles.deviceProfiles(configuration)
        let fileRegister = try StationFiles.deviceRegister(configuration)
        let itemList = try StationFiles.itemList(configuration)
        let lock = try StationLock(stateDirectory: configuration.stateDirectory)
        let database = try StationDatabase(writing: configuration.databasePath, lock: lock)
        let station = Station(
            configuration: configuration, profiles: profiles, fileRegister: fileRegister, itemList: itemList,
            database: database, spool: Spool(path: configuration.spoolPath, floorBytes: configuration.keepFreeBytes),
            logger: logger, lock: lock)
        try station.prepare()
        return station
    }

    private init(
        configuration: AgentConfiguration, profiles: DeviceProfiles, fileRegister: DeviceRegister,
        itemList: ItemList?, database: StationDatabase, spool: Spool, logger: Logger, lock: StationLock
    ) {
        self.configuration = configuration
        self.profiles = profiles
        self.fileRegister = fileRegister
        self.itemList = itemList
        self.database = database
        self.spool = spool
        room = SpoolRoom(spool, database, logger: logger)
        self.logger = logger
        self.lock = lock
    }

    private func prepare() throws {
        let catalogue = catalogue
        do {
            try spool.prepare(below: configuration.stateDirectory) { id in
                try database.blockingRead { try catalogue.contains(id, in: $0) }
            }
        } catch {
            throw CommandFailure(
                .inputOutput, "the spool \(spool.path.display) cannot be used: \(error)", hint: "look at its disk")
        }
    }

    /// The agent begins its work: the ledger says so, and what was parked is tried again.
    func begin() async throws {
        let station = self
        let now = Self.now()
        try await room.finish()
        try await database.write(durable: true) { database in
            try station.docks.endAllDockings(at: now, in: database)
            try station.journal.makeParkedDue(at: now, in: database)
            try station.refreshStates(in: database)
            try station.ledger.append(station.event(.stationStarted, at: now), in: database)
        }
        try await resolveOfficers()
    }

    static func now() -> WallTime {
        WallTime(millisecondsSince1970: Int64((Date().timeIntervalSince1970 * 1000).rounded()))
    }

    /// An event of this station for the ledger.
    func event(
        _ kind: LedgerEventKind, at time: WallTime, recording: RecordingID? = nil, digest: ContentDigest? = nil,
        details: [String: LedgerEvent.Detail] = [:]
    ) -> LedgerEvent {
        LedgerEvent(
            kind: kind, at: time, station: configuration.station.id, recording: recording, digest: digest,
            details: details)
    }

    /// The key of a recording's object at every target.
    func objectKey(_ recording: Recording) -> String {
        let offset = recording.startedAt.map(configuration.station.zone.offsetSeconds) ?? 0
        return ObjectKey.recording(
            station: recording.station, startedAt: recording.startedAt, offsetSeconds: offset,
            device: recording.device, id: recording.id, fileName: recording.fileName)
    }

    func plan(_ recording: Recording, target: String) -> UploadPlan {
        var generator = SystemRandomNumberGenerator()
        return UploadPlan(
            upload: UniversalID.random(using: &generator), recording: recording.id, target: target,
            key: objectKey(recording), content: recording.content)
    }

    /// Whose turn its uploads wait for: the device's, or that of the source where the device is not known.
    ///
    /// - Parameter time: when the copy is planned.
    func turn(_ recording: Recording, at time: WallTime) -> UploadTurn {
        let urgency: UploadTurn.Urgency =
            recording.marks.isImportant ? .important : recording.content.layout.count <= 1 ? .small : .usual
        return UploadTurn(
            share: recording.device ?? "source \(recording.source)", urgency: urgency,
            isBackfill: time.seconds(since: recording.collectedAt) > deadlineSeconds)
    }

    /// Seconds after collection by which a recording is to be verified.
    var deadlineSeconds: Double { configuration.deadlineHours * 3600 }

    /// Whether the configuration names any program that is run for devices.
    var runsPrograms: Bool {
        profiles.profiles.contains { $0.attachHook != nil }
            || configuration.sources.contains { $0.beforeWipe != nil || $0.afterWipe != nil }
    }

    var runsProgramsForUSB: Bool { profiles.profiles.contains { $0.usb != nil && $0.attachHook != nil } }
}
