package import EvidenceModel
package import FileAccess
import Glibc

/// Walks through a watched tree and asks for every name's kind, size and times; no file is opened. A folder that is as the
/// plan has it is not listed: only its files that have not settled are asked for.
///
/// Each folder is opened once, name by name from the root (`DirectoryTree`), and its names are asked for in it; at most
/// four descriptors are open at a time, none when the walk is over.
package enum TreeScanner {
    /// Scans the tree. Folders that cannot be read are left out as `unreadable`, the rest is still scanned; names that
    /// vanish in between are `missing`.
    ///
    /// - Parameter beforeListing: called with the path, below the root, of each folder before its names are read.
    /// - Throws: `FileAccessError` where the root cannot be read or is no longer there; ECANCELED where the task was
    ///   cancelled.
    package static func scan(
        _ root: WatchedRoot, plan: ScanPlan = ScanPlan(), limits: ScanLimits = ScanLimits(),
        beforeListing: (RawPath) -> Void = { _ in }
    ) throws(FileAccessError) -> TreeScan {
        let tree = try DirectoryTree(root)
        var walk = Walk(root: root, limits: limits)
        try walk.scan.noteFileSystem(tree.directory(RawPath("")))
        while let folder = walk.pending.popLast() {
            if Task.isCancelled { throw FileAccessError(call: "scan", path: root.path, code: ECANCELED) }
            guard folder.depth <= limits.depth, walk.namesLeft > 0 else {
                walk.skip(folder.path, .unreadable)
                continue
            }
            do throws(FileAccessError) {
                let directory = try tree.directory(folder.path)
                let stamp = try directory.status().stamp
                if let known = plan.folders[folder.path], known.stamp.agrees(with: stamp) {
                    walk.pass(directory, folder, known, plan.unsettled[folder.path] ?? [])
                } else {
                    beforeListing(folder.path)
                    try walk.list(directory, folder, stamp)
                }
            } catch {
                if folder.depth == 0 { throw error }
                walk.failed(folder.path, error)
            }
        }
        // A device that goes away fails folder by folder, and then its root cannot be listed either.
        if walk.metFailure { _ = try DirectoryTree(root).directory(RawPath("")).names() }
        return walk.scan
    }
}

extension TreeScan {
    /// fstatvfs(3): the mount or the file system under it is read-only; and who may write to it.
    fileprivate mutating func noteFileSystem(_ directory: borrowing OwnedDescriptor) throws(FileAccessError) {
        var status = statvfs()
        guard fstatvfs(directory.number, &status) == 0 else { throw directory.failure("fstatvfs") }
        let readOnly: UInt = 1  // ST_RDONLY
        isReadOnly = UInt(status.f_flag) & readOnly != 0
        seesEveryWriter = directory.kernelSeesEveryWriter
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

    /// - Parameter stamp: of the folder, before this.
    mutating func list(
        _ directory: borrowing OwnedDescriptor, _ folder: Folder, _ stamp: FileStamp
    ) throws(FileAccessError) {
        var listed = ListedFolder(path: folder.path, stamp: stamp)
        let (firstSkipped, firstFolder) = (scan.skipped.count, pending.count)
        let hadFailure = metFailure
        metFailure = false
        defer { metFailure = metFailure || hadFailure }
        for name in try directory.names() {
            listed.namesMark &+= name.hashValue
            ask(directory, folder, name)
        }
        listed.skipped = Array(scan.skipped[firstSkipped...])
        listed.folders = pending[firstFolder...].map(\.path.lastComponent)
        listed.isWhole = !metFailure
        scan.listed.append(listed)
    }

    /// Goes past a folder that is as it was.
    mutating func pass(
        _ directory: borrowing OwnedDescriptor, _ folder: Folder, _ known: ListedFolder, _ unsettled: [RawPath]
    ) {
        scan.unlisted.insert(folder.path)
        scan.skipped += known.skipped
        for path in unsettled { ask(directory, folder, path.lastComponent) }
        namesLeft -= known.folders.count
        pending += known.folders.map { Folder(path: folder.path.appending($0), depth: folder.depth + 1) }
    }

    private mutating func ask(_ directory: borrowing OwnedDescriptor, _ folder: Folder, _ name: RawPath) {
        namesLeft -= 1
        let path = folder.path.appending(name)
        do throws(FileAccessError) {
            found(path, name, try directory.status(of: name), folder)
        } catch {
            failed(path, error)
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
        // It went away, or something else took its name, or it is listed and cannot be found: the next scan sees what.
        case ENOENT, ENOTDIR, ELOOP: scan.missing.append(path)
        case EXDEV: skip(path, .otherFileSystem)
        default:
            metFailure = true
            skip(path, .unreadable)
        }
    }
}
