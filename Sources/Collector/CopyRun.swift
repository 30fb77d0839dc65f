import EvidenceModel
import FileAccess
import Glibc

/// The file of a partial copy, which nobody else writes to while this lives: flock(2). Another process, or another
/// `Spool` of this one, knows nothing of `RunningCopies`.
struct PartialCopy: ~Copyable {
    let file: OwnedDescriptor

    /// - Throws: `FileAccessError`, EBUSY where somebody has it. A file system without such locks is no reason not to
    ///   collect.
    init(locking file: consuming OwnedDescriptor) throws(FileAccessError) {
        guard flock(file.number, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK else {
            throw file.failure("flock", code: EBUSY)
        }
        self.file = file
    }

    deinit {
        // Not by closing alone: a child that is being started has the same open file for a moment.
        _ = flock(file.number, LOCK_UN)
    }
}

/// A partial copy that is being made.
struct CopyRun: ~Copyable {
    let copy: PartialCopy
    /// What is said beside it, and where; none for a file of one part, of which nothing could be gone on with.
    private var journal: CopyJournal?
    private let journalFile: OwnedDescriptor?
    let hashing: ContentHashing
    /// Bytes that an earlier attempt had copied, and that proved good.
    let start: Int64

    init(
        _ copy: consuming PartialCopy, journal: CopyJournal?, in journalFile: consuming OwnedDescriptor?,
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
        try copy.file.write(block, at: offset)
        let end = offset + Int64(block.count)
        if end.isMultiple(of: Self.writeBackBytes) {
            copy.file.beginWriteBack(ByteSpan(offset: end - Self.writeBackBytes, length: Self.writeBackBytes))
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
        let parts = min(Int(start / journal.partSize), journal.parts.count)
        try journalFile?.truncate(to: journal.offset(ofPart: parts))
        try copy.file.truncate(to: start)
    }
}
