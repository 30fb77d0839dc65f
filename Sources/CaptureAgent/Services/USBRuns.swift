import DockWatch
import EvidenceModel

/// Decides when the programs of `on_attach` are run for USB devices that appear.
///
/// ```
///            appeared: run             appeared: waits for the end
///   (free) ────────────────▶ running ──────────────────────────────▶ running, one waits
///     ▲                        │  ▲                                     │
///     └────────────────────────┘  └─────────────────────────────────────┘
///       ended                       ended: the one that waits is run, or is held back
/// ```
/// Invariants:
/// - A port has at most one run at a time; of the devices that came meanwhile the last waits, while it is plugged in.
/// - After a run for a device (port, numbers, serial) there is none for the same one for `pause`, unless it was away that
///   long: a camera that begins anew when it was unlocked is not unlocked again.
/// - What is remembered of runs that ended is what the pause needs.
struct USBRuns: Sendable {
    typealias Instant = ContinuousClock.Instant

    enum Decision: Sendable, Hashable {
        case run
        /// `ended` decides.
        case waits
        /// It is the one that a run has just been for.
        case heldBack
    }

    private struct Key: Hashable {
        var port: String
        var vendorID: String
        var productID: String
        var serial: String?

        init(_ device: USBDevice) {
            port = device.identity.port
            vendorID = device.identity.vendorID
            productID = device.identity.productID
            serial = device.identity.serial
        }
    }

    private struct Run {
        var key: Key
        var waiting: (device: USBDevice, since: Instant, awaySince: Instant?)?
    }

    static let pause = Duration.seconds(30)

    /// By port.
    private var running: [String: Run] = [:]
    private var ends: [Key: Instant] = [:]
    /// When those left that run, or whose run has ended.
    private var leavings: [Key: Instant] = [:]

    /// A device appeared that programs are named for.
    mutating func appeared(_ device: USBDevice, at now: Instant) -> Decision {
        forget(at: now)
        let (port, key) = (device.identity.port, Key(device))
        if running[port] != nil {
            running[port]?.waiting = (device, now, leavings[key])
            return .waits
        }
        return begin(device, appeared: now, awaySince: leavings[key], at: now) ? .run : .heldBack
    }

    /// A device is not plugged in any more; the value is the one that appeared.
    mutating func left(_ device: USBDevice, at now: Instant) {
        let (port, key) = (device.identity.port, Key(device))
        if running[port]?.waiting?.device == device { running[port]?.waiting = nil }
        if running[port]?.key == key || ends[key] != nil { leavings[key] = now }
        forget(at: now)
    }

    /// The run on `port` ended; the device that is to be run for next, if there is one.
    mutating func ended(port: String, at now: Instant) -> USBDevice? {
        guard let run = running.removeValue(forKey: port) else { return nil }
        ends[run.key] = now
        guard let waiting = run.waiting,
            begin(waiting.device, appeared: waiting.since, awaySince: waiting.awaySince, at: now)
        else { return nil }
        return waiting.device
    }

    private mutating func begin(
        _ device: USBDevice, appeared: Instant, awaySince: Instant?, at now: Instant
    ) -> Bool {
        let key = Key(device)
        let wasAway = awaySince.map { $0.duration(to: appeared) >= Self.pause } ?? false
        guard wasAway || ends[key].map({ $0.duration(to: now) >= Self.pause }) ?? true else { return false }
        running[key.port] = Run(key: key)
        leavings[key] = nil
        return true
    }

    private mutating func forget(at now: Instant) {
        ends = ends.filter { $0.value.duration(to: now) < Self.pause }
        let busy = Set(running.values.map(\.key)).union(ends.keys)
        leavings = leavings.filter { busy.contains($0.key) }
    }
}
