import Collector
import CustodyLedger
import EvidenceModel
import FileAccess
import GRDB
import MediaIndex

/// Collects one settled file: reads it to its end, makes it durable, and only then puts it into the catalogue.
struct FileCollection: Sendable {
    enum Outcome: Sendable {
        /// It is a recording now, or content that was known from elsewhere.
        ///
        /// `isExchanged`: a file of the same name, size and times was collected here before, and it was another one.
        case collected(RecordingID, DeviceProfiles.Reading, isExchanged: Bool)
        /// So many bytes of it could not be read. The rest is a recording now.
        case salvaged(RecordingID, DeviceProfiles.Reading, unreadableBytes: Int64)
        /// It was collected from this very file before.
        case known(DeviceProfiles.Reading)
        case failed(CollectFailure)
        case notCatalogued(String)
    }

    let root: WatchedRoot
    let docking: Int64
    let file: SettledFile
    /// What was found on the device when it was docked.
    let signs: DeviceSigns
    /// Whether the file could not be read before, so that what can be read of it is wanted.
    let mode: ReadingMode
    let collect: AgentConfiguration.Source.Collect
    let station: Station
    let lane: IOLane
    let progress: ReadProgress

    struct ReadFile: Sendable {
        var content: StoredContent
        var sentinel: Sentinel
        /// Could not be read, and stand there as zeros.
        var unreadable: [ByteSpan] = []
    }

    /// What is read in part goes into the spool whatever the source says: where it lies it cannot be read again.
    var isSpooled: Bool { collect == .spool || mode == .salvage }

    func run() async -> Outcome {
        let reading = station.profiles.read(path: file.path, volumeLabel: root.label, signs: signs)
        do {
            let familiarity = mode == .salvage ? .new : try await familiarity()
            if case .known(let known) = familiarity {
                try await note(known)
                await discardInterrupted()
                return .known(reading)
            }
            var generator = SystemRandomNumberGenerator()
            let new = RecordingID(time: Station.now(), using: &generator)
            let id = await interruptedCopy() ?? new
            CrashPoint.spoolCopy.reached(.before)
            let read = try await self.read(as: id)
            CrashPoint.spoolCopy.reached(.after)
            do {
                let recording = try await catalogue(read, as: id, reading)
                let unreadableBytes = read.unreadable.reduce(0) { $0 + $1.length }
                if unreadableBytes == 0 {
                    return .collected(recording, reading, isExchanged: familiarity == .exchanged)
                }
                return .salvaged(recording, reading, unreadableBytes: unreadableBytes)
            } catch {
                await discard(id)
                throw error
            }
        } catch let failure as CollectFailure {
            return .failed(failure)
        } catch {
            return .notCatalogued("\(error)")
        }
    }

    /// What the spool does waits for its disk: never on the threads that all tasks share.
    func spooling<Result: Sendable>(
        _ body: @Sendable @escaping (Spool) throws(FileAccessError) -> Result
    ) async throws(FileAccessError) -> Result {
        let spool = station.spool
        return try await lane.run { () throws(FileAccessError) in try body(spool) }
    }

    private func interruptedCopy() async -> RecordingID? {
        guard isSpooled, mode == .whole else { return nil }
        let origin = origin
        return try? await spooling { $0.interruptedCopy(of: origin) }
    }

    /// What was begun of an older file of this name is wanted no more.
    func discardInterrupted() async {
        guard isSpooled else { return }
        let origin = origin
        try? await spooling { (spool) throws(FileAccessError) in try spool.discardInterrupted(of: origin, except: nil) }
    }

    /// Takes back a copy that did not get into the catalogue; where that cannot be told for sure, it stays.
    private func discard(_ id: RecordingID) async {
        let catalogue = station.catalogue
        defer { station.spool.giveBack(id) }
        guard isSpooled, let known = try? await station.database.read({ try catalogue.recording(id, in: $0) != nil }),
            !known
        else { return }
        try? await spooling { (spool) throws(FileAccessError) in try spool.discard(id) }
    }

    private enum Familiarity: Sendable, Hashable {
        /// The recording that was collected from this very file, as far as stamp and both ends can tell.
        case known(RecordingID)
        /// Name and stamp are those of a file that was collected, and its ends are not.
        case exchanged
        case new
    }

    private func familiarity() async throws -> Familiarity {
        let (catalogue, root, file) = (station.catalogue, root, file)
        let isLikely = try await station.database.read {
            try catalogue.mayHaveSeen(file, source: root.source, fileSystem: root.fileSystem, in: $0)
        }
        guard isLikely else { return .new }
        let progress = progress
        let sentinel = try await lane.run { () throws(CollectFailure) in
            try progress.asked { () throws(CollectFailure) in
                try Self.opening(file, in: root) { (opened) throws(CollectFailure) in
                    try ContentReader().sentinel(of: opened, stamp: file.stamp)
                }
            }
        }
        let sighting = sighting(sentinel)
        let (isSpooled, spool) = (isSpooled, station.spool)
        return try await station.database.read { database in
            guard let known = try catalogue.recording(seenAt: sighting, in: database) else { return .exchanged }
            // A source that was collected in place and is now copied: the copy is still to be made.
            guard isSpooled, let recording = try catalogue.recording(known, in: database) else { return .known(known) }
            // Nor is a copy that was lost from the spool and is still needed.
            return recording.needsCopy(in: spool) ? .new : .known(known)
        }
    }

    private func note(_ known: RecordingID) async throws {
        let (station, docking, path, place, now) = (station, docking, file.path, directPlace, Station.now())
        try await station.database.write(durable: false) { database in
            try station.docks.add(known, path: path, docking: docking, isNew: false, in: database)
            if let place { try station.catalogue.setPlace(place, of: known, at: now, in: database) }
        }
    }

    private func read(as id: RecordingID) async throws -> ReadFile {
        let (collection, progress) = (self, progress)
        let reader = ContentReader(isCancelled: { Task.isCancelled }, progress: { progress.set($0) })
        return try await lane.run { () throws(CollectFailure) in
            try progress.asked { () throws(CollectFailure) in
                try Self.opening(collection.file, in: collection.root) { (opened) throws(CollectFailure) in
                    switch collection.mode {
                    case .whole: try collection.readWhole(opened, as: id, with: reader)
                    case .salvage: try collection.salvage(opened, as: id, with: reader)
                    }
                }
            }
        }
    }

    private func readWhole(
        _ opened: borrowing OwnedDescriptor, as id: RecordingID, with reader: ContentReader
    ) throws(CollectFailure) -> ReadFile {
        let content =
            isSpooled
            ? try station.spool.copy(opened, of: origin, as: id, with: reader)
            : try reader.read(opened, stamp: file.stamp)
        return ReadFile(content: content, sentinel: try reader.sentinel(of: opened, stamp: file.stamp))
    }

    private func salvage(
        _ opened: borrowing OwnedDescriptor, as id: RecordingID, with reader: ContentReader
    ) throws(CollectFailure) -> ReadFile {
        let root = root
        let salvaged = try station.spool.salvage(opened, stamp: file.stamp, as: id, with: reader) {
            (try? DirectoryTree(root).directory(RawPath("")).names()) != nil
        }
        let copy: OwnedDescriptor
        do throws(FileAccessError) { copy = try station.spool.open(id) } catch { throw .spoolFailed(error) }
        // The ends as they are in the copy: on the device they may not be readable.
        let sentinel = try reader.sentinel(of: copy, stamp: file.stamp)
        return ReadFile(content: salvaged.content, sentinel: sentinel, unreadable: salvaged.unreadable)
    }

    var origin: CopyOrigin { CopyOrigin(source: root.source, fileSystem: root.fileSystem, file: file) }

    private static func opening<Result>(
        _ file: SettledFile, in root: WatchedRoot,
        _ body: (borrowing OwnedDescriptor) throws(CollectFailure) -> Result
    ) throws(CollectFailure) -> Result {
        let opened: OwnedDescriptor
        do throws(FileAccessError) {
            opened = try DirectoryTree(root).file(file.path)
        } catch {
            throw CollectFailure(source: error)
        }
        return try body(opened)
    }
}
