import Console
import EvidenceModel
import GRDB
import Logging
import MediaIndex
import SyncEngine

/// Whose recordings are, by the device register.
extension Station {
    /// What the file and the commands say of one device.
    func register(of serial: String, in database: Database) throws -> DeviceRegister {
        DeviceRegister(fileRegister.entries(of: serial) + (try catalogue.assignments(of: serial, in: database)))
    }

    /// The recording with the officer that its start, its device and the register give now.
    func resolvingOfficer(_ recording: Recording, in database: Database) throws -> Recording {
        let register = try recording.device.map { try self.register(of: $0, in: database) } ?? DeviceRegister()
        var resolved = recording
        (resolved.officer, resolved.officerBasis) = register.officer(
            ofRecordingBy: recording.device, startedAt: recording.startedAt, named: recording.namedOfficer)
        return resolved
    }

    /// The devices file may say something else than when the agent last ran: what follows for the recordings that are
    /// there, one device after the other.
    func resolveOfficers() async throws {
        let (station, catalogue) = (self, catalogue)
        let known = try await database.read { try catalogue.devicesByRegister(in: $0) }
        var changed = 0
        for serial in Set(known).union(fileRegister.serials).sorted() {
            changed += try await database.write(durable: false) { database in
                let register = try station.register(of: serial, in: database)
                return try station.resolveOfficers(of: serial, by: register, in: database)
            }
        }
        if changed > 0 {
            logger.info("the devices file gave recordings other officers", metadata: ["recordings": "\(changed)"])
        }
    }

    /// Finds anew whose the recordings of a device are; targets are told of those that have another officer now.
    private func resolveOfficers(
        of serial: String, by register: DeviceRegister, in database: Database
    ) throws -> Int {
        let changed = try catalogue.resolveOfficers(of: serial, by: register, in: database)
        for id in changed { try journal.wishManifests(of: id, at: Self.now(), in: database) }
        return changed.count
    }

    /// Enters who has a device into the register, and finds anew whose its recordings are, as one fact. The ledger is not
    /// told: the entry itself stays, with who made it and when, and is never changed.
    ///
    /// - Throws: `CommandFailure` of usage where the order says nothing that can be entered.
    func assign(_ order: DeviceOrder, to serial: String, by user: String) async throws -> AssignmentReport {
        let entry = try DeviceOrderRule(zone: configuration.station.zone).entry(order, serial)
        let (station, now) = (self, Station.now())
        let (assigned, changed) = try await database.write(durable: true) { database in
            let assigned = try station.catalogue.assign(entry, by: user, at: now, in: database)
            let register = try station.register(of: serial, in: database)
            return (assigned, try station.resolveOfficers(of: serial, by: register, in: database))
        }
        logger.info(
            "a device was entered into the register",
            metadata: ["device.id": "\(serial)", "by": "\(user)", "recordings": "\(changed)"])
        return AssignmentReport(
            serial: serial, entry: RegisterEntryReport(assigned, configuration.station.zone), recordingsChanged: changed
        )
    }
}

/// Reads what a person orders about a device.
struct DeviceOrderRule {
    let zone: StationZone

    func entry(_ order: DeviceOrder, _ serial: String) throws(CommandFailure) -> DeviceRegister.Entry {
        for (what, text) in [("serial", serial), ("officer", order.officer), ("name", order.name ?? "-")]
        where !DeviceRegister.isName(text) {
            throw CommandFailure(
                .usage, "the \(what) \"\(text.prefix(200))\" cannot be entered into the register",
                hint: "give 1 to 200 characters of text")
        }
        let (from, until) = (try time(order.from, "from"), try time(order.until, "until"))
        if let from, let until, from >= until {
            throw CommandFailure(
                .usage, "the entry of \"\(serial)\" would end before it begins", hint: "give --from before --until")
        }
        return DeviceRegister.Entry(serial: serial, officer: order.officer, name: order.name, from: from, until: until)
    }

    private func time(_ text: String?, _ option: String) throws(CommandFailure) -> WallTime? {
        guard let text else { return nil }
        guard let time = zone.readTime(text) else {
            throw CommandFailure(
                .usage, "\(option) \"\(text.prefix(200))\" is no time",
                hint: "an example: 2026-11-01, or 2026-11-01T08:00:00+08:00")
        }
        return time
    }
}
