import EvidenceModel
import MediaIndex

/// One entry of the device register as JSON; times in the station's zone.
struct RegisterEntryReport: Codable, Sendable {
    var officer: String
    var name: String?
    var from: String?
    var until: String?
    /// `file` or `set`.
    var origin: String
    /// The rest only where it was set.
    var number: Int64?
    var by: String?
    var at: String?

    init(_ entry: DeviceRegister.Entry, _ zone: StationZone) {
        officer = entry.officer
        name = entry.name
        from = entry.from.map(zone.text)
        until = entry.until.map(zone.text)
        switch entry.origin {
        case .file: origin = "file"
        case .set(let number, let by, let at):
            origin = "set"
            (self.number, self.by, self.at) = (number, by, zone.text(at))
        }
    }

    /// `061234 (Wang) from … until …`.
    var line: String {
        var line = officer + (name.map { " (\($0))" } ?? "")
        if let from { line += " from \(from)" }
        if let until { line += " until \(until)" }
        return line + (by.map { ", set by \($0) at \(at ?? "")" } ?? ", in the devices file")
    }
}

/// What `devices set` came to.
struct AssignmentReport: Codable, Sendable {
    var serial: String
    var entry: RegisterEntryReport
    /// Recordings of the device that have another officer now.
    var recordingsChanged: Int

    private enum CodingKeys: String, CodingKey {
        case serial, entry
        case recordingsChanged = "recordings_changed"
    }
}

/// One device: what the register says of it, and when it was seen.
struct DeviceReport: Encodable, Sendable {
    var serial: String
    /// In the order in which they were set; none for a device that is not registered.
    var entries: [RegisterEntryReport]
    /// Who has it now.
    var officer: String?
    var name: String?
    var lastDockedAt: String?
    var recordings: Int

    var isRegistered: Bool { !entries.isEmpty }

    private enum CodingKeys: String, CodingKey {
        case serial, registered, officer, name, entries, recordings
        case lastDockedAt = "last_docked_at"
    }

    init(
        _ serial: String, _ register: DeviceRegister, seen: Catalogue.SeenDevice?, at now: WallTime, _ zone: StationZone
    ) {
        self.serial = serial
        entries = register.entries(of: serial).map { RegisterEntryReport($0, zone) }
        let present = register.entry(of: serial, at: now)
        (officer, name) = (present?.officer, present?.name)
        lastDockedAt = seen?.dockedAt.map(zone.text)
        recordings = seen?.recordings ?? 0
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(serial, forKey: .serial)
        try container.encode(isRegistered, forKey: .registered)
        try container.encode(officer, forKey: .officer)
        try container.encode(name, forKey: .name)
        try container.encode(entries, forKey: .entries)
        try container.encode(lastDockedAt, forKey: .lastDockedAt)
        try container.encode(recordings, forKey: .recordings)
    }
}

/// All devices that are registered or were seen, by serial.
struct DevicesReport: Encodable, Sendable {
    var devices: [DeviceReport]

    /// - Parameter fileRegister: what the devices file says.
    static func make(
        _ view: StationView, fileRegister: DeviceRegister, at now: WallTime
    ) async throws -> DevicesReport {
        let zone = view.configuration.station.zone
        let catalogue = view.catalogue
        guard let database = view.database else {
            return DevicesReport(
                devices: fileRegister.serials.map { DeviceReport($0, fileRegister, seen: nil, at: now, zone) })
        }
        return try await database.read { database in
            let register = fileRegister.adding(try catalogue.assignments(in: database))
            let seen = try catalogue.seenDevices(in: database)
            let bySerial = Dictionary(seen.map { ($0.serial, $0) }) { first, _ in first }
            let serials = Set(register.serials).union(bySerial.keys).sorted()
            return DevicesReport(
                devices: serials.map { DeviceReport($0, register, seen: bySerial[$0], at: now, zone) })
        }
    }

    var table: String {
        if devices.isEmpty { return "no device is registered, and none was seen yet" }
        var table = TextTable("DEVICE", "OFFICER", "NAME", "LAST DOCKED", "RECORDINGS")
        for device in devices {
            let officer = device.officer ?? (device.isRegistered ? "nobody now" : "unknown")
            table.add(device.serial, officer, device.name, device.lastDockedAt, "\(device.recordings)")
        }
        return table.text
    }
}

/// One device with its history.
struct DeviceHistoryReport: Encodable, Sendable {
    struct Docking: Encodable, Sendable {
        var source: String
        var bay: String?
        var dockedAt: String
        var undockedAt: String?
        var state: String
        var ended: String?
        var reason: String?
        var filesTotal: Int
        var filesCollected: Int

        private enum CodingKeys: String, CodingKey {
            case source, bay, state, ended, reason
            case dockedAt = "docked_at"
            case undockedAt = "undocked_at"
            case filesTotal = "files_total"
            case filesCollected = "files_collected"
        }

        init(_ dock: Dock, _ zone: StationZone) {
            (source, bay, state, reason) = (dock.source, dock.bay, dock.state.rawValue, dock.reason)
            dockedAt = zone.text(dock.dockedAt)
            undockedAt = dock.undockedAt.map(zone.text)
            ended = dock.ended?.rawValue
            (filesTotal, filesCollected) = (dock.filesTotal, dock.filesCollected)
        }
    }

    var device: DeviceReport
    /// The last one first.
    var dockings: [Docking]

    var page: String {
        var lines = ["\(Text.printable(device.serial)): \(device.recordings) recordings", ""]
        lines += device.isRegistered ? device.entries.map { Text.printable($0.line) } : ["not in the register"]
        var table = TextTable("DOCKED", "UNDOCKED", "SOURCE", "BAY", "COLLECTED", "ENDED", "REASON")
        for docking in dockings {
            table.add(
                docking.dockedAt, docking.undockedAt, docking.source, docking.bay,
                "\(docking.filesCollected)/\(docking.filesTotal)", docking.ended, docking.reason)
        }
        lines += ["", table.isEmpty ? "never docked" : table.text]
        return lines.joined(separator: "\n")
    }
}
