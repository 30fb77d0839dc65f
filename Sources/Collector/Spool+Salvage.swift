package import EvidenceModel
package import FileAccess
import Glibc

/// What could be read of a broken file.
package struct Salvaged: Sendable, Hashable {
    /// Of the copy: bytes that could not be read are zeros in it.
    package var content: StoredContent
    /// Bytes that could not be read, ascending; those that touch are one span. None where the file proved whole.
    package var unreadable: [ByteSpan]
}

extension Spool {
    /// Copies what can be read of `file` in as a partial copy of `id`, and zeros where nothing can be; durable when it
    /// returns. `SalvageMachine` says how often a byte is asked for. At the end something that was readable must be so
    /// still, past the page cache: else it is the device that is gone, and no byte of it is called broken.
    ///
    /// - Parameter isAlive: whether the device still answers with something; asked where not one byte of the
    ///   file could be read.
    /// After it has returned `id` is the caller's, as after `copy`.
    ///
    /// - Throws: `CollectFailure`; nothing is then left in the spool. `unreadable` where not one byte could be read of a
    ///   device that answers: zeros alone are no recording.
    package func salvage(
        _ file: borrowing OwnedDescriptor, stamp: FileStamp, as id: RecordingID, with reader: ContentReader,
        isAlive: () -> Bool
    ) throws(CollectFailure) -> Salvaged {
        try claim(id)
        do throws(CollectFailure) {
            let salvaged = try salvageClaimed(file, stamp, as: id, with: reader, isAlive)
            running.end(id, isComplete: true)
            return salvaged
        } catch {
            running.end(id, isComplete: false)
            throw error
        }
    }

    private func salvageClaimed(
        _ file: borrowing OwnedDescriptor, _ stamp: FileStamp, as id: RecordingID, with reader: ContentReader,
        _ isAlive: () -> Bool
    ) throws(CollectFailure) -> Salvaged {
        try requireDisk(for: stamp, file.path)
        try spooling(needed(stamp.size)) { () throws(FileAccessError) in try discardUnlocked(id) }
        try requireRoom(stamp.size, for: id)
        do throws(CollectFailure) {
            let partial = try spooling(needed(stamp.size)) { () throws(FileAccessError) in
                let partial = try openPartial(id, isNew: true)
                // What nothing is written to reads as zeros.
                try partial.file.truncate(to: stamp.size)
                return partial
            }
            let unreadable = try salvage(file, stamp, into: partial.file, as: id, with: reader)
            if let failure = unreadable.failure {
                try requireLife(of: file, stamp, unreadable.spans, failure, isAlive)
            }
            try reader.requireUnchanged(file, stamp)
            let content = try digests(of: partial.file, with: reader)
            try spooling(needed(stamp.size)) { () throws(FileAccessError) in
                try partial.file.synchronize()
                try directory.synchronize()
            }
            return Salvaged(content: content, unreadable: unreadable.spans)
        } catch {
            try? discard(id)
            throw error
        }
    }

    /// What could not be read, and what the last failure was; none where everything could be read in the end.
    private typealias Unreadable = (spans: [ByteSpan], failure: FileAccessError?)

    private func salvage(
        _ file: borrowing OwnedDescriptor, _ stamp: FileStamp, into copy: borrowing OwnedDescriptor,
        as id: RecordingID, with reader: ContentReader
    ) throws(CollectFailure) -> Unreadable {
        var machine = SalvageMachine(bytes: stamp.size)
        var last: FileAccessError?
        let buffer = UnsafeMutableRawBufferPointer.allocate(
            byteCount: Int(SalvageMachine.pieceBytes[0]), alignment: 4096)
        defer { buffer.deallocate() }
        // Reading ahead would run into the broken places, each for seconds.
        file.adviseRandom()
        while let span = machine.next {
            if reader.isCancelled() { throw .cancelled }
            let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[..<Int(span.length)])
            if let failure = try Self.read(piece, of: file, at: span.offset) {
                last = failure
                machine.pieceFailed()
            } else {
                try spooling(needed(stamp.size)) { () throws(FileAccessError) in
                    try copy.write(UnsafeRawBufferPointer(piece), at: span.offset)
                }
                running.wrote(span.length, of: id)
                machine.pieceRead()
            }
            file.adviseDone(span)
            reader.progress(machine.readBytes)
        }
        let spans = machine.unreadable
        return (spans, spans.isEmpty ? nil : last)
    }

    /// Why `piece` could not be read, where only these bytes may be to blame; nothing when it was.
    private static func read(
        _ piece: UnsafeMutableRawBufferPointer, of file: borrowing OwnedDescriptor, at offset: Int64
    ) throws(CollectFailure) -> FileAccessError? {
        do throws(FileAccessError) {
            // A file that ends before its size does not give what its directory promises.
            return try file.read(into: piece, at: offset) == piece.count ? nil : file.failure("read", code: EIO)
        } catch {
            guard error.meaning == .medium else { throw CollectFailure(source: error) }
            return error
        }
    }

    /// The device still gives what it gave before, past the page cache. Where that cannot be told it counts as gone: the
    /// salvage is tried again.
    private func requireLife(
        of file: borrowing OwnedDescriptor, _ stamp: FileStamp, _ unreadable: [ByteSpan], _ failure: FileAccessError,
        _ isAlive: () -> Bool
    ) throws(CollectFailure) {
        guard let span = Self.readableSpan(bytes: stamp.size, unreadable) else {
            throw isAlive() ? .unreadable(failure) : .deviceGone(failure)
        }
        let access = UncachedFile(file)
        defer { access.end(file) }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 4096)
        defer { buffer.deallocate() }
        do throws(SecondReadingFailure) {
            if try access.read(span, of: file, into: buffer) { return }
        } catch {
            // Nor does a page that the kernel does not let go of: it proves nothing.
        }
        throw .deviceGone(failure)
    }

    /// The first bytes, a page at most, that could be read; nothing where none could.
    private static func readableSpan(bytes: Int64, _ unreadable: [ByteSpan]) -> ByteSpan? {
        let start = unreadable.first.flatMap { $0.offset == 0 ? $0.end : 0 } ?? 0
        let end = unreadable.first { $0.offset > start }?.offset ?? bytes
        return start < end ? ByteSpan(offset: start, length: min(4096, end - start)) : nil
    }

    /// Digests of a copy of ours, read again.
    private func digests(
        of copy: borrowing OwnedDescriptor, with reader: ContentReader
    ) throws(CollectFailure) -> StoredContent {
        let quiet = ContentReader(isCancelled: reader.isCancelled)
        let stamp: FileStamp
        do throws(FileAccessError) { stamp = try copy.status().stamp } catch { throw .spoolFailed(error) }
        return try rereading { () throws(CollectFailure) in try quiet.read(copy, stamp: stamp) }
    }
}
