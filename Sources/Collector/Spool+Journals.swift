package import EvidenceModel
package import FileAccess
import Glibc

/// A copy that was cut: its card was pulled out, or the agent ended.
package struct InterruptedCopy: Sendable, Hashable {
    package var id: RecordingID
    package var origin: CopyOrigin
    /// Bytes that lie in the spool.
    package var bytes: Int64
}

extension Spool {
    /// The copy of this very file that was cut, if there is one: same source, file system, path, size and times. Never
    /// one that is being made, or that is complete and still its maker's. Of two that are told the same id, one copies and
    /// the other fails with EBUSY (`copy`).
    package func interruptedCopy(of origin: CopyOrigin) -> RecordingID? {
        guard CopyRun.isJournaled(origin.file.stamp) else { return nil }
        return begun.ids(where: { $0.agrees(with: origin) }, listing: listed).first { !running.holds($0) }
    }

    private func listed() -> [RecordingID: CopyOrigin] {
        let copies = (try? interruptedCopies()) ?? []
        return Dictionary(copies.map { ($0.id, $0.origin) }, uniquingKeysWith: { $1 })
    }

    func forgetJournal(_ id: RecordingID) throws(FileAccessError) {
        begun.ended(id)
        running.forget(id)
        try directory.forget(journalName(id))
    }

    /// Nobody waits for the complete copy of `id` any more, and what came of it is not known: it may be gone on with by
    /// whoever reads its file again. Does nothing to one that was sealed, reassigned or discarded.
    package func giveBack(_ id: RecordingID) { running.forget(id) }

    /// All copies that were cut, and those that are being made now.
    package func interruptedCopies() throws(FileAccessError) -> [InterruptedCopy] {
        var copies: [InterruptedCopy] = []
        for id in try journaled() {
            guard let journal = journal(id), let bytes = partialBytes(id) else { continue }
            copies.append(InterruptedCopy(id: id, origin: journal.origin, bytes: bytes))
        }
        return copies
    }

    /// Removes what was cut of files at the place of `origin`, whatever their stamp: the file that is there now is
    /// collected, as `id` or as content that was known. What is being copied stays.
    package func discardInterrupted(of origin: CopyOrigin, except id: RecordingID?) throws(FileAccessError) {
        for other in begun.ids(where: { $0.isSamePlace(as: origin) }, listing: listed)
        where other != id && !running.holds(other) && running.begin(other) {
            defer { running.end(other, isComplete: false) }
            try discardUnlocked(other)
        }
    }

    /// Nothing where there is none, or none that can be read.
    func journal(_ id: RecordingID) -> CopyJournal? {
        let path = directory.path.appending(journalName(id))
        guard let file = try? OwnedDescriptor.open(absolute: path, flags: O_RDONLY | O_NOFOLLOW),
            let size = try? file.status().stamp.size, size <= Self.mostJournalBytes,
            let bytes = try? file.readBytes(ByteSpan(offset: 0, length: size))
        else { return nil }
        return CopyJournal(bytes)
    }

    /// 10,000 parts are the most that a recording has.
    private static let mostJournalBytes = Int64(CopyJournal.mostHeadBytes + 10_000 * 32)
}
