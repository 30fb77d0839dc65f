package import EvidenceModel

/// How to read device, officer, time and marks from what is on a device, for the makes of devices an office has
/// (`devices.yaml`).
package struct DeviceProfiles: Sendable {
    package var profiles: [DeviceProfile]
    package var bays = BayNames()

    package init(profiles: [DeviceProfile] = []) {
        self.profiles = profiles
    }

    /// What was told of a file, and by what.
    package struct Reading: Sendable, Hashable {
        /// One field's text, and where it comes from.
        package struct Found: Sendable, Hashable {
            package var text: String
            /// The pattern's name.
            package var pattern: String
            package var subject: DeviceProfile.Subject
        }

        /// None where no profile knows the file.
        package var profile: String?
        package var fields: [DeviceProfile.Field: Found] = [:]

        package var device: String? { fields[.device]?.text }
        package var officer: String? { fields[.officer]?.text }
        /// In the zone of the device's clock.
        package var startedAt: CalendarTime? { fields[.time].flatMap { DeviceProfiles.time($0.text) } }
        package var marks: RecordingMarks {
            RecordingMarks(
                profile: profile, part: fields[.part].flatMap { DeviceProfiles.number($0.text) },
                takeKey: fields[.take]?.text, camera: fields[.camera]?.text, isImportant: fields[.important] != nil)
        }
    }

    /// Reads `path` below the root, the label of the volume it is on, and the signs that were found on the device.
    /// Profiles are tried in order; the first that is for such a device and of which any pattern matches is the file's.
    package func read(path: RawPath, volumeLabel: String?, signs: DeviceSigns = DeviceSigns()) -> Reading {
        for profile in profiles where profile.admits(volumeLabel: volumeLabel, signs: signs) {
            var reading = Reading(profile: profile.name)
            var isMatched = false
            for pattern in profile.patterns {
                guard let subject = Self.subject(pattern.subject, path, volumeLabel, signs),
                    let groups = pattern.expression.groups(DeviceProfile.Field.allCases.map(\.rawValue), in: subject)
                else { continue }
                isMatched = true
                reading.add(groups, of: pattern)
            }
            if isMatched { return reading }
        }
        return Reading()
    }

    /// The clocks of the profile that was named when the file was collected; the usual ones where it has gone since.
    package func clocks(of profile: String?) -> DeviceClocks {
        profiles.first { $0.name == profile }?.clocks ?? DeviceClocks()
    }

    /// The files on a device that any profile asks for, each once.
    package var deviceFiles: [String] {
        var seen: Set<String> = []
        return profiles.flatMap(\.deviceFiles).filter { seen.insert($0.lowercased()).inserted }
    }

    private static func subject(
        _ subject: DeviceProfile.Subject, _ path: RawPath, _ volumeLabel: String?, _ signs: DeviceSigns
    ) -> String? {
        switch subject {
        case .fileName: path.lastComponent.display
        case .folder: path.parent.display
        case .path: path.display
        case .volumeLabel: volumeLabel
        case .markerFile(let file): signs.file(file)?.text
        }
    }

    /// `20261122093000`, with whatever separators between the digits.
    static func time(_ text: String) -> CalendarTime? {
        let digits = text.filter(\.isASCII).compactMap(\.wholeNumberValue)
        guard digits.count >= 14 else { return nil }
        func number(_ range: Range<Int>) -> Int { digits[range].reduce(0) { $0 * 10 + $1 } }
        return CalendarTime(
            year: number(0..<4), month: number(4..<6), day: number(6..<8), hour: number(8..<10),
            minute: number(10..<12), second: number(12..<14))
    }

    /// Up to nine digits.
    static func number(_ text: String) -> Int? {
        text.utf8.count <= 9 && text.allSatisfy { $0.isASCII && $0.isNumber } ? Int(text) : nil
    }
}

extension DeviceProfiles.Reading {
    /// Takes from a match what no pattern before gave. Digits that are no time, and parts that are no number, give
    /// nothing: a later pattern may.
    fileprivate mutating func add(_ groups: [String: String], of pattern: DeviceProfile.Pattern) {
        for field in DeviceProfile.Field.allCases where fields[field] == nil {
            guard let text = groups[field.rawValue] else { continue }
            switch field {
            case .time where DeviceProfiles.time(text) == nil: continue
            case .part where DeviceProfiles.number(text) == nil: continue
            case .device, .officer, .time, .part, .take, .camera, .important:
                fields[field] = Found(text: text, pattern: pattern.name, subject: pattern.subject)
            }
        }
    }
}
