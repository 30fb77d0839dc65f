package import EvidenceModel
package import FileAccess
import Glibc

/// The station's own copies of recordings, one file for each, named by its id.
///
/// A copy is written as `<id>.partial` and made durable; then the catalogue says `collected`; then the copy takes its
/// final name. After a crash a partial copy that the catalogue knows is complete, and one that it does not know was
/// never said to be collected and is read again from its source. A file under a final name is never removed here
/// because a catalogue does not know it: that catalogue may be the one that is wrong.
package struct Spool: Sendable {
    private let directory: DurableDirectory
    /// Bytes that stay free: the station's database lies on the same disk and must be able to go on.
    private let floorBytes: Int64

    /// - Parameter floorBytes: 256 MiB unless a test says otherwise.
    package init(path: RawPath, floorBytes: Int64 = 256 << 20) {
        directory = DurableDirectory(path: path)
        self.floorBytes = floorBytes
    }

    package var path: RawPath { directory.path }

    private static let partial = ".partial"

    private func finalName(_ id: RecordingID) -> RawPath { RawPath(id.text) }
    private func partialName(_ id: RecordingID) -> RawPath { RawPath(id.text + Self.partial) }

    /// Makes the directory and ends what a crash interrupted.
    package func prepare(
        below stateDirectory: RawPath, isCatalogued: (RecordingID) throws -> Bool
    ) throws {
        try directory.create(below: stateDirectory)
        let opened = try OwnedDescriptor.open(absolute: directory.path, flags: O_RDONLY | O_DIRECTORY)
        for name in try opened.names() {
            guard let text = name.text, text.hasSuffix(Self.partial),
                let id = RecordingID(String(text.dropLast(Self.partial.utf8.count)))
            else { continue }
            if try isCatalogued(id) { try seal(id) } else { try directory.remove(name) }
        }
    }

    /// Whether so many bytes, the floor among them (`CollectFailure.spoolFull`), are free.
    package func hasFree(bytes: Int64) throws(FileAccessError) -> Bool {
        try directory.freeBytes() >= bytes
    }

    /// Copies `file` in as a partial copy of `id`, reading it once with `reader`; durable when it returns.
    ///
    /// - Throws: `CollectFailure`; nothing is then left in the spool.
    package func copy(
        _ file: borrowing OwnedDescriptor, stamp: FileStamp, as id: RecordingID, with reader: ContentReader
    ) throws(CollectFailure) -> StoredContent {
        // A damaged card can claim a size that has no sum.
        let sum = stamp.size.addingReportingOverflow(floorBytes)
        let needed = sum.overflow ? .max : sum.partialValue
        do throws(CollectFailure) {
            // A damaged card can claim more than any disk has: that is not waited for, and holds up no other file.
            guard try spooling(needed, { () throws(FileAccessError) in try directory.totalBytes() >= stamp.size })
            else {
                throw CollectFailure.spoolFailed(
                    FileAccessError(call: "copy", path: file.path, code: EFBIG))
            }
            guard try spooling(needed, { () throws(FileAccessError) in try hasFree(bytes: needed) }) else {
                throw CollectFailure.spoolFull(bytes: needed)
            }
            let copy = try openPartial(id, needed)
            let content = try reader.read(file, stamp: stamp) { (block, offset) throws(CollectFailure) in
                try spooling(needed) { () throws(FileAccessError) in try copy.write(block, at: offset) }
            }
            try synchronize(copy, needed)
            return content
        } catch {
            try? directory.remove(partialName(id))
            throw error
        }
    }

    private func openPartial(_ id: RecordingID, _ needed: Int64) throws(CollectFailure) -> OwnedDescriptor {
        do throws(FileAccessError) {
            // What an earlier copy left that could not be removed is no part of this one.
            return try OwnedDescriptor.open(
                absolute: directory.path.appending(partialName(id)), flags: O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW,
                mode: 0o600)
        } catch {
            throw failure(error, needed)
        }
    }

    private func synchronize(_ copy: borrowing OwnedDescriptor, _ needed: Int64) throws(CollectFailure) {
        do throws(FileAccessError) {
            try copy.synchronize()
            try directory.synchronize()
        } catch {
            throw failure(error, needed)
        }
    }

    private func spooling<Result>(
        _ needed: Int64, _ body: () throws(FileAccessError) -> Result
    ) throws(CollectFailure) -> Result {
        do throws(FileAccessError) { return try body() } catch { throw failure(error, needed) }
    }

    private func failure(_ error: FileAccessError, _ needed: Int64) -> CollectFailure {
        error.meaning == .full ? .spoolFull(bytes: needed) : .spoolFailed(error)
    }

    /// The catalogue says `collected`: the copy takes its final name.
    package func seal(_ id: RecordingID) throws(FileAccessError) {
        do throws(FileAccessError) {
            try directory.rename(partialName(id), to: finalName(id))
        } catch {
            // Sealed before the crash that left this second copy: one id is one content. What cannot be that stays.
            guard error.code == EEXIST, try size(partialName(id)) == size(finalName(id)) else { throw error }
            try directory.remove(partialName(id))
        }
    }

    /// The partial copy of `id` becomes that of `other`, which has the same content and no copy here yet.
    ///
    /// A partial copy of `other` that an earlier try left is complete and of the same content: it serves as well.
    package func reassign(_ id: RecordingID, to other: RecordingID) throws(FileAccessError) {
        do throws(FileAccessError) {
            try directory.rename(partialName(id), to: partialName(other))
        } catch {
            guard error.code == EEXIST, try size(partialName(id)) == size(partialName(other)) else { throw error }
            try directory.remove(partialName(id))
        }
    }

    /// Whether a copy of `id` with so many bytes is there.
    package func holds(_ id: RecordingID, size wanted: Int64) -> Bool {
        guard let file = try? open(id), let found = try? file.status().stamp.size else { return false }
        return found == wanted
    }

    /// A copy that is not what it should be makes room for a new one; it stays, as `<id>.damaged`.
    package func setAside(_ id: RecordingID) throws(FileAccessError) {
        do throws(FileAccessError) {
            try directory.rename(finalName(id), to: RawPath(id.text + ".damaged"))
        } catch {
            guard error.meaning == .missing else { throw error }
        }
    }

    /// Removes a partial copy whose content turned out to be there already.
    package func discard(_ id: RecordingID) throws(FileAccessError) {
        try directory.remove(partialName(id))
    }

    /// Opens the copy of `id` for reading.
    package func open(_ id: RecordingID) throws(FileAccessError) -> OwnedDescriptor {
        do throws(FileAccessError) {
            return try open(finalName(id))
        } catch {
            guard error.meaning == .missing else { throw error }
            // The moment between the catalogue's word and the new name.
            return try open(partialName(id))
        }
    }

    private func size(_ name: RawPath) throws(FileAccessError) -> Int64 {
        let file = try open(name)
        return try file.status().stamp.size
    }

    private func open(_ name: RawPath) throws(FileAccessError) -> OwnedDescriptor {
        try OwnedDescriptor.open(absolute: directory.path.appending(name), flags: O_RDONLY | O_NOFOLLOW)
    }
}
