package import EvidenceModel
package import FileAccess
import Glibc

/// What the spool keeps beside the copies of recordings, in bytes.
package struct SpoolLeftovers: Sendable, Hashable {
    /// Of copies that were cut and wait for their card.
    package var interruptedBytes: Int64 = 0
    /// Of copies that were not what they should be, and were set aside.
    package var damagedBytes: Int64 = 0

    package init(interruptedBytes: Int64 = 0, damagedBytes: Int64 = 0) {
        self.interruptedBytes = interruptedBytes
        self.damagedBytes = damagedBytes
    }
}

/// The station's own copies of recordings, one file for each, named by its id.
///
/// A copy is written as `<id>.partial` and made durable; then the catalogue says `collected`; then the copy takes its
/// final name. While it is written a journal, `<id>.journal`, says what is copied and how far it is. After a crash a
/// partial copy that the catalogue knows is complete; one that it does not know was never said to be collected, and is
/// gone on with when its source is there again. A file under a final name is never removed here because a catalogue
/// does not know it: that catalogue may be the one that is wrong.
package struct Spool: Sendable {
    let directory: DurableDirectory
    /// Bytes that stay free: the station's database lies on the same disk and must be able to go on.
    let floorBytes: Int64
    let begun = BegunCopies()
    let running = RunningCopies()

    /// - Parameter floorBytes: 256 MiB unless a test says otherwise.
    package init(path: RawPath, floorBytes: Int64 = 256 << 20) {
        directory = DurableDirectory(path: path)
        self.floorBytes = floorBytes
    }

    package var path: RawPath { directory.path }

    private static let partial = ".partial"
    private static let journal = ".journal"
    private static let damaged = ".damaged"

    private func finalName(_ id: RecordingID) -> RawPath { RawPath(id.text) }
    func partialName(_ id: RecordingID) -> RawPath { RawPath(id.text + Self.partial) }
    func journalName(_ id: RecordingID) -> RawPath { RawPath(id.text + Self.journal) }

    /// Makes the directory and ends what a crash interrupted. A partial copy that the catalogue does not know stays if
    /// its journal can be read: the card it comes from may never be seen again. One that it knows was made to replace what
    /// lies under the final name, if anything does: that is set aside.
    package func prepare(
        below stateDirectory: RawPath, isCatalogued: (RecordingID) throws -> Bool
    ) throws {
        try directory.create(below: stateDirectory)
        for id in try named(Self.partial) {
            if try isCatalogued(id) {
                try setAside(id)
                try seal(id)
            } else if journal(id) == nil {
                try discard(id)
            }
        }
        for id in try named(Self.journal) where partialBytes(id) == nil { try directory.remove(journalName(id)) }
    }

    private func names() throws(FileAccessError) -> [RawPath] {
        let opened = try OwnedDescriptor.open(absolute: directory.path, flags: O_RDONLY | O_DIRECTORY)
        return try opened.names()
    }

    /// Those that a file is named after, with this ending.
    private func named(_ ending: String) throws(FileAccessError) -> [RecordingID] {
        try names().compactMap { name in
            guard let text = name.text, text.hasSuffix(ending) else { return nil }
            return RecordingID(String(text.dropLast(ending.utf8.count)))
        }
    }

    /// What lies here beside the copies of recordings. Lists the whole spool.
    package func leftovers() throws(FileAccessError) -> SpoolLeftovers {
        var leftovers = SpoolLeftovers()
        for name in try names() {
            guard let text = name.text, let dot = text.firstIndex(of: "."), let id = RecordingID(String(text[..<dot]))
            else { continue }
            let isDamaged = text[dot...].hasPrefix(Self.damaged)
            let isInterrupted = text[dot...] == Self.partial && !running.holds(id)
            // One that is gone by now has no bytes.
            guard isDamaged || isInterrupted, let bytes = try? size(name) else { continue }
            if isDamaged { leftovers.damagedBytes += bytes } else { leftovers.interruptedBytes += bytes }
        }
        return leftovers
    }

    func journaled() throws(FileAccessError) -> [RecordingID] { try named(Self.journal) }

    /// Bytes that can still be put here, the floor among them.
    package func freeBytes() throws(FileAccessError) -> Int64 {
        try directory.freeBytes()
    }

    /// Whether so many bytes, the floor among them (`CollectFailure.spoolFull`), are free beside those that copies on
    /// their way have still to write.
    package func hasFree(bytes: Int64) throws(FileAccessError) -> Bool {
        try freeBytes() - running.reservedBytes >= bytes
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
        try forgetJournal(id)
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
        try forgetJournal(id)
    }

    /// Whether a copy of `id` with so many bytes is there.
    package func holds(_ id: RecordingID, size wanted: Int64) -> Bool {
        guard let file = try? open(id), let found = try? file.status().stamp.size else { return false }
        return found == wanted
    }

    /// A copy that is not what it should be makes room for a new one; it stays, as `<id>.damaged`, `<id>.damaged-2` ….
    package func setAside(_ id: RecordingID) throws(FileAccessError) {
        for number in 1...Self.mostSetAside {
            let name = id.text + Self.damaged + (number == 1 ? "" : "-\(number)")
            do throws(FileAccessError) {
                return try directory.rename(finalName(id), to: RawPath(name))
            } catch {
                if error.meaning == .missing { return }
                guard error.code == EEXIST, number < Self.mostSetAside else { throw error }
            }
        }
    }

    /// Copies of one recording; a disk that spoils more of them must not fill up with them.
    private static let mostSetAside = 100

    /// Removes a partial copy whose content turned out to be there already.
    package func discard(_ id: RecordingID) throws(FileAccessError) {
        try directory.remove(partialName(id))
        try forgetJournal(id)
    }

    /// Removes the copy of `id`, which lies at the targets by now, to make room; gone for good when this returns.
    ///
    /// - Returns: the bytes it had; 0 where there was none.
    package func remove(_ id: RecordingID) throws(FileAccessError) -> Int64 {
        let bytes: Int64
        do throws(FileAccessError) {
            bytes = try size(finalName(id))
        } catch {
            guard error.meaning == .missing else { throw error }
            return 0
        }
        try directory.remove(finalName(id))
        return bytes
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

    /// Bytes of the partial copy of `id`, or nothing where there is none.
    func partialBytes(_ id: RecordingID) -> Int64? { try? size(partialName(id)) }

    private func size(_ name: RawPath) throws(FileAccessError) -> Int64 {
        let file = try open(name)
        return try file.status().stamp.size
    }

    private func open(_ name: RawPath) throws(FileAccessError) -> OwnedDescriptor {
        try OwnedDescriptor.open(absolute: directory.path.appending(name), flags: O_RDONLY | O_NOFOLLOW)
    }
}
