import ContentHash
package import EvidenceModel
package import FileAccess
import Glibc

/// Why a file could not be collected.
package enum CollectFailure: Error, Sendable, Hashable {
    /// It is not the file that settled any more: another size or time than then.
    case changed
    /// It is no longer there, or no longer a regular file.
    case vanished
    /// The device it is on is gone.
    case deviceGone(FileAccessError)
    /// The medium, or a permission, does not let it be read.
    case unreadable(FileAccessError)
    /// The spool has no room; so many bytes are needed.
    case spoolFull(bytes: Int64)
    /// The spool cannot be written.
    case spoolFailed(FileAccessError)
    /// The caller asked to stop.
    case cancelled

    /// What an error on the source means.
    package init(source error: FileAccessError) {
        switch error.meaning {
        case .gone: self = .deviceGone(error)
        case .missing: self = .vanished
        case .forbidden, .full, .medium: self = .unreadable(error)
        }
    }
}

/// Reads a file once, from its first byte to its last, and hashes the whole and every part on the way.
package struct ContentReader: Sendable {
    /// Bytes per read: large enough that a card streams, small enough to stay in the processor's cache while it is
    /// hashed twice and copied.
    private static let blockBytes = 1 << 20

    /// Asked between blocks.
    private let isCancelled: @Sendable () -> Bool
    /// Told the bytes read so far, after each block.
    private let progress: @Sendable (Int64) -> Void

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
        try requireUnchanged(file, stamp)
        file.adviseSequential()
        let layout = PartLayout(fileOfSize: stamp.size)
        let whole = SHA256Hasher()
        let part = SHA256Hasher()
        var parts: [ContentDigest] = []
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.blockBytes, alignment: 4096)
        defer { buffer.deallocate() }
        var offset: Int64 = 0
        while offset < stamp.size {
            if isCancelled() { throw .cancelled }
            let wanted = Int(min(Int64(Self.blockBytes), stamp.size - offset))
            let block = UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted])
            guard try fill(block, from: file, at: offset) else {
                // It ends before its size: it was cut, or the medium does not give what its directory promises.
                try requireUnchanged(file, stamp)
                throw .unreadable(file.failure("read", code: EIO))
            }
            whole.update(UnsafeRawBufferPointer(block))
            part.update(UnsafeRawBufferPointer(block))
            try keep(UnsafeRawBufferPointer(block), offset)
            file.adviseDone(ByteSpan(offset: offset, length: Int64(wanted)))
            offset += Int64(wanted)
            // Part sizes are whole MiB, so that a part ends where a block does.
            if offset.isMultiple(of: layout.partSize) || offset == stamp.size { parts.append(part.finishAndReset()) }
            progress(offset)
        }
        try requireUnchanged(file, stamp)
        return StoredContent(layout: layout, digest: whole.finalize(), partDigests: parts)
    }

    /// The bytes at both ends, hashed.
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
            throw .changed
        }
        let ends = UnsafeRawBufferPointer(rebasing: buffer[..<(headBytes + tailBytes)])
        return Sentinel(digest: .sha256(of: ends))
    }

    private func fill(
        _ block: UnsafeMutableRawBufferPointer, from file: borrowing OwnedDescriptor, at offset: Int64
    ) throws(CollectFailure) -> Bool {
        do throws(FileAccessError) {
            return try file.read(into: block, at: offset) == block.count
        } catch {
            throw CollectFailure(source: error)
        }
    }

    private func requireUnchanged(
        _ file: borrowing OwnedDescriptor, _ stamp: FileStamp
    ) throws(CollectFailure) {
        let now: FileStamp
        do throws(FileAccessError) { now = try file.status().stamp } catch { throw CollectFailure(source: error) }
        guard now.agrees(with: stamp) else { throw .changed }
    }
}
