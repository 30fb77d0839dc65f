import EvidenceModel
import FileAccess
import Glibc
import MediaIndex

/// Removals that were begun, and of which nobody saw the end: the agent was killed, or the device went.
extension Emptying {
    /// The name is gone from the same device: the ledger is told. It is there: all of it is proved again.
    func settleOpenRemovals() async throws {
        let (docks, root) = (station.docks, root)
        let open = try await station.database.read {
            try docks.openRemovals(source: root.source, fileSystem: root.fileSystem, in: $0)
        }
        for removal in open {
            let isThere = try await lane.run { () throws(FileAccessError) in try Self.isThere(removal.path, on: root) }
            if isThere {
                _ = try await abandon(removal, "")
            } else if try await isSameDevice(as: removal.docking) {
                try await lane.run { () throws(FileAccessError) in try Self.synchronize(removal.path.parent, on: root) }
                try await complete(removal)
            }
        }
    }

    private static let witnesses = 64

    /// Whether the device of that earlier docking is this one. A file system's UUID tells; where none is known, as in
    /// containers, the node's name does not: then a file that was found there must be here, with the same times.
    private func isSameDevice(as docking: Int64) async throws -> Bool {
        if root.fileSystem != root.blockDevice?.display, root.blockDevice != nil { return true }
        let (view, root) = (StationView(station), root)
        let found = try await station.database.read { database in
            try view.docks.filesLeft(after: RawPath(""), docking: docking, limit: Self.witnesses, in: database)
                .compactMap { path in
                    try view.wipeCandidate(
                        path, source: root.source, fileSystem: root.fileSystem, docking: docking, in: database)
                }
        }
        return try await lane.run { () throws(FileAccessError) in
            let tree = try DirectoryTree(root)
            return found.contains { file in
                guard let folder = try? tree.directory(file.path.parent),
                    let stamp = try? folder.status(of: file.path.lastComponent).stamp
                else { return false }
                return file.times.contains(FileTimes(stamp))
            }
        }
    }

    private static func isThere(_ path: RawPath, on root: WatchedRoot) throws(FileAccessError) -> Bool {
        do throws(FileAccessError) {
            _ = try DirectoryTree(root).directory(path.parent).status(of: path.lastComponent)
            return true
        } catch {
            guard error.meaning == .missing else { throw error }
            return false
        }
    }

    /// What was removed there is removed for good.
    private static func synchronize(_ folder: RawPath, on root: WatchedRoot) throws(FileAccessError) {
        do throws(FileAccessError) {
            let opened = try DirectoryTree(root).directory(folder)
            try opened.synchronize()
            try opened.synchronizeFileSystem()
        } catch {
            // The folder went as well, or the device cannot be written now: what is on it is not ours to change then.
            guard error.meaning == .missing || error.code == EROFS else { throw error }
        }
    }
}
