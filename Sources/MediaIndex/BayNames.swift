package import EvidenceModel

/// What the slots of the docks are called. A slot is a USB port: whatever is plugged in there, its name stays.
package struct BayNames: Sendable, Hashable {
    /// By the path of the port, "1-1.4".
    package var names: [String: String]

    package init(names: [String: String] = [:]) {
        self.names = names
    }

    /// The bay's name; else the path of its port; the last name of the mount point for what is on no USB port.
    package func name(of root: WatchedRoot) -> String {
        root.usb.map { name(ofPort: $0.port) } ?? root.path.lastComponent.display
    }

    /// The bay's name, else the port itself.
    package func name(ofPort port: String) -> String { names[port] ?? port }
}
