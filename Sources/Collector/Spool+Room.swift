package import EvidenceModel
import FileAccess
import Glibc

/// What a copy was found to be.
package enum CopyCheck: Sendable, Hashable {
    /// Whole and part digests are those of its recording.
    case matches
    case differs
    case missing
}

extension Spool {
    /// Reads the copy of `id` again and compares it with `content`, as the disk has it: what is in memory of it is
    /// dropped first, as far as the kernel follows the hint.
    ///
    /// - Throws: `CollectFailure`, `cancelled` or `spoolFailed`.
    package func check(
        _ id: RecordingID, _ content: StoredContent, with reader: ContentReader
    ) throws(CollectFailure) -> CopyCheck {
        guard let copy = try openIfThere(id) else { return .missing }
        let stamp = try spooling(0) { () throws(FileAccessError) in try copy.status().stamp }
        guard stamp.size == content.size else { return .differs }
        copy.adviseDone()
        let found = try rereading { () throws(CollectFailure) in try reader.read(copy, stamp: stamp) }
        return found == content ? .matches : .differs
    }

    private func openIfThere(_ id: RecordingID) throws(CollectFailure) -> OwnedDescriptor? {
        do throws(FileAccessError) {
            return try open(id)
        } catch {
            if error.meaning == .missing { return nil }
            throw .spoolFailed(error)
        }
    }

    /// Bytes that must be free for `size` more. A damaged card can claim a size that has no sum.
    func needed(_ size: Int64) -> Int64 {
        let sum = size.addingReportingOverflow(floorBytes)
        return sum.overflow ? .max : sum.partialValue
    }

    /// A damaged card can claim more than fits beside the floor on an empty disk: that is not waited for, and holds up no
    /// other file.
    func requireDisk(for stamp: FileStamp, _ path: RawPath) throws(CollectFailure) {
        let needed = needed(stamp.size)
        let fits = try spooling(needed) { () throws(FileAccessError) in try directory.totalBytes() >= needed }
        guard fits else { throw .spoolFailed(FileAccessError(call: "copy", path: path, code: EFBIG)) }
    }

    /// The room is promised to `id` when this returns, until its copy ends.
    func requireRoom(_ bytes: Int64, for id: RecordingID) throws(CollectFailure) {
        let needed = needed(bytes)
        let isFree = try spooling(needed) { () throws(FileAccessError) in
            try running.reserve(bytes, for: id) { (others) throws(FileAccessError) in
                try freeBytes() - others >= needed
            }
        }
        guard isFree else { throw .spoolFull(bytes: needed) }
    }

    /// From here to `running.end` nobody else copies as `id`.
    func claim(_ id: RecordingID) throws(CollectFailure) {
        guard running.begin(id) else {
            let path = directory.path.appending(partialName(id))
            throw .spoolFailed(FileAccessError(call: "copy", path: path, code: EBUSY))
        }
    }

    /// - Parameter isNew: what is there of it goes.
    func openPartial(_ id: RecordingID, isNew: Bool) throws(FileAccessError) -> PartialCopy {
        let partial = try PartialCopy(
            locking: OwnedDescriptor.open(
                absolute: directory.path.appending(partialName(id)),
                flags: O_RDWR | O_NOFOLLOW | (isNew ? O_CREAT : 0), mode: 0o600))
        // Not O_TRUNC: what somebody else has open is not touched.
        if isNew { try partial.file.truncate(to: 0) }
        return partial
    }

    func openJournal(_ id: RecordingID, _ flags: Int32) throws(FileAccessError) -> OwnedDescriptor {
        try OwnedDescriptor.open(
            absolute: directory.path.appending(journalName(id)), flags: O_RDWR | O_NOFOLLOW | flags, mode: 0o600)
    }

    /// - Parameter needed: bytes that were to be free, which a full disk is told with.
    func spooling<Result: ~Copyable>(
        _ needed: Int64, _ body: () throws(FileAccessError) -> Result
    ) throws(CollectFailure) -> Result {
        do throws(FileAccessError) {
            return try body()
        } catch {
            throw error.meaning == .full ? .spoolFull(bytes: needed) : .spoolFailed(error)
        }
    }
}
