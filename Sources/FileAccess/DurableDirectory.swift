import CLinux
package import EvidenceModel
import Glibc

/// A directory that files are put into so that a power cut leaves either nothing or all of one: written under a
/// temporary name, fsync, rename(2), fsync of the directory.
package struct DurableDirectory: Sendable {
    package let path: RawPath

    package init(path: RawPath) {
        self.path = path
    }

    /// mkdir(2) of the directory and of every missing parent, each made durable in its parent.
    ///
    /// - Parameter existing: this leading part must be there already; making it up would write to the wrong disk when
    ///   the right one is not mounted.
    package func create(below existing: RawPath, mode: UInt32 = 0o700) throws(FileAccessError) {
        var current = existing
        for name in path.components.dropFirst(existing.components.count) {
            let next = current.appending(name)
            if next.withCString({ mkdir($0, mode) }) == 0 {
                try DurableDirectory(path: current).synchronize()
            } else if errno != EEXIST {
                throw FileAccessError(call: "mkdir", path: next, code: errno)
            }
            current = next
        }
    }

    /// Creates `name` for reading and writing; an existing file of that name is opened as it is.
    package func openOrCreate(_ name: RawPath, mode: UInt32 = 0o600) throws(FileAccessError) -> OwnedDescriptor {
        try OwnedDescriptor.open(absolute: path.appending(name), flags: O_RDWR | O_CREAT | O_NOFOLLOW, mode: mode)
    }

    /// renameat2(2): `old` becomes `new`, which must not exist yet, and the directory is on the medium.
    ///
    /// - Throws: `FileAccessError`, EEXIST where `new` is there already; `old` is then left as it was.
    package func rename(_ old: RawPath, to new: RawPath) throws(FileAccessError) {
        let (source, destination) = (path.appending(old), path.appending(new))
        var code = source.withCString { from in destination.withCString { clinux_rename_new(from, $0) } }
        // Network and FUSE file systems without RENAME_NOREPLACE.
        if code == EINVAL || code == ENOSYS { code = linkAnew(source, destination) }
        guard code == 0 else { throw FileAccessError(call: "rename", path: destination, code: code) }
        try synchronize()
    }

    /// link(2), which replaces nothing, then unlink(2); where the file system has no second names (FAT, SMB): ask, then
    /// rename(2). An errno, or 0.
    private func linkAnew(_ source: RawPath, _ destination: RawPath) -> Int32 {
        if source.withCString({ from in destination.withCString { link(from, $0) } }) == 0 {
            return source.withCString { unlink($0) } == 0 || errno == ENOENT ? 0 : errno
        }
        guard [EPERM, ENOSYS, EOPNOTSUPP, EINVAL, EMLINK].contains(errno) else { return errno }
        var status = stat()
        let asked = destination.withCString { lstat($0, &status) } == 0 ? EEXIST : errno
        // An answer that is no answer (EIO) is no leave to replace what may be there.
        guard asked == ENOENT else { return asked }
        return source.withCString { from in destination.withCString { Glibc.rename(from, $0) } } == 0 ? 0 : errno
    }

    /// unlink(2), then fsync of the directory; a file that is not there is fine.
    package func remove(_ name: RawPath) throws(FileAccessError) {
        try forget(name)
        try synchronize()
    }

    /// unlink(2) alone: after a power cut the file may be there again. One that is not there is fine.
    package func forget(_ name: RawPath) throws(FileAccessError) {
        let file = path.appending(name)
        guard file.withCString({ unlink($0) }) == 0 || errno == ENOENT else {
            throw FileAccessError(call: "unlink", path: file, code: errno)
        }
    }

    /// fsync(2) of the directory: names made, changed or removed in it are on the medium. A share over SMB knows no such
    /// call (EINVAL; cifs before Linux 6.17): there the server has taken the name when it answered.
    package func synchronize() throws(FileAccessError) {
        let directory = try OwnedDescriptor.open(absolute: path, flags: O_RDONLY | O_DIRECTORY)
        do throws(FileAccessError) {
            try directory.synchronize()
        } catch {
            guard error.code == EINVAL || error.code == EOPNOTSUPP else { throw error }
        }
    }

    /// Bytes of the whole file system: statvfs(3), `f_blocks`.
    package func totalBytes() throws(FileAccessError) -> Int64 {
        let status = try fileSystemStatus()
        return Int64(status.f_blocks) * Int64(status.f_frsize)
    }

    /// Bytes that an unprivileged writer can still put here: statvfs(3), `f_bavail`.
    package func freeBytes() throws(FileAccessError) -> Int64 {
        let status = try fileSystemStatus()
        return Int64(status.f_bavail) * Int64(status.f_frsize)
    }

    private func fileSystemStatus() throws(FileAccessError) -> statvfs {
        var status = statvfs()
        guard path.withCString({ statvfs($0, &status) }) == 0 else {
            throw FileAccessError(call: "statvfs", path: path, code: errno)
        }
        return status
    }
}
