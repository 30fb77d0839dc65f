package import EvidenceModel
import Glibc

/// What became of a file that was to be removed from a device.
package enum Removal: Sendable, Hashable {
    /// It is gone, and the device has it in writing.
    case removed
    /// Another file stands under its name: another size or time.
    case changed
    /// There is no such file.
    case vanished
    /// Somebody has it open for writing.
    case beingWritten
    /// The device cannot be written (EROFS): it is mounted so, or its switch says so.
    case readOnly
}

extension DirectoryTree {
    /// Removes the regular file `path` below the root if it has `stamp` still: asked, by its name, right before
    /// unlinkat(2). Then the folder and the file system are synced.
    ///
    /// Where the kernel cannot tell whether somebody writes (`WriterPresence.unknown`), the stamp decides alone.
    ///
    /// - Throws: `FileAccessError`. If the call is `fsync` or `syncfs` the name is gone, and may be there again after a
    ///   power cut.
    package func remove(_ path: RawPath, stamp: FileStamp) throws(FileAccessError) -> Removal {
        do throws(FileAccessError) {
            return try removeNow(path, stamp)
        } catch {
            if error.code == EROFS { return .readOnly }
            if error.meaning == .missing { return .vanished }
            throw error
        }
    }

    private func removeNow(_ path: RawPath, _ stamp: FileStamp) throws(FileAccessError) -> Removal {
        let folder = try directory(path.parent)
        let name = path.lastComponent
        // Twice: what is no regular file is not even opened, and the answer about writers takes a moment.
        guard try folder.status(of: name).kind == .regular else { return .changed }
        if try WriterPresence.of(file(path)) == .writing { return .beingWritten }
        let now = try folder.status(of: name)
        guard now.kind == .regular, now.stamp.agrees(with: stamp) else { return .changed }
        guard name.withCString({ unlinkat(folder.number, $0, 0) }) == 0 else {
            throw FileAccessError(call: "unlinkat", path: folder.path.appending(name), code: errno)
        }
        try folder.synchronize()
        try folder.synchronizeFileSystem()
        return .removed
    }
}
