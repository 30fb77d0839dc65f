package import EvidenceModel
package import FileAccess
import Glibc

/// Walks through a watched tree and asks for every name's kind, size and times; no file is opened.
///
/// Each folder is opened once, name by name from the root (`DirectoryTree`), and its names are asked for in it; at most
/// four descriptors are open at a time, none when the walk is over.
package enum TreeScanner {
    /// Scans the tree. Folders that cannot be read are left out as `unreadable`, the rest is still scanned; names that
    /// vanish in between are no finding.
    ///
    /// - Parameter beforeListing: called with the absolute path of each folder before its names are read.
    /// - Throws: `FileAccessError` where the root cannot be read or is no longer there; ECANCELED where the task was
    ///   cancelled.
    package static func scan(
        _ root: WatchedRoot, limits: ScanLimits = ScanLimits(), beforeListing: (RawPath) -> Void = { _ in }
    ) throws(FileAccessError) -> TreeScan {
        let tree = try DirectoryTree(root)
        var walk = Walk(root: root, limits: limits)
        walk.scan.isReadOnly = try isReadOnly(tree.directory(RawPath("")))
        while let folder = walk.pending.popLast() {
            if Task.isCancelled { throw FileAccessError(call: "scan", path: root.path, code: ECANCELED) }
            guard folder.depth <= limits.depth, walk.namesLeft > 0 else {
                walk.skip(folder.path, .unreadable)
                continue
            }
            beforeListing(root.path.appending(folder.path))
            do throws(FileAccessError) {
                let directory = try tree.directory(folder.path)
                try walk.list(directory, folder)
            } catch {
                if folder.depth == 0 { throw error }
                walk.failed(folder.path, error)
            }
        }
        // A device that goes away fails folder by folder, and then its root cannot be listed either.
        if walk.metFailure { _ = try DirectoryTree(root).directory(RawPath("")).names() }
        return walk.scan
    }

    /// fstatvfs(3): the mount or the file system under it is read-only.
    private static func isReadOnly(_ directory: borrowing OwnedDescriptor) throws(FileAccessError) -> Bool {
        var status = statvfs()
        guard fstatvfs(directory.number, &status) == 0 else { throw directory.failure("fstatvfs") }
        let readOnly: UInt = 1  // ST_RDONLY
        return UInt(status.f_flag) & readOnly != 0
    }
}

/// A walk on its way.
private struct Walk {
    struct Folder {
        var path: RawPath
        /// Names from the root.
        var depth: Int
    }

    let root: WatchedRoot
    /// Folders still to be read; a stack on the heap, since a hostile tree can be deeper than a thread's.
    var pending = [Folder(path: RawPath(""), depth: 0)]
    var namesLeft: Int
    var metFailure = false
    var scan = TreeScan()

    init(root: WatchedRoot, limits: ScanLimits) {
        self.root = root
        namesLeft = limits.names
    }

    mutating func skip(_ path: RawPath, _ reason: SkippedEntry.Reason) {
        scan.skipped.append(SkippedEntry(path: path, reason: reason))
    }

    mutating func list(_ directory: borrowing OwnedDescriptor, _ folder: Folder) throws(FileAccessError) {
        for name in try directory.names() {
            namesLeft -= 1
            let path = folder.path.appending(name)
            do throws(FileAccessError) {
                found(path, name, try directory.status(of: name), folder)
            } catch {
                failed(path, error)
            }
        }
    }

    private mutating func found(_ path: RawPath, _ name: RawPath, _ status: FileStatus, _ folder: Folder) {
        let isFolder = status.kind == .directory
        if let reason = SkippingRule.reason(for: name, isFolder: isFolder, isAtTop: folder.depth == 0) {
            return skip(path, reason)
        }
        if let device = root.device, status.stamp.device != device { return skip(path, .otherFileSystem) }
        switch status.kind {
        case .regular: scan.files.append(ObservedFile(path: path, stamp: status.stamp))
        case .directory: pending.append(Folder(path: path, depth: folder.depth + 1))
        case .symbolicLink: skip(path, .symbolicLink)
        case .other: skip(path, .notRegular)
        }
    }

    /// The name could not be asked for, or the folder not be read.
    mutating func failed(_ path: RawPath, _ error: FileAccessError) {
        switch error.code {
        // It went away, or something else took its name: the next scan sees what.
        case ENOENT, ENOTDIR, ELOOP: return
        case EXDEV: skip(path, .otherFileSystem)
        default:
            metFailure = true
            skip(path, .unreadable)
        }
    }
}
