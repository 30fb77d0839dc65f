import Collector
import DockWatch
import EvidenceModel
import FileAccess
import MediaIndex

/// What is known of one tree while it is collected.
struct RootState: Sendable {
    private let root: WatchedRoot
    /// This docking's number.
    let docking: Int64
    let dockedAt: WallTime
    var machine = CollectMachine()
    /// Paths that the catalogue shows as not collected.
    var reportedFailures: Set<RawPath> = []
    /// How wrong the device's clock is, where that was measured.
    var clockOffset: ClockOffset?
    private var isLookedAt = false
    private var trouble: String?
    private var scan: ScanSummary?
    private var device: String?
    private var officer: String?
    private var shown: (dock: Dock, at: WallTime)?

    init(root: WatchedRoot, docking: Int64, dockedAt: WallTime) {
        self.root = root
        self.docking = docking
        self.dockedAt = dockedAt
    }

    mutating func scanned(_ summary: ScanSummary) {
        trouble = nil
        scan = summary
    }

    /// Whether the look that is over was the first of this docking.
    mutating func takesFirstLook() -> Bool {
        defer { isLookedAt = true }
        return !isLookedAt
    }

    mutating func unreachable(_ error: FileAccessError) {
        trouble = "\(root.path.display) cannot be read: \(error)"
    }

    /// Names that were read from a file belong to the docked device it came from; a directory holds those of many.
    mutating func name(_ reading: DeviceProfiles.Reading) {
        guard root.kind == .mount else { return }
        device = reading.device ?? device
        officer = reading.officer ?? officer
    }

    var condition: RootCondition {
        if let reason { return .attention(reason) }
        guard let scan, machine.isIdle else { return .working }
        if scan.stillChanging.isEmpty { return .quiet }
        return .changing(files: scan.stillChanging.count)
    }

    /// What a person must look at, or nothing.
    private var reason: String? {
        if let trouble { return trouble }
        if let bytes = machine.missingRoom {
            return "the spool needs \(Text.bytes(bytes)) free to go on: make room on its disk"
        }
        if let first = scan?.unreadable.first {
            return "\(scan?.unreadable.count ?? 0) folders cannot be looked into, so what they hold is not collected: "
                + first.display
        }
        guard machine.isIdle, let first = machine.failures.values.min(by: { $0.file.path < $1.file.path }) else {
            return nil
        }
        return "\(machine.failures.count) of \(machine.filesTotal) files could not be read; "
            + "\(first.file.path.display): \(first.reason)"
    }

    /// - Parameter reading: bytes of the file that is being read.
    func dock(reading: Int64) -> Dock {
        var dock = Dock(
            source: root.source, root: root.path, fileSystem: root.fileSystem, device: device ?? root.label,
            officer: officer, state: state, reason: reason, dockedAt: dockedAt,
            filesTotal: max(scan?.files ?? 0, machine.filesTotal), filesCollected: machine.filesCollected,
            bytesTotal: max(scan?.bytes ?? 0, machine.bytesTotal), bytesCollected: machine.bytesCollected + reading,
            clockOffset: clockOffset)
        dock.id = docking
        return dock
    }

    func undocked(at time: WallTime) -> Dock {
        var dock = dock(reading: 0)
        dock.ended = dock.filesCollected < dock.filesTotal ? .early : .complete
        if dock.ended == .early {
            dock.reason =
                "undocked before \(dock.filesTotal - dock.filesCollected) of \(dock.filesTotal) files were "
                + "collected: dock it again"
        }
        (dock.state, dock.undockedAt) = (.undocked, time)
        return dock
    }

    private var state: DockState {
        switch condition {
        case .attention: .attention
        case .working: scan == nil && machine.filesTotal == 0 ? .reading : .copying
        case .changing: .reading
        case .quiet: .uploading
        }
    }

    private static let showSeconds = 1.0

    /// Whether `dock` is worth showing: another state at once, other numbers once a second.
    mutating func isNews(_ dock: Dock, at time: WallTime) -> Bool {
        if let shown {
            if shown.dock == dock { return false }
            let isUrgent = shown.dock.state != dock.state || shown.dock.reason != dock.reason
            if !isUrgent && abs(time.seconds(since: shown.at)) < Self.showSeconds { return false }
        }
        shown = (dock, time)
        return true
    }
}
