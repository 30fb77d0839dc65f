import CustodyLedger
import DockWatch
import EvidenceModel
import GRDB
import Logging
import MediaIndex
import SyncEngine

/// The docking in the log: how it begins, how it stands, how it ends.
extension RootCollector {
    /// The docking begins; nothing where the agent stops before the database could be written.
    func begin() async -> RootState? {
        let (station, root) = (station, root)
        var dock = Dock(
            source: root.source, root: root.path, fileSystem: root.fileSystem, device: root.label, state: .reading,
            dockedAt: Station.now())
        (dock.label, dock.fileSystemType) = (root.label, root.fileSystemType.isEmpty ? nil : root.fileSystemType)
        dock.usb = root.usb
        if root.kind == .mount { dock.bay = station.profiles.bays.name(of: root) }
        while !Task.isCancelled {
            let begun = dock
            let docking = await write { database in
                let docking = try station.docks.begin(begun, in: database)
                // Recordings that lie on this device can be read again.
                try station.journal.makeParkedDue(at: begun.dockedAt, in: database)
                if root.kind == .mount { try station.ledger.append(station.dockedEvent(begun), in: database) }
                return docking
            }
            if let docking {
                station.logger.info(
                    "a source is there", metadata: ["source": "\(root.source)", "path": "\(root.path)"])
                dock.id = docking
                let state = RootState(root: root, begun: dock, rescanSeconds: source.rescanSeconds ?? 30)
                board.update(root, state.condition)
                return state
            }
            try? await Task.sleep(for: .seconds(Self.roomSeconds))
        }
        return nil
    }

    func show(_ state: inout RootState, _ progress: ReadProgress) async {
        board.update(root, state.condition)
        let dock = state.dock(reading: progress.bytes)
        if state.isNews(dock, at: Station.now()) { await save(dock) }
    }

    /// Whose the device is now, the register says before the names on it do.
    private func save(_ dock: Dock) async {
        let (station, isDevice) = (station, root.kind == .mount)
        await write { database in
            var dock = dock
            if isDevice, let serial = dock.device {
                let entry = try station.register(of: serial, in: database).entry(of: serial, at: Station.now())
                dock.officer = entry?.officer ?? dock.officer
            }
            try station.docks.save(dock, in: database)
        }
    }

    func end(_ state: RootState) async {
        board.remove(root)
        // A source that ends with the agent is not undocked: its state on record is what it was.
        guard root.kind == .mount, !board.isStopping else { return }
        await save(state.undocked(at: Station.now()))
        station.logger.info("a device was undocked", metadata: ["source": "\(root.source)", "path": "\(root.path)"])
    }

    func note(skipped entries: [SkippedEntry]) async {
        let (docks, root, now) = (station.docks, root, Station.now())
        await write { database in
            for entry in entries {
                try docks.save(entry, source: root.source, fileSystem: root.fileSystem, at: now, in: database)
            }
        }
    }

    /// What `body` returned, or nothing where the database cannot be written, which is told.
    @discardableResult
    func write<Value: Sendable>(_ body: @Sendable @escaping (Database) throws -> Value) async -> Value? {
        // Shielded from the cancellation that ends this tree: the last word about it must be kept.
        let (database, logger) = (station.database, station.logger)
        do {
            return try await Task { try await database.write(durable: false, body) }.value
        } catch {
            logger.error("the database cannot be written", metadata: ["error": "\(error)"])
            return nil
        }
    }
}

extension Station {
    fileprivate func dockedEvent(_ dock: Dock) -> LedgerEvent {
        var details: [String: LedgerEvent.Detail] = [
            "source": .text(dock.source), "file_system": .text(dock.fileSystem), "label": .text(dock.label ?? ""),
            "path": .text(dock.root.display),
        ]
        details["bay"] = dock.bay.map { .text($0) }
        if let usb = dock.usb {
            details["usb_vendor"] = .text(usb.vendorID)
            details["usb_product"] = .text(usb.productID)
            details["usb_serial"] = usb.serial.map { .text(String($0.prefix(255))) }
            details["usb_port"] = .text(usb.port)
        }
        return event(.docked, at: dock.dockedAt, details: details)
    }
}
