import EvidenceModel
import FileAccess
import Glibc

/// Whether a device still holds what a copy was begun of.
extension Spool {
    /// Up to where the copy of `file` that was cut is on the device as it is here; nothing where the device holds something
    /// else now.
    ///
    /// What lies here behind the last part with a digest must be read from the device again in any case. It is compared
    /// on the way, and so much of the end of that last part that both together make a part: no more is read twice. Where
    /// what lies behind differs, either a power cut tore it here or the device holds another file, and then all of the
    /// last part decides, which the digest vouches for.
    ///
    /// - Parameters:
    ///   - last: the last part that has the digest of then; `hashing` has had all up to its end, and has all up to the
    ///     returned offset afterwards.
    ///   - cut: bytes of the copy.
    func provenEnd(
        of copy: borrowing OwnedDescriptor, from file: borrowing OwnedDescriptor, behind last: ByteSpan,
        cutAt cut: Int64, into hashing: ContentHashing, with reader: ContentReader
    ) throws(CollectFailure) -> Int64? {
        let unfinished = unfinishedSpan(behind: last, cutAt: cut, hashing.layout)
        let tailBytes = min(last.length, max(Int64(Sentinel.length), last.length - unfinished.length))
        let tail = ByteSpan(offset: last.end - tailBytes, length: tailBytes)
        guard try agrees(tail, of: copy, with: file, hashing, reader) else { return nil }
        let end = try addWhatAgrees(in: unfinished, of: copy, with: file, to: hashing, reader)
        if end == unfinished.end { return end }
        let rest = ByteSpan(offset: last.offset, length: last.length - tailBytes)
        return try agrees(rest, of: copy, with: file, hashing, reader) ? end : nil
    }

    /// A part at most, in whole blocks: reading goes on where one begins.
    private func unfinishedSpan(behind last: ByteSpan, cutAt cut: Int64, _ layout: PartLayout) -> ByteSpan {
        let length = min(max(cut - last.end, 0), layout.partSize, layout.size - last.end)
        let isToEnd = last.end + length == layout.size
        return ByteSpan(
            offset: last.end, length: isToEnd ? length : length / ContentReader.blockBytes * ContentReader.blockBytes)
    }

    private func agrees(
        _ span: ByteSpan, of copy: borrowing OwnedDescriptor, with file: borrowing OwnedDescriptor,
        _ hashing: ContentHashing, _ reader: ContentReader
    ) throws(CollectFailure) -> Bool {
        let here = try rereading { () throws(CollectFailure) in try reader.digest(of: span, in: copy, hashing.pool) }
        return try reader.digest(of: span, in: file, hashing.pool) == here
    }

    /// Hands `hashing` the blocks of `span` up to the first that is not the same in both; where that begins.
    private func addWhatAgrees(
        in span: ByteSpan, of copy: borrowing OwnedDescriptor, with file: borrowing OwnedDescriptor,
        to hashing: ContentHashing, _ reader: ContentReader
    ) throws(CollectFailure) -> Int64 {
        defer { hashing.wait() }
        let own = hashing.pool.take()
        var offset = span.offset
        while offset < span.end {
            if reader.isCancelled() { throw .cancelled }
            let count = Int(min(ContentReader.blockBytes, span.end - offset))
            let block = hashing.pool.take()
            // One that ends here is found out by the reading that goes on.
            guard try reader.fill(block.part(count), from: file, at: offset) else { return offset }
            let isHere = try rereading { () throws(CollectFailure) in
                try reader.fill(own.part(count), from: copy, at: offset)
            }
            guard isHere, Self.areEqual(block.part(count), own.part(count)) else { return offset }
            hashing.add(block, count, at: offset)
            file.adviseDone(ByteSpan(offset: offset, length: Int64(count)))
            offset += Int64(count)
            reader.progress(offset)
        }
        return offset
    }

    private static func areEqual(
        _ one: UnsafeMutableRawBufferPointer, _ other: UnsafeMutableRawBufferPointer
    ) -> Bool {
        guard let mine = one.baseAddress, let theirs = other.baseAddress else { return one.isEmpty }
        return memcmp(mine, theirs, one.count) == 0
    }
}
