import EvidenceModel

/// How the emptying of a docked device stands.
///
///     waiting ── mayStart, started ─▶ running ── ended ─▶ waiting | refused
///
/// Once it is refused, nothing more is removed in this docking. What stayed at the end of a run is not tried again until
/// the number of files that could go is another one.
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
    /// Files that could go when it was looked at first after a run: they stayed, for whatever reason.
    private var left: Int?
    private var isLeftDue = false
    private var removedBefore = 0
    private var runs = 0

    private static let lookSeconds = 10
    private static let retrySeconds = 30

    /// A second passed; whether it is time to look whether something may be removed.
    mutating func ticked() -> Bool {
        guard !isRunning, refusal == nil else { return false }
        pause -= 1
        if pause > 0 { return false }
        pause = Self.lookSeconds
        return true
    }

    /// So many files could go, as far as the records tell; whether there is anything to do about them.
    mutating func mayStart(_ files: Int) -> Bool {
        if isLeftDue { (left, isLeftDue) = (files, false) }
        return !isRunning && refusal == nil && files > 0 && files != left
    }

    /// Whether the device is to be made writable where it is not: at first, and again after a run that removed something.
    mutating func started() -> Bool {
        defer { (runs, removedBefore) = (runs + 1, removed) }
        isRunning = true
        remark = "files that are proved to be safe are being removed: leave it docked"
        return runs == 0 || removed > removedBefore
    }

    mutating func fileRemoved() { removed += 1 }

    mutating func ended(_ ending: Emptying.Ending) {
        isRunning = false
        pause = Self.lookSeconds
        switch ending {
        case .done(let stays, let passing):
            // What may pass by itself is looked at again, whatever the number of files is then.
            (left, isLeftDue) = (nil, passing == 0)
            remark = Self.text(removed: removed, stays: stays)
        case .readOnly:
            pause = Self.retrySeconds
            remark = "it is mounted read-only, so nothing \(removed > 0 ? "more " : "")is removed from it"
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
