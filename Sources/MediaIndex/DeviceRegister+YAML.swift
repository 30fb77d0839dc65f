package import EvidenceModel
package import LocatedYAML

extension DeviceRegister {
    /// Reads the list `devices` of `devices.yaml`; none is an empty register. Two entries of one device that overlap are
    /// an error with the line of the second: of a file nobody knows which was meant later.
    ///
    /// - Parameter zone: of times without an offset.
    package init(file: YAMLFile, zone: StationZone) throws(YAMLError) {
        let entries = try file.read { (top) throws(YAMLError) -> [Entry] in
            // Read by others.
            for key in ["profiles", "bays"] { _ = top.optional(key) }
            guard let devices = top.optional("devices") else { return [] }
            return try Self.entries(devices, zone)
        }
        self.init(entries)
    }

    private static func entries(_ list: YAMLValue, _ zone: StationZone) throws(YAMLError) -> [Entry] {
        var known: [String: [(entry: Entry, line: Int?)]] = [:]
        return try list.list { (element) throws(YAMLError) in
            let entry = try element.mapping { (keys) throws(YAMLError) in try Self.entry(&keys, zone) }
            if let other = known[entry.serial]?.first(where: { $0.entry.overlaps(entry) }) {
                throw element.error(
                    "overlaps the entry of \"\(entry.serial)\" in line \(other.line ?? 0): "
                        + "a device has one officer at a time")
            }
            known[entry.serial, default: []].append((entry, element.line))
            return entry
        }
    }

    private static func entry(_ keys: inout YAMLMapping, _ zone: StationZone) throws(YAMLError) -> Entry {
        let serial = try text(keys.required("serial"))
        let officer = try text(keys.required("officer"))
        let name = try keys.optional("name").map(text)
        let from = try keys.optional("from").map { (value) throws(YAMLError) in try time(value, zone) }
        let untilValue = keys.optional("until")
        let until = try untilValue.map { (value) throws(YAMLError) in try time(value, zone) }
        if let from, let until, let untilValue, from >= until {
            throw untilValue.error("is not after \"from\", so the entry would never hold")
        }
        return Entry(serial: serial, officer: officer, name: name, from: from, until: until)
    }

    private static func text(_ value: YAMLValue) throws(YAMLError) -> String {
        let text = try value.string()
        guard isName(text) else { throw value.error("is \"\(text)\", expected 1 to 200 characters of text") }
        return text
    }

    private static func time(_ value: YAMLValue, _ zone: StationZone) throws(YAMLError) -> WallTime {
        let text = try value.string()
        guard let time = zone.readTime(text) else {
            throw value.error("is \"\(text)\", expected a date or a time, such as 2026-11-01 or 2026-11-01T08:00:00")
        }
        return time
    }

    /// Whether a text can be a serial, an officer's number or a name: not empty, not endless, without control characters.
    package static func isName(_ text: String) -> Bool {
        !text.isEmpty && text.unicodeScalars.count <= 200
            && text.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control }
    }
}

extension StationZone {
    /// Reads RFC 3339 text; without an offset it is what clocks of this zone show, and a lone date is its first second.
    package func readTime(_ text: String) -> WallTime? {
        guard let utc = WallTime(rfc3339: text) else { return nil }
        let hasOffset = text.count > 10 && text.wholeMatch(of: /.*([Zz]|[+-]\d\d:\d\d)/) != nil
        return hasOffset ? utc : rereading(utc)
    }
}
