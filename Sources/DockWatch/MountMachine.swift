package import EvidenceModel

/// A configured source below whose path every mounted file system is a docked device.
package struct MountSource: Sendable, Hashable {
    package var name: String
    /// Configuration key `mounts_under`; the path itself may be a mount or not, it is never a device.
    package var mountsUnder: RawPath

    package init(name: String, mountsUnder: RawPath) {
        self.name = name
        self.mountsUnder = mountsUnder
    }
}

package enum MountEvent: Sendable, Hashable {
    /// A docking began.
    case attached(WatchedRoot)
    /// A docking ended; the value is the one that was attached.
    case detached(WatchedRoot)
}

/// Tells from one reading of the mount table to the next which dockings began and which ended.
///
/// ```
///              first entry on top of a point          no entry on top of the point any more
///   (unknown) ─────────────────────────────▶ attached ─────────────────────────────────────▶ (unknown)
///                        .attached            │    ▲                .detached
///                                             └────┘
///                            another mount on top of the point: .detached, .attached
/// ```
/// Invariants:
/// - A point is attached at most once at a time, and detached only after it was attached.
/// - After each reading the attached roots are exactly the accepted mounts of that reading.
/// - A mount that only changes between read-only and read-write is the same docking; `WatchedRoot.isReadOnly` says how
///   it began. Whether it still is read-only is asked of the file system at every scan.
///
/// Accepted is every type of file system but the kernel's own windows (`kernelTypes`): what a card or a share is
/// formatted with is not ours to judge, and FUSE and memory file systems name themselves as they like.
package struct MountMachine: Sendable {
    private struct Docking {
        var entry: MountEntry
        var root: WatchedRoot
    }

    /// File systems that show kernel state and hold nobody's files. `autofs` is the trigger that a real one is then
    /// mounted on.
    static let kernelTypes: Set<String> = [
        "autofs", "binder", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs",
        "efivarfs", "fusectl", "hugetlbfs", "mqueue", "nsfs", "proc", "pstore", "rpc_pipefs", "securityfs", "selinuxfs",
        "smackfs", "sysfs", "tracefs",
    ]

    /// File systems whose files have another `st_dev` than the mount table says: each subvolume has its own.
    static let typesWithSubvolumes: Set<String> = ["bcachefs", "btrfs"]

    private let sources: [MountSource]
    /// In the order they were attached.
    private var dockings: [Docking] = []

    /// - Parameter sources: where they nest, a mount belongs to the innermost; of two on one path, to the first.
    package init(sources: [MountSource]) {
        self.sources = sources
    }

    /// What is docked now, in the order it came.
    package var attached: [WatchedRoot] { dockings.map(\.root) }

    /// The mount table was read. Endings come before beginnings.
    ///
    /// - Parameter identities: what udev and the kernel knew at that moment; it names new dockings and leaves known ones as they are.
    package mutating func tableRead(
        _ entries: [MountEntry], identities: VolumeIdentities = VolumeIdentities()
    ) -> [MountEvent] {
        let (order, tops) = topmost(entries)
        var events: [MountEvent] = []
        dockings.removeAll { docking in
            let stays = tops[docking.entry.mountPoint].map { Self.isSameMount(docking.entry, $0) } ?? false
            if !stays { events.append(.detached(docking.root)) }
            return !stays
        }
        let known = Set(dockings.map(\.entry.mountPoint))
        for point in order where !known.contains(point) {
            guard let entry = tops[point], let source = source(of: point) else { continue }
            let root = Self.root(entry, source, identities.identity(device: entry.device, source: entry.source))
            dockings.append(Docking(entry: entry, root: root))
            events.append(.attached(root))
        }
        return events
    }

    /// The accepted mounts below the sources: of several on one point the last, which hides the others, also where it
    /// is one that is not accepted.
    private func topmost(_ entries: [MountEntry]) -> (order: [RawPath], tops: [RawPath: MountEntry]) {
        var order: [RawPath] = []
        var tops: [RawPath: MountEntry] = [:]
        for entry in entries where source(of: entry.mountPoint) != nil {
            if tops.updateValue(entry, forKey: entry.mountPoint) == nil { order.append(entry.mountPoint) }
        }
        return (order, tops.filter { !Self.kernelTypes.contains($0.value.fileSystemType) })
    }

    private func source(of point: RawPath) -> MountSource? {
        var innermost: (source: MountSource, depth: Int)?
        for source in sources where point.isAtOrBelow(source.mountsUnder) {
            let depth = source.mountsUnder.components.count
            if point.components.count > depth, depth > innermost?.depth ?? -1 { innermost = (source, depth) }
        }
        return innermost?.source
    }

    /// Mount ids and anonymous device numbers are used again after an unmount, so each alone proves nothing.
    private static func isSameMount(_ old: MountEntry, _ new: MountEntry) -> Bool {
        old.mountID == new.mountID && old.device == new.device && old.directory == new.directory
            && old.fileSystemType == new.fileSystemType && old.source == new.source
    }

    private static func root(_ entry: MountEntry, _ source: MountSource, _ identity: VolumeIdentity?) -> WatchedRoot {
        WatchedRoot(
            source: source.name, kind: .mount, path: entry.mountPoint,
            fileSystem: identity?.uuid ?? entry.source.display, label: identity?.label,
            device: typesWithSubvolumes.contains(entry.fileSystemType) ? nil : entry.device,
            isReadOnly: entry.isReadOnly, fileSystemType: entry.fileSystemType, blockDevice: identity?.blockDevice,
            usb: identity?.usb)
    }
}
