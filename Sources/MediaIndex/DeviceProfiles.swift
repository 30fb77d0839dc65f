package import EvidenceModel
package import LocatedYAML

/// How to read device, officer and start time from names, for the makes of devices an office has (`devices.yaml`).
package struct DeviceProfiles: Sendable {
    package struct Profile: Sendable {
        package var name: String
        /// Only devices whose volume label matches; every device where there is none.
        package var volumeLabel: NamedPattern?
        /// Tried in order; the first one that gives a field is where the field comes from.
        package var patterns: [Pattern]
    }

    package struct Pattern: Sendable {
        package enum Subject: String, Sendable, CaseIterable {
            case fileName = "file_name"
            case path
            case volumeLabel = "volume_label"
        }

        package var name: String
        package var subject: Subject
        package var expression: NamedPattern
    }

    package var profiles: [Profile]

    package init(profiles: [Profile] = []) {
        self.profiles = profiles
    }

    /// What names tell of a file.
    package struct Reading: Sendable, Hashable {
        package var device: String?
        package var officer: String?
        /// In the zone of the station.
        package var startedAt: CalendarTime?
    }

    /// Reads `path`, and the label of the volume it is on. Profiles are tried in order, the first one of which any
    /// pattern matches is the device's.
    package func read(path: RawPath, volumeLabel: String?) -> Reading {
        for profile in profiles {
            if let wanted = profile.volumeLabel, !(volumeLabel.map(wanted.matches) ?? false) { continue }
            let found = profile.patterns.compactMap { groups(of: $0, path: path, volumeLabel: volumeLabel) }
            guard !found.isEmpty else { continue }
            let merged = found.reduce(into: [:]) { $0.merge($1) { first, _ in first } }
            return Reading(
                device: merged["device"], officer: merged["officer"], startedAt: merged["time"].flatMap(Self.time))
        }
        return Reading()
    }

    private func groups(of pattern: Pattern, path: RawPath, volumeLabel: String?) -> [String: String]? {
        let subject: String? =
            switch pattern.subject {
            case .fileName: path.lastComponent.display
            case .path: path.display
            case .volumeLabel: volumeLabel
            }
        return subject.flatMap { pattern.expression.groups(["device", "officer", "time"], in: $0) }
    }

    /// `20261122093000`, with whatever separators between the digits.
    private static func time(_ text: String) -> CalendarTime? {
        let digits = text.filter(\.isASCII).compactMap(\.wholeNumberValue)
        guard digits.count >= 14 else { return nil }
        func number(_ range: Range<Int>) -> Int { digits[range].reduce(0) { $0 * 10 + $1 } }
        return CalendarTime(
            year: number(0..<4), month: number(4..<6), day: number(6..<8), hour: number(8..<10),
            minute: number(10..<12), second: number(12..<14))
    }
}

extension DeviceProfiles {
    /// Reads `devices.yaml`; a pattern that does not compile is an error with its line.
    package init(file: YAMLFile) throws(YAMLError) {
        profiles = try file.read { (top) throws(YAMLError) in
            try top.required("profiles").list { (element) throws(YAMLError) in
                try element.mapping { (profile) throws(YAMLError) in
                    Profile(
                        name: try profile.required("name").string(),
                        volumeLabel: try profile.optional("volume_label").map(Self.expression),
                        patterns: try profile.required("patterns").list(Self.pattern))
                }
            }
        }
    }

    private static func pattern(_ value: YAMLValue) throws(YAMLError) -> Pattern {
        try value.mapping { (pattern) throws(YAMLError) in
            Pattern(
                name: try pattern.required("name").string(),
                subject: try pattern.optional("of").map { (of) throws(YAMLError) in
                    try of.choice(Pattern.Subject.self)
                } ?? .fileName,
                expression: try Self.expression(pattern.required("pattern")))
        }
    }

    static func expression(_ value: YAMLValue) throws(YAMLError) -> NamedPattern {
        let text = try value.string()
        do {
            return try NamedPattern(text)
        } catch {
            throw value.error("is no regular expression: \(error)")
        }
    }
}
