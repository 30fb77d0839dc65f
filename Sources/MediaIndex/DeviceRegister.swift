package import EvidenceModel

/// Who had which device when, as people said it: in `devices.yaml`, and with `devices set`.
///
/// Of the entries that hold at a moment the one that was set last wins; those of the file count as set before all others.
package struct DeviceRegister: Sendable, Hashable {
    package struct Entry: Sendable, Hashable {
        /// Where an entry stands.
        package enum Origin: Sendable, Hashable {
            /// `devices.yaml`.
            case file
            case set(number: Int64, by: String, at: WallTime)
        }

        package var serial: String
        package var officer: String
        /// The officer's name, for people.
        package var name: String?
        /// Its first moment; none: ever since.
        package var from: WallTime?
        /// The first moment after it; none: until now and on.
        package var until: WallTime?
        package var origin: Origin

        package init(
            serial: String, officer: String, name: String? = nil, from: WallTime? = nil, until: WallTime? = nil,
            origin: Origin = .file
        ) {
            self.serial = serial
            self.officer = officer
            self.name = name
            self.from = from
            self.until = until
            self.origin = origin
        }

        package var isUnbounded: Bool { from == nil && until == nil }

        package func holds(at time: WallTime) -> Bool {
            from.map { $0 <= time } ?? true && until.map { time < $0 } ?? true
        }

        /// Whether there is a moment at which both hold.
        package func overlaps(_ other: Entry) -> Bool {
            Self.begins(from, before: other.until) && Self.begins(other.from, before: until)
        }

        private static func begins(_ from: WallTime?, before until: WallTime?) -> Bool {
            guard let from, let until else { return true }
            return from < until
        }
    }

    /// By serial, each in the order in which they were set.
    private var entries: [String: [Entry]] = [:]

    /// - Parameter entries: in the order in which they were set.
    package init(_ entries: [Entry] = []) {
        self = adding(entries)
    }

    /// The same, with entries that were set later.
    package func adding(_ later: [Entry]) -> DeviceRegister {
        var register = self
        for entry in later { register.entries[entry.serial, default: []].append(entry) }
        return register
    }

    package var serials: [String] { entries.keys.sorted() }

    /// What was said of one device, in the order in which it was set.
    package func entries(of serial: String) -> [Entry] { entries[serial] ?? [] }

    /// Who had the device at `time`. Where the time is not known: the only entry there is, else the last that has no
    /// bounds; between several with bounds nobody guesses.
    package func entry(of serial: String, at time: WallTime?) -> Entry? {
        let entries = entries(of: serial)
        if let time { return entries.last { $0.holds(at: time) } }
        return entries.count == 1 ? entries.first : entries.last(where: \.isUnbounded)
    }

    /// Whose a recording is. A person's word goes before the number that the device wrote into its names.
    ///
    /// - Parameters:
    ///   - device: serial of the device that made it.
    ///   - startedAt: none where that is not known.
    ///   - named: the officer's number in names on the device.
    package func officer(
        ofRecordingBy device: String?, startedAt: WallTime?, named: String?
    ) -> (officer: String?, basis: OfficerBasis?) {
        if let device, let entry = entry(of: device, at: startedAt) { return (entry.officer, .register) }
        return (named, named.map { _ in .name })
    }
}
