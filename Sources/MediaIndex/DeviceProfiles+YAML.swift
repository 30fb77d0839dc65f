import EvidenceModel
package import LocatedYAML

extension DeviceProfiles {
    /// Reads `devices.yaml`. A pattern that does not compile or tells nothing, a group nobody knows, a name that stands
    /// twice are errors with their line.
    package init(file: YAMLFile) throws(YAMLError) {
        var names: Set<String> = []
        var bays = BayNames()
        profiles = try file.read { (top) throws(YAMLError) in
            // Read by `DeviceRegister`.
            _ = top.optional("devices")
            bays = try BayNames(top.optional("bays"))
            let list = try top.required("profiles")
            let profiles = try list.list { (element) throws(YAMLError) in
                let profile = try element.mapping { (profile) throws(YAMLError) in try Self.profile(&profile) }
                guard names.insert(profile.name).inserted else {
                    throw element.error("the profile \"\(profile.name)\" stands twice")
                }
                return profile
            }
            let files = DeviceProfiles(profiles: profiles).deviceFiles.count
            guard files <= DeviceSigns.files else {
                throw list.error("name \(files) files on devices, \(DeviceSigns.files) are the most")
            }
            return profiles
        }
        self.bays = bays
    }

    private static func profile(_ profile: inout YAMLMapping) throws(YAMLError) -> DeviceProfile {
        let name = try profile.required("name").string()
        let volumeLabel = try profile.optional("volume_label").map(Self.expression)
        let markerFile = try profile.optional("marker_file").map(Self.devicePath)
        var names: Set<String> = []
        let patterns = try profile.required("patterns").list { (element) throws(YAMLError) in
            let pattern = try Self.pattern(element)
            guard names.insert(pattern.name).inserted else {
                throw element.error("the pattern \"\(pattern.name)\" stands twice in the profile \"\(name)\"")
            }
            return pattern
        }
        var read = DeviceProfile(name: name, volumeLabel: volumeLabel, markerFile: markerFile, patterns: patterns)
        read.usb = try profile.optional("usb").map(USBCondition.init)
        read.attachHook = try profile.optional("on_attach").map { (value) throws(YAMLError) in
            try AttachHook(value, isBeforeMount: read.usb != nil)
        }
        read.clocks = try DeviceClocks(&profile, isForSomeDevices: read.isForSomeDevices)
        return read
    }

    private enum SubjectName: String, CaseIterable {
        case folder, path
        case fileName = "file_name"
        case volumeLabel = "volume_label"
        case markerFile = "marker_file"
    }

    private static func pattern(_ value: YAMLValue) throws(YAMLError) -> DeviceProfile.Pattern {
        try value.mapping { (pattern) throws(YAMLError) in
            let name = try pattern.required("name").string()
            let subject: DeviceProfile.Subject
            switch try pattern.optional("of").map({ (of) throws(YAMLError) in try of.choice(SubjectName.self) }) {
            case .fileName, nil: subject = .fileName
            case .folder: subject = .folder
            case .path: subject = .path
            case .volumeLabel: subject = .volumeLabel
            case .markerFile: subject = .markerFile(try devicePath(pattern.required("file")))
            }
            let expression = try Self.expression(
                pattern.required("pattern"), groups: DeviceProfile.Field.allCases.map(\.rawValue))
            return DeviceProfile.Pattern(name: name, subject: subject, expression: expression)
        }
    }

    /// A path below a device's root: names with slashes between them.
    static func devicePath(_ value: YAMLValue) throws(YAMLError) -> String {
        let text = try value.string()
        let names = text.split(separator: "/", omittingEmptySubsequences: false)
        guard names.allSatisfy({ !["", ".", ".."].contains($0) }), !text.utf8.contains(0) else {
            throw value.error("is \"\(text)\", expected a path below the device's root, such as WIDKEY/WOFFICER.TXT")
        }
        return text
    }

    static func expression(_ value: YAMLValue) throws(YAMLError) -> NamedPattern {
        let text = try value.string()
        do {
            return try NamedPattern(text)
        } catch {
            throw value.error("is no regular expression: \(error)")
        }
    }

    /// A pattern that must name at least one of `groups`, and no other.
    static func expression(_ value: YAMLValue, groups: [String]) throws(YAMLError) -> NamedPattern {
        let expression = try expression(value)
        let names = expression.groupNames
        if let stranger = names.first(where: { !groups.contains($0) }) {
            let nearest = groups.min {
                EditDistance.between($0, stranger) < EditDistance.between($1, stranger)
            }
            throw value.error(
                "names the group \"\(stranger)\", which is not known"
                    + (nearest.map { ", the nearest known one is \"\($0)\"" } ?? ""))
        }
        guard !names.isEmpty else {
            throw value.error("tells nothing: it names none of the groups \(groups.joined(separator: ", "))")
        }
        return expression
    }
}

extension DeviceClocks {
    /// Reads the keys of a profile that are about time.
    ///
    /// - Parameter isForSomeDevices: the profile has a condition.
    fileprivate init(_ profile: inout YAMLMapping, isForSomeDevices: Bool) throws(YAMLError) {
        self.init()
        if let value = profile.optional("start") { order = try Self.order(value) }
        if let value = profile.optional("zone") { zone = try Self.zone(value) }
        if let value = profile.optional("embedded_zone") { embeddedZone = try value.choice(EmbeddedZone.self) }
        if let value = profile.optional("embedded_marks") { embeddedMarks = try value.choice(EmbeddedMarks.self) }
        if let value = profile.optional("file_time_zone") { fileTimeZone = try value.choice(FileTimeZone.self) }
        guard let clock = profile.optional("clock") else { return }
        measurement = try clock.mapping { (keys) throws(YAMLError) in
            try Self.measurement(&keys, isForSomeDevices: isForSomeDevices)
        }
    }

    private static func order(_ value: YAMLValue) throws(YAMLError) -> [TimeEvidence.Basis] {
        var seen: Set<TimeEvidence.Basis> = []
        let order = try value.list { (element) throws(YAMLError) in
            let basis = try element.choice(TimeEvidence.Basis.self)
            guard seen.insert(basis).inserted else { throw element.error("\"\(basis.rawValue)\" stands twice") }
            return basis
        }
        guard !order.isEmpty else { throw value.error("is empty, so no start would ever be known") }
        return order
    }

    private static func zone(_ value: YAMLValue) throws(YAMLError) -> Zone {
        switch try value.string() {
        case "station": return .station
        case "utc": return .fixed(.utc)
        case let name:
            guard let zone = StationZone(identifier: name) else {
                throw value.error(
                    "is \"\(name)\", expected station, utc or a time zone's name, such as Asia/Shanghai")
            }
            return .fixed(zone)
        }
    }

    private static func measurement(
        _ keys: inout YAMLMapping, isForSomeDevices: Bool
    ) throws(YAMLError) -> Measurement {
        let (file, pattern) = (keys.optional("file"), keys.optional("pattern"))
        if let seconds = keys.optional("newest_file_seconds") {
            guard file == nil, pattern == nil else {
                throw keys.error("has a file and newest_file_seconds: the device's time is told by one of them")
            }
            // Else the newest file of any card, copied there by anybody, would set a clock right.
            guard isForSomeDevices else {
                throw seconds.error(
                    "is for profiles with volume_label, marker_file or usb, which say whose cards it is for")
            }
            return .newestFile(seconds: try seconds.number(in: 1...3600))
        }
        return .timeFile(
            path: try DeviceProfiles.devicePath(keys.required("file")),
            pattern: try DeviceProfiles.expression(
                keys.required("pattern"), groups: [DeviceProfile.Field.time.rawValue]))
    }
}
