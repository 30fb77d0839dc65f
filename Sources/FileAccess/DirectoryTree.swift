package import EvidenceModel
import Glibc

/// A directory reached name by name, so that nothing on a device can lead out of it: no symbolic link is followed,
/// and where the root has a device number, nothing of another file system is opened.
package struct DirectoryTree: ~Copyable {
    private let root: OwnedDescriptor
    /// `st_dev` that everything opened here must have; none when the tree may span file systems.
    private let device: UInt64?

    /// Opens the root itself, whose path the administrator chose.
    ///
    /// - Throws: `FileAccessError` with `meaning` `.gone` when the root no longer is the file system it was (the device
    ///   was unmounted and the bare mount point is left).
    package init(_ watched: WatchedRoot) throws(FileAccessError) {
        try self.init(path: watched.path, device: watched.device)
    }

    package init(path: RawPath, device: UInt64?) throws(FileAccessError) {
        root = try Self.openRoot(path, device: device)
        self.device = device
    }

    private static func openRoot(_ path: RawPath, device: UInt64?) throws(FileAccessError) -> OwnedDescriptor {
        let opened = try OwnedDescriptor.open(absolute: path, flags: O_RDONLY | O_DIRECTORY)
        let status = try opened.status()
        if let device, status.stamp.device != device { throw FileAccessError(call: "open", path: path, code: ENODEV) }
        return opened
    }

    /// Opens the directory `path` below the root; an empty path is the root.
    ///
    /// - Throws: `FileAccessError`; EXDEV where ".." would lead up, ENOTDIR where a symbolic link lies on the way.
    package func directory(_ path: RawPath) throws(FileAccessError) -> OwnedDescriptor {
        var current = try root.open(RawPath("."), flags: O_RDONLY | O_DIRECTORY)
        for name in path.components {
            if name.bytes == [46, 46] { throw FileAccessError(call: "open", path: path, code: EXDEV) }
            let next = try current.open(name, flags: O_RDONLY | O_DIRECTORY)
            current = next
            try requireSameFileSystem(current.status(), current.path)
        }
        return current
    }

    /// Opens the regular file `path` below the root for reading.
    ///
    /// - Throws: `FileAccessError`; ENOTDIR where a symbolic link lies on the way, EINVAL where it is no regular file.
    package func file(_ path: RawPath) throws(FileAccessError) -> OwnedDescriptor {
        let folder = try directory(path.parent)
        let name = path.lastComponent
        // Asked before it is opened: opening a device node can already do something.
        guard try folder.status(of: name).kind == .regular else {
            throw FileAccessError(call: "open", path: folder.path.appending(name), code: EINVAL)
        }
        let file = try folder.open(name, flags: O_RDONLY)
        let status = try file.status()
        guard status.kind == .regular else { throw FileAccessError(call: "open", path: file.path, code: EINVAL) }
        try requireSameFileSystem(status, file.path)
        return file
    }

    private func requireSameFileSystem(_ status: FileStatus, _ path: RawPath) throws(FileAccessError) {
        if let device, status.stamp.device != device { throw FileAccessError(call: "open", path: path, code: EXDEV) }
    }
}

extension OwnedDescriptor {
    /// fstatat(2) of one name below this directory, not following a symbolic link.
    package borrowing func status(of name: RawPath) throws(FileAccessError) -> FileStatus {
        var status = stat()
        let result = name.withCString { fstatat(number, $0, &status, Int32(AT_SYMLINK_NOFOLLOW)) }
        guard result == 0 else {
            throw FileAccessError(call: "fstatat", path: path.appending(name), code: errno)
        }
        return FileStatus(status)
    }

    /// fstatvfs(3): the mount, or the file system under it, is read-only.
    package borrowing func isOnReadOnlyMount() throws(FileAccessError) -> Bool {
        var status = statvfs()
        guard fstatvfs(number, &status) == 0 else { throw failure("fstatvfs") }
        let readOnly: UInt = 1  // ST_RDONLY
        return UInt(status.f_flag) & readOnly != 0
    }

    /// The names in this directory, without "." and "..", in the order of readdir(3).
    package borrowing func names() throws(FileAccessError) -> [RawPath] {
        let copy = Glibc.openat(number, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard copy >= 0 else { throw failure("openat") }
        guard let stream = fdopendir(copy) else {
            let error = failure("fdopendir")
            close(copy)
            throw error
        }
        // closedir closes `copy` too, which fdopendir took over.
        defer { closedir(stream) }
        var names: [RawPath] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else { break }
            // d_name is a NUL-terminated array of the entry that readdir owns until the next call.
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: UInt8.self, capacity: 256) { bytes in
                    RawPath(bytes: UnsafeBufferPointer(start: bytes, count: strlen(bytes)))
                }
            }
            if name.bytes != [46] && name.bytes != [46, 46] { names.append(name) }
        }
        guard errno == 0 else { throw failure("readdir") }
        return names
    }
}
