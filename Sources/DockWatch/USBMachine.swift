import EvidenceModel

package enum USBEvent: Sendable, Hashable {
    case appeared(USBDevice)
    /// The value is the one that appeared.
    case left(USBDevice)
}

/// Tells from one list of USB devices to the next which came and which went.
///
/// ```
///              listed                      not listed any more, or listed with another node
///   (unknown) ────────▶ known (.appeared) ─────────────────────────────────────────────────▶ (unknown) (.left)
/// ```
/// Invariants:
/// - A port has at most one device, which appeared once and leaves once. One that is plugged out and in again between two
///   lists, or that comes back as another kind of device on the same port, has another node, and so left and appeared.
/// - After each list the known devices are exactly the listed ones. Leavings come before appearances.
package struct USBMachine: Sendable {
    private var known: [USBDevice] = []

    package init() {}

    /// The devices that are plugged in, in the order they were listed.
    package var present: [USBDevice] { known }

    /// All devices were listed; of two on one port the first counts.
    package mutating func listed(_ devices: [USBDevice]) -> [USBEvent] {
        var ports: Set<String> = []
        let now = devices.filter { ports.insert($0.identity.port).inserted }
        let (before, after) = (Set(known), Set(now))
        let left = known.filter { !after.contains($0) }.map(USBEvent.left)
        let appeared = now.filter { !before.contains($0) }.map(USBEvent.appeared)
        known = now
        return left + appeared
    }
}
