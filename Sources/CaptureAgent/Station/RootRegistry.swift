import EvidenceModel
import FileAccess
import Synchronization

/// The trees that are there now, each with the lane its bytes are read on.
final class RootRegistry: Sendable {
    struct Entry: Sendable {
        var root: WatchedRoot
        var lane: IOLane
        /// Reads a file of the tree again, though it was collected.
        var recollect: @Sendable (RawPath) -> Void
    }

    private let entries = Mutex<[Entry]>([])

    func add(_ root: WatchedRoot, lane: IOLane, recollect: @escaping @Sendable (RawPath) -> Void) {
        entries.withLock { $0.append(Entry(root: root, lane: lane, recollect: recollect)) }
    }

    func remove(_ root: WatchedRoot) {
        entries.withLock { $0.removeAll { $0.root == root } }
    }

    /// The tree at `path`, if what is mounted there is `fileSystem`.
    func entry(at path: RawPath, fileSystem: String) -> Entry? {
        entries.withLock { $0.last { $0.root.path == path && $0.root.fileSystem == fileSystem } }
    }
}
