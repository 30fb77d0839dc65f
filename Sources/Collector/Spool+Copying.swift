package import EvidenceModel
package import FileAccess
import Glibc

extension Spool {
    /// Copies `file`, which is that of `origin`, in as a partial copy of `id`; durable when it returns. Every byte comes
    /// from one reading, or from the earlier one that was cut and whose parts prove good.
    ///
    /// An earlier attempt is gone on with if its journal under `id` says the same origin (`interruptedCopy`) and both
    /// ends of the file, the local bytes of its parts have the digests of then, and the device holds what lies here
    /// (`provenEnd`). Anything else begins anew.
    ///
    /// After it has returned `id` is the caller's, and nobody is offered it (`interruptedCopy`), until it is sealed,
    /// reassigned, discarded or given back.
    ///
    /// - Throws: `CollectFailure`; `spoolFailed` with EBUSY where a copy of `id` is being made, which is not touched. What
    ///   was copied of a file of several parts then stays, except after `changed`, `spoolFull` and `spoolFailed`: only what
    ///   it began with stays then.
    package func copy(
        _ file: borrowing OwnedDescriptor, of origin: CopyOrigin, as id: RecordingID, with reader: ContentReader
    ) throws(CollectFailure) -> StoredContent {
        try claim(id)
        do throws(CollectFailure) {
            let content = try copyClaimed(file, of: origin, as: id, with: reader)
            running.end(id, isComplete: true)
            return content
        } catch {
            running.end(id, isComplete: false)
            throw error
        }
    }

    private func copyClaimed(
        _ file: borrowing OwnedDescriptor, of origin: CopyOrigin, as id: RecordingID, with reader: ContentReader
    ) throws(CollectFailure) -> StoredContent {
        let stamp = origin.file.stamp
        try requireDisk(for: stamp, file.path)
        var run = try begin(file, of: origin, as: id, with: reader)
        do throws(CollectFailure) {
            let needed = needed(stamp.size - run.start)
            try reader.read(file, stamp: stamp, from: run.start, into: run.hashing) {
                (block, offset) throws(CollectFailure) in
                try spooling(needed) { () throws(FileAccessError) in try run.keep(block, at: offset) }
                running.wrote(Int64(block.count), of: id)
            }
            try spooling(needed) { () throws(FileAccessError) in
                try run.note()
                try run.copy.file.synchronize()
                try directory.synchronize()
            }
            return run.hashing.finish()
        } catch {
            end(&run, id, after: error)
            throw error
        }
    }

    private func end(_ run: inout CopyRun, _ id: RecordingID, after failure: CollectFailure) {
        let isKept =
            switch failure {
            case .cancelled, .deviceGone, .unreadable, .vanished: true
            // It is no longer the file that was begun, or what was added must not keep the disk full.
            case .changed, .spoolFull, .spoolFailed: false
            }
        if run.isJournaled && (isKept || run.start > 0) {
            try? isKept ? run.note() : run.cutBack()
        } else {
            try? discard(id)
        }
    }

    private func begin(
        _ file: borrowing OwnedDescriptor, of origin: CopyOrigin, as id: RecordingID, with reader: ContentReader
    ) throws(CollectFailure) -> CopyRun {
        let stamp = origin.file.stamp
        guard CopyRun.isJournaled(stamp) else { return try beginAnew(id, stamp, nil) }
        let sentinel = try reader.sentinel(of: file, stamp: stamp)
        let journal = CopyJournal(
            origin: origin, sentinel: sentinel, partSize: PartLayout(fileOfSize: stamp.size).partSize)
        if let run = try resume(file, id, journal, with: reader) { return run }
        return try beginAnew(id, stamp, journal)
    }

    private func beginAnew(
        _ id: RecordingID, _ stamp: FileStamp, _ journal: CopyJournal?
    ) throws(CollectFailure) -> CopyRun {
        let needed = needed(stamp.size)
        // What an earlier attempt left takes room, and its journal must not be believed of another copy.
        try spooling(needed) { () throws(FileAccessError) in try discardUnlocked(id) }
        try requireRoom(stamp.size, for: id)
        return try spooling(needed) { () throws(FileAccessError) in
            let partial = try openPartial(id, isNew: true)
            let journalFile = try journal.map { (journal) throws(FileAccessError) in try write(journal, of: id) }
            return CopyRun(
                partial, journal: journal, in: journalFile, hashing: ContentReader.hashing(bytes: stamp.size), start: 0)
        }
    }

    /// Removes the partial copy of `id`, unless somebody else writes to it.
    func discardUnlocked(_ id: RecordingID) throws(FileAccessError) {
        guard partialBytes(id) != nil else { return try forgetJournal(id) }
        let partial = try openPartial(id, isNew: false)
        try discard(id)
        _ = consume partial
    }

    private func write(_ journal: CopyJournal, of id: RecordingID) throws(FileAccessError) -> OwnedDescriptor {
        let file = try openJournal(id, O_CREAT | O_TRUNC)
        try file.write(journal.encoded(), at: 0)
        begun.began(id, of: journal.origin)
        return file
    }

    /// Goes on where an earlier attempt was cut; nothing where that cannot be.
    private func resume(
        _ file: borrowing OwnedDescriptor, _ id: RecordingID, _ wanted: CopyJournal, with reader: ContentReader
    ) throws(CollectFailure) -> CopyRun? {
        guard var journal = journal(id), journal.origin.agrees(with: wanted.origin),
            journal.sentinel == wanted.sentinel,
            journal.partSize == wanted.partSize, let partial = try? openPartial(id, isNew: false)
        else { return nil }
        let size = wanted.origin.file.stamp.size
        let hashing = ContentReader.hashing(bytes: size)
        let good = try rehash(partial.file, journal.parts, into: hashing, with: reader)
        guard good > 0,
            let start = try provenEnd(
                of: partial.file, from: file, behind: hashing.layout.span(ofPart: good), cutAt: partialBytes(id) ?? 0,
                into: hashing, with: reader)
        else { return nil }
        try requireRoom(size - start, for: id)
        journal.parts.removeLast(journal.parts.count - good)
        let needed = needed(size - start)
        let journalFile = try spooling(needed) { () throws(FileAccessError) in try openJournal(id, 0) }
        let run = CopyRun(partial, journal: journal, in: journalFile, hashing: hashing, start: start)
        try spooling(needed) { () throws(FileAccessError) in try run.cutBack() }
        return run
    }

    /// Hashes the parts of `copy` again until one is not what it was, as a power cut may have left it, and has `hashing`
    /// go on behind those that are; how many these are.
    private func rehash(
        _ copy: borrowing OwnedDescriptor, _ parts: [ContentDigest], into hashing: ContentHashing,
        with reader: ContentReader
    ) throws(CollectFailure) -> Int {
        for (index, digest) in parts.prefix(hashing.layout.count).enumerated() {
            let span = hashing.layout.span(ofPart: index + 1)
            let found = try rereading { () throws(CollectFailure) in
                try reader.digest(of: span, in: copy, hashing.pool)
            }
            guard found == digest else { return index }
            try rereading { () throws(CollectFailure) in try reader.addToWhole(span, of: copy, hashing) }
            hashing.add(part: digest)
            reader.progress(span.end)
        }
        return min(parts.count, hashing.layout.count)
    }

    /// Errors of `body`, which reads a copy of ours, are the spool's.
    func rereading<Result>(
        _ body: () throws(CollectFailure) -> Result
    ) throws(CollectFailure) -> Result {
        do throws(CollectFailure) {
            return try body()
        } catch {
            guard case .unreadable(let cause) = error else { throw error }
            throw .spoolFailed(cause)
        }
    }
}
