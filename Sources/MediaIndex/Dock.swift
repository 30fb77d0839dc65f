package import EvidenceModel

/// What one watched root is doing, in one word that a person reads.
package enum DockState: String, Sendable, Hashable, Codable, CaseIterable {
    case reading, copying, uploading, attention, undocked
    case safeToUndock = "safe_to_undock"
}

/// One docking as people see it: who is docked, where, and how far it is. A source's directory has one that lasts as
/// long as the agent runs.
package struct Dock: Sendable, Hashable {
    /// How a docking ended.
    package enum Ending: String, Sendable, Hashable {
        /// Everything that was found was collected.
        case complete
        /// Something was not.
        case early
        /// Nobody watched when it went.
        case unwatched
    }

    /// The docking's number: later ones are higher. 0 until it is in the log.
    package var id: Int64 = 0
    package var source: String
    package var root: RawPath
    package var fileSystem: String
    package var fileSystemType: String?
    package var label: String?
    /// The port, as people call it.
    package var bay: String?
    /// The USB device below it, where there is one.
    package var usb: USBIdentity?
    package var device: String?
    package var officer: String?
    package var state: DockState
    package var reason: String?
    package var dockedAt: WallTime
    package var undockedAt: WallTime?
    package var ended: Ending?
    package var filesTotal: Int
    package var filesCollected: Int
    /// Of which a part could not be read; they count as not collected.
    package var filesDamaged = 0
    package var filesWiped = 0
    package var bytesTotal: Int64
    package var bytesCollected: Int64
    /// Collected, of late.
    package var bytesPerSecond = 0.0
    /// How wrong the device's clock was when it was docked, where that was measured.
    package var clockOffset: ClockOffset?
    /// Counted from the recordings that were found in this docking; not stored.
    package var filesVerified = 0
    package var bytesVerified: Int64 = 0
    /// Recordings that this docking brought; not stored.
    package var filesNew = 0

    package init(
        source: String, root: RawPath, fileSystem: String, device: String? = nil, officer: String? = nil,
        state: DockState, reason: String? = nil, dockedAt: WallTime, undockedAt: WallTime? = nil, filesTotal: Int = 0,
        filesCollected: Int = 0, bytesTotal: Int64 = 0, bytesCollected: Int64 = 0, clockOffset: ClockOffset? = nil
    ) {
        self.source = source
        self.root = root
        self.fileSystem = fileSystem
        self.device = device
        self.officer = officer
        self.state = state
        self.reason = reason
        self.dockedAt = dockedAt
        self.undockedAt = undockedAt
        self.filesTotal = filesTotal
        self.filesCollected = filesCollected
        self.bytesTotal = bytesTotal
        self.bytesCollected = bytesCollected
        self.clockOffset = clockOffset
    }
}
