import ContentHash
package import EvidenceModel
package import FileAccess
import Glibc

/// Reads a file once, from its first byte to its last, and hashes the whole and every part on the way.
package struct ContentReader: Sendable {
    /// Bytes per read: large enough that a card streams, small enough that four for each of 16 cards are no burden.
    static let blockBytes: Int64 = 512 << 10

    /// Asked between blocks.
    let isCancelled: @Sendable () -> Bool
    /// Told the bytes read so far, after each block.
    let progress: @Sendable (Int64) -> Void

    package init(
        isCancelled: @escaping @Sendable () -> Bool = { false },
        progress: @escaping @Sendable (Int64) -> Void = { _ in }
    ) {
        self.isCancelled = isCancelled
        self.progress = progress
    }

    /// Reads `file`, which must have `stamp` before and after, and hands every block with its offset to `keep`.
    ///
    /// - Throws: `CollectFailure`; `keep` then had an unknown part of the file.
    package func read(
        _ file: borrowing OwnedDescriptor, stamp: FileStamp,
        keep: (UnsafeRawBufferPointer, Int64) throws(CollectFailure) -> Void = { _, _ in }
    ) throws(CollectFailure) -> StoredContent {
        let hashing = Self.hashing(bytes: stamp.size)
        try read(file, stamp: stamp, from: 0, into: hashing, keep: keep)
        return hashing.finish()
    }

    /// - Parameter isOnePart: only the whole digest is wanted.
    static func hashing(bytes: Int64, isOnePart: Bool = false) -> ContentHashing {
        let layout = isOnePart ? PartLayout(size: bytes, partSize: max(1, bytes)) : PartLayout(fileOfSize: bytes)
        return ContentHashing(layout: layout, blockBytes: blockBytes)
    }

    /// Reads `file` from `start`, where a part begins or a whole number of blocks behind that, to its end; `hashing` has had all before `start`.
    ///
    /// After a return or a throw `hashing` has every part that was handed to `keep` whole.
    func read(
        _ file: borrowing OwnedDescriptor, stamp: FileStamp, from start: Int64, into hashing: ContentHashing,
        keep: (UnsafeRawBufferPointer, Int64) throws(CollectFailure) -> Void
    ) throws(CollectFailure) {
        try requireUnchanged(file, stamp)
        file.adviseSequential()
        defer { hashing.wait() }
        var offset = start
        while offset < stamp.size {
            if isCancelled() { throw .cancelled }
            let wanted = Int(min(Self.blockBytes, stamp.size - offset))
            let block = hashing.pool.take()
            guard try fill(block.part(wanted), from: file, at: offset) else {
                // It ends before its size: it was cut, or the medium does not give what its directory promises.
                try requireUnchanged(file, stamp)
                throw .unreadable(file.failure("read", code: EIO))
            }
            hashing.add(block, wanted, at: offset)
            try keep(UnsafeRawBufferPointer(block.part(wanted)), offset)
            file.adviseDone(ByteSpan(offset: offset, length: Int64(wanted)))
            offset += Int64(wanted)
            progress(offset)
        }
        try requireUnchanged(file, stamp)
    }

    /// The bytes at both ends, hashed.
    ///
    /// - Throws: `CollectFailure`; `unreadable` where it ends before its size, as on a damaged card, and `changed` where
    ///   that is because it was cut meanwhile.
    package func sentinel(
        of file: borrowing OwnedDescriptor, stamp: FileStamp
    ) throws(CollectFailure) -> Sentinel {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 2 * Sentinel.length, alignment: 4096)
        defer { buffer.deallocate() }
        let headBytes = Int(min(Int64(Sentinel.length), stamp.size))
        let tailBytes = Int(min(Int64(Sentinel.length), stamp.size - Int64(headBytes)))
        let head = UnsafeMutableRawBufferPointer(rebasing: buffer[..<headBytes])
        let tail = UnsafeMutableRawBufferPointer(rebasing: buffer[headBytes..<headBytes + tailBytes])
        guard try fill(head, from: file, at: 0), try fill(tail, from: file, at: stamp.size - Int64(tailBytes)) else {
            try requireUnchanged(file, stamp)
            throw .unreadable(file.failure("read", code: EIO))
        }
        let ends = UnsafeRawBufferPointer(rebasing: buffer[..<(headBytes + tailBytes)])
        return Sentinel(digest: .sha256(of: ends))
    }

    /// SHA-256 of `span` of `file`; that of what is there where the file ends before.
    func digest(
        of span: ByteSpan, in file: borrowing OwnedDescriptor, _ pool: BlockPool
    ) throws(CollectFailure) -> ContentDigest {
        let hasher = SHA256Hasher()
        try forEachBlock(of: span, in: file, pool) { (block, count, _) in
            hasher.update(UnsafeRawBufferPointer(block.part(count)))
        }
        return hasher.finalize()
    }

    /// `hashing` goes on with `span` of `file`, a part whose digest is known.
    func addToWhole(
        _ span: ByteSpan, of file: borrowing OwnedDescriptor, _ hashing: ContentHashing
    ) throws(CollectFailure) {
        try forEachBlock(of: span, in: file, hashing.pool) { (block, count, offset) in
            hashing.addToWhole(block, count, at: offset)
        }
    }

    private func forEachBlock(
        of span: ByteSpan, in file: borrowing OwnedDescriptor, _ pool: BlockPool,
        _ body: (ReadingBlock, Int, Int64) -> Void
    ) throws(CollectFailure) {
        var offset = span.offset
        while offset < span.end {
            if isCancelled() { throw .cancelled }
            let wanted = Int(min(Self.blockBytes, span.end - offset))
            let block = pool.take()
            guard try fill(block.part(wanted), from: file, at: offset) else { return }
            body(block, wanted, offset)
            offset += Int64(wanted)
        }
    }

    /// Whether `block` was filled; not where the file ends before.
    func fill(
        _ block: UnsafeMutableRawBufferPointer, from file: borrowing OwnedDescriptor, at offset: Int64
    ) throws(CollectFailure) -> Bool {
        do throws(FileAccessError) {
            return try file.read(into: block, at: offset) == block.count
        } catch {
            throw CollectFailure(source: error)
        }
    }

    func requireUnchanged(
        _ file: borrowing OwnedDescriptor, _ stamp: FileStamp
    ) throws(CollectFailure) {
        let now: FileStamp
        do throws(FileAccessError) { now = try file.status().stamp } catch { throw CollectFailure(source: error) }
        guard now.agrees(with: stamp) else { throw .changed }
    }
}
