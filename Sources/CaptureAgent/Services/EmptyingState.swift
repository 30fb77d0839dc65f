import EvidenceModel

/// How the emptying of a docked device stands.
///
///     waiting ── mayStart, started ─▶ running ── ended ─▶ waiting | refused
///
/// Once it is refused, nothing more is removed in this docking.
struct EmptyingState: Sendable {
    private(set) var isRunning = false
    /// Files that are gone from the device.
    private(set) var removed = 0
    /// Why nothing more is removed in this docking; a person must look at it.
    private(set) var refusal: String?
    /// What is worth knowing otherwise.
    private(set) var remark: String?
    /// Seconds until it is looked at again.
    private var pause = 0
    private var runs = 0
    /// Files that stayed at the end of the last run, for reasons that their number tells well enough.
    private var left: Int?

    private static let lookSeconds = 10
    private static let retrySeconds = 60

    /// A second passed; whether it is time to look whether something may be removed.
    mutating func ticked() -> Bool {
        guard !isRunning, refusal == nil else { return false }
        pause -= 1
        if pause > 0 { return false }
        pause = Self.lookSeconds
        return true
    }

    /// Whether there is anything to do about so many files.
    func mayStart(_ files: Int) -> Bool { !isRunning && refusal == nil && files > 0 && files != left }

    /// Whether this is the docking's first run.
    mutating func started() -> Bool {
        isRunning = true
        runs += 1
        remark = "files that are proved to be safe are being removed: leave it docked"
        return runs == 1
    }

    mutating func fileRemoved() { removed += 1 }

    mutating func ended(_ ending: Emptying.Ending) {
        isRunning = false
        pause = Self.lookSeconds
        switch ending {
        case .done(let stays):
            left = stays.values.reduce(0, +)
            remark = Self.text(removed: removed, stays: stays)
        case .readOnly:
            pause = Self.retrySeconds
            remark = "it is mounted read-only, so nothing is removed from it"
        case .hindered(let sentence):
            pause = Self.retrySeconds
            remark = "nothing more is removed for now: \(sentence)"
        case .differs(let path):
            remark = nil
            refusal =
                "\(path.display) has other bytes at a second reading than those that were collected: nothing more is "
                + "removed. Keep the device as it is and tell who is in charge of it"
        }
    }

    private static func text(removed: Int, stays: [String: Int]) -> String? {
        let left = stays.values.reduce(0, +)
        guard let most = stays.min(by: { ($1.value, $0.key) < ($0.value, $1.key) }) else {
            return removed == 0 ? nil : "\(removed) files were removed after they were proved to be at every target"
        }
        return "\(removed) files were removed; \(left) stay, \(most.value) of them because \(most.key)"
    }
}
