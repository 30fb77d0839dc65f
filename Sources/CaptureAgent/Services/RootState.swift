import Collector
import DockWatch
import EvidenceModel
import FileAccess
import MediaIndex

/// What is known of one tree while it is collected.
struct RootState: Sendable {
    private let root: WatchedRoot
    private let rescanSeconds: Double
    /// How the docking began, with its number.
    private let begun: Dock
    var machine = CollectMachine()
    /// Paths that the catalogue shows as not collected.
    var reportedFailures: Set<RawPath> = []
    /// How wrong the device's clock is, where that was measured.
    var clockOffset: ClockOffset?
    var emptying = EmptyingState()
    /// What `on_attach` had to say.
    var attachTrouble: String?
    /// Files that stand where others of the same name, size and times were collected.
    var filesExchanged = 0
    private var isLookedAt = false
    private var trouble: String?
    private var scan: ScanSummary?
    private var device: String?
    private var officer: String?
    private var silence = Silence()
    private var rate = ByteRate()
    private var rated: Int64 = 0
    private var shown: (dock: Dock, at: WallTime)?

    init(root: WatchedRoot, begun: Dock, rescanSeconds: Double) {
        self.root = root
        self.begun = begun
        self.rescanSeconds = rescanSeconds
    }

    /// This docking's number.
    var docking: Int64 { begun.id }
    var dockedAt: WallTime { begun.dockedAt }

    mutating func scanned(_ summary: ScanSummary) {
        trouble = nil
        scan = summary
        silence.looked()
    }

    /// Whether the look that is over was the first of this docking.
    mutating func takesFirstLook() -> Bool {
        defer { isLookedAt = true }
        return !isLookedAt
    }

    mutating func unreachable(_ error: FileAccessError) {
        trouble = "\(root.path.display) cannot be read: \(error)"
        silence.looked()
    }

    /// A second passed.
    mutating func ticked(_ progress: ReadProgress, at time: WallTime) {
        silence.ticked(isAsked: progress.isAsked, signs: progress.signs)
        let reading = progress.bytes
        let collected = machine.bytesCollected &+ (machine.reading == nil ? 0 : reading)
        rate.add(bytes: max(0, collected &- rated))
        rated = collected
        _ = rate.ticked(at: time)
    }

    /// Names that were read from a file belong to the docked device it came from; a directory holds those of many.
    mutating func name(_ reading: DeviceProfiles.Reading) {
        guard root.kind == .mount else { return }
        device = reading.device ?? device
        officer = reading.officer ?? officer
    }

    var condition: RootCondition {
        // A device that gives nothing for a while may go on; who waits for all waits for it, not for ever.
        if isReading, let seconds = silence.seconds(rescanSeconds: rescanSeconds), seconds < Self.patienceSeconds {
            return .working
        }
        if let reason { return .attention(reason) }
        guard let scan, machine.isIdle, !emptying.isRunning else { return .working }
        if scan.stillChanging.isEmpty { return .quiet }
        return .changing(files: scan.stillChanging.count, settleSeconds: scan.settleSeconds)
    }

    private static let patienceSeconds = 300

    private var isReading: Bool { machine.reading != nil || emptying.isRunning || scan == nil }

    /// Everything that was found is collected, whole.
    var isCollected: Bool { condition == .quiet && machine.isDone }

    /// What is worth knowing, and asks nothing of anybody here.
    private var remark: String? {
        if let attachTrouble { return attachTrouble }
        return filesExchanged == 0
            ? nil
            : "\(filesExchanged) files have other content than those of the same name, size and times that were collected "
                + "before; both are kept"
    }

    /// What a person must look at, or nothing.
    private var reason: String? {
        if let trouble { return trouble }
        if let seconds = silence.seconds(rescanSeconds: rescanSeconds) { return Self.silenceText(seconds, machine) }
        if let refusal = emptying.refusal { return refusal }
        if let bytes = machine.missingRoom {
            return "the spool needs \(Text.bytes(bytes)) free to go on: make room on its disk"
        }
        if let text = scan.flatMap(unreadableText) { return text }
        return machine.isIdle ? failureText : nil
    }

    private static func silenceText(_ seconds: Int, _ machine: CollectMachine) -> String {
        let what = machine.reading.map { " while \($0.path.display) is read" } ?? ""
        return "the device has not answered for \(seconds) s\(what): "
            + "if that goes on, unplug it and plug it in again; other devices go on"
    }

    private var failureText: String? {
        if let first = machine.failures.values.min(by: { $0.file.path < $1.file.path }) {
            return "\(machine.failures.count) of \(machine.filesTotal) files could not be read; "
                + "\(first.file.path.display): \(first.reason)"
        }
        guard machine.filesDamaged > 0 else { return nil }
        return
            "\(machine.filesDamaged) of \(machine.filesTotal) files could be read only in part; what could be read is "
            + "kept. Keep the card as it is and tell who is in charge of it"
    }

    /// - Parameter reading: bytes of the file that is being read.
    func dock(reading: Int64) -> Dock {
        var dock = begun
        (dock.device, dock.officer) = (device ?? root.label, officer)
        (dock.state, dock.reason) = (state, reason ?? emptying.remark ?? remark)
        (dock.filesTotal, dock.filesCollected) = (max(scan?.files ?? 0, machine.filesTotal), machine.filesCollected)
        (dock.filesDamaged, dock.filesWiped) = (machine.filesDamaged, emptying.removed)
        dock.bytesTotal = max(scan?.bytes ?? 0, machine.bytesTotal)
        dock.bytesCollected = machine.bytesCollected + (machine.reading == nil ? 0 : reading)
        (dock.bytesPerSecond, dock.clockOffset) = (machine.reading == nil ? 0 : rate.bytesPerSecond, clockOffset)
        return dock
    }

    func undocked(at time: WallTime) -> Dock {
        var dock = dock(reading: 0)
        let early = earlyText(dock)
        dock.ended = early == nil ? .complete : .early
        dock.reason = emptying.refusal ?? early
        (dock.state, dock.undockedAt, dock.bytesPerSecond) = (.undocked, time, 0)
        return dock
    }

    /// What is not collected of a device that goes now, or nothing where it is all there.
    private func earlyText(_ dock: Dock) -> String? {
        let left = dock.filesTotal - dock.filesCollected
        if left > 0, left == dock.filesDamaged { return failureText }
        if left > 0 { return "undocked before \(left) of \(dock.filesTotal) files were collected: dock it again" }
        if let trouble { return "undocked while \(trouble)" }
        guard let scan else { return "undocked before it was looked through: dock it again" }
        if !scan.unreadable.isEmpty { return unreadableText(scan) }
        if !scan.stillChanging.isEmpty {
            return "undocked while \(scan.stillChanging.count) files were still changing: dock it again"
        }
        return nil
    }

    private func unreadableText(_ scan: ScanSummary) -> String? {
        scan.unreadable.first.map { first in
            "\(scan.unreadable.count) folders or files cannot be looked into, so what they hold is not collected: "
                + first.display
        }
    }

    private var state: DockState {
        if reason != nil { return .attention }
        return switch condition {
        case .attention: .attention
        case .working where emptying.isRunning: .reading
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
