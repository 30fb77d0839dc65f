package import EvidenceModel
package import FileAccess
import Glibc

/// A partial copy that is being made.
struct CopyRun: ~Copyable {
    let copy: OwnedDescriptor
    /// What is said beside it, and where; none for a file of one part, of which nothing could be gone on with.
    private var journal: CopyJournal?
    private let journalFile: OwnedDescriptor?
    let hashing: ContentHashing
    /// Bytes that an earlier attempt had copied, and that proved good.
    let start: Int64

    init(
        _ copy: consuming OwnedDescriptor, journal: CopyJournal?, in journalFile: consuming OwnedDescriptor?,
        hashing: ContentHashing, start: Int64
    ) {
        self.copy = copy
        self.journal = journal
        self.journalFile = journalFile
        self.hashing = hashing
        self.start = start
    }

    static func isJournaled(_ stamp: FileStamp) -> Bool { PartLayout(fileOfSize: stamp.size).count > 1 }

    var isJournaled: Bool { journal != nil }

    /// Bytes of which the disk is told at once, behind the head: the last fsync(2) then has little left to wait for.
    private static let writeBackBytes: Int64 = 8 << 20

    mutating func keep(_ block: UnsafeRawBufferPointer, at offset: Int64) throws(FileAccessError) {
        try copy.write(block, at: offset)
        let end = offset + Int64(block.count)
        if end.isMultiple(of: Self.writeBackBytes) {
            copy.beginWriteBack(ByteSpan(offset: end - Self.writeBackBytes, length: Self.writeBackBytes))
        }
        try note()
    }

    /// Writes down the parts that have been hashed since.
    mutating func note() throws(FileAccessError) {
        guard let known = journal?.parts.count, case let parts = hashing.parts, parts.count > known else { return }
        for digest in parts[known...] {
            guard let offset = journal?.offset(ofPart: journal?.parts.count ?? 0) else { return }
            try journalFile?.write(digest.bytes, at: offset)
            journal?.parts.append(digest)
        }
    }

    /// Takes back what was added since `start`.
    func cutBack() throws(FileAccessError) {
        guard let journal else { return }
        try journalFile?.truncate(to: journal.offset(ofPart: Int(start / journal.partSize)))
        try copy.truncate(to: start)
    }
}

extension Spool {
    /// Copies `file`, which is that of `origin`, in as a partial copy of `id`; durable when it returns. Every byte comes
    /// from one reading, or from the earlier one that was cut and whose parts prove good.
    ///
    /// An earlier attempt is gone on with if its journal under `id` says the same origin (`interruptedCopy`) and both
    /// ends of the file, the local bytes of its parts have the digests of then, and the last of those parts is on the
    /// device as it is here. Anything else begins anew.
    ///
    /// - Throws: `CollectFailure`. What was copied of a file of several parts then stays, except after `changed`,
    ///   `spoolFull` and `spoolFailed`: only what it began with stays then.
    package func copy(
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
            }
            try spooling(needed) { () throws(FileAccessError) in
                try run.note()
                try run.copy.synchronize()
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
        if partialBytes(id) != nil { try spooling(needed) { () throws(FileAccessError) in try discard(id) } }
        try requireRoom(stamp.size)
        return try spooling(needed) { () throws(FileAccessError) in
            let journalFile = try journal.map { (journal) throws(FileAccessError) in try write(journal, of: id) }
            return CopyRun(
                try openPartial(id, O_CREAT | O_TRUNC), journal: journal, in: journalFile,
                hashing: ContentReader.hashing(bytes: stamp.size), start: 0)
        }
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
            journal.partSize == wanted.partSize, let copy = try? openPartial(id, 0)
        else { return nil }
        let size = wanted.origin.file.stamp.size
        let hashing = ContentReader.hashing(bytes: size)
        let good = try rehash(copy, journal.parts, into: hashing, with: reader)
        guard good > 0 else { return nil }
        let last = hashing.layout.span(ofPart: good)
        let proof = proofSpan(before: last, cutAt: partialBytes(id) ?? last.end)
        let here = try rereading { () throws(CollectFailure) in try reader.digest(of: proof, in: copy, hashing.pool) }
        guard try reader.digest(of: proof, in: file, hashing.pool) == here else { return nil }
        try requireRoom(size - last.end)
        journal.parts.removeLast(journal.parts.count - good)
        let needed = needed(size - last.end)
        let journalFile = try spooling(needed) { () throws(FileAccessError) in try openJournal(id, 0) }
        let run = CopyRun(copy, journal: journal, in: journalFile, hashing: hashing, start: last.end)
        try spooling(needed) { () throws(FileAccessError) in try run.cutBack() }
        return run
    }

    /// The card must still hold what it held then: the end of the last good part is read twice for that. So much of it
    /// that with what was read of the part behind it, which is read twice anyway, it makes a part.
    private func proofSpan(before last: ByteSpan, cutAt cut: Int64) -> ByteSpan {
        let unfinished = min(max(cut - last.end, 0), last.length)
        let length = min(last.length, max(Int64(Sentinel.length), last.length - unfinished))
        return ByteSpan(offset: last.end - length, length: length)
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
