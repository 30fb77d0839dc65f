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
        case collected(RecordingID, DeviceProfiles.Reading)
        /// It was collected from this very file before.
        case known(DeviceProfiles.Reading)
        case failed(CollectFailure)
        case notCatalogued(String)
    }

    let root: WatchedRoot
    let file: SettledFile
    /// What was found on the device when it was docked.
    let signs: DeviceSigns
    let isSpooled: Bool
    let station: Station
    let lane: IOLane
    let progress: ReadProgress

    private struct ReadFile: Sendable {
        var content: StoredContent
        var sentinel: Sentinel
    }

    func run() async -> Outcome {
        let reading = station.profiles.read(path: file.path, volumeLabel: root.label, signs: signs)
        do {
            if let known = try await knownRecording() {
                try await note(known)
                return .known(reading)
            }
            var generator = SystemRandomNumberGenerator()
            let interrupted = isSpooled ? station.spool.interruptedCopy(of: origin) : nil
            let id = interrupted ?? RecordingID(time: Station.now(), using: &generator)
            let read = try await self.read(as: id)
            do {
                return .collected(try await catalogue(read, as: id, reading), reading)
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

    /// Takes back a copy that did not get into the catalogue; where that cannot be told for sure, it stays.
    private func discard(_ id: RecordingID) async {
        let catalogue = station.catalogue
        guard isSpooled, let known = try? await station.database.read({ try catalogue.recording(id, in: $0) != nil }),
            !known
        else { return }
        try? station.spool.discard(id)
    }

    /// The recording that was collected from this very file, as far as stamp and both ends can tell.
    private func knownRecording() async throws -> RecordingID? {
        let (catalogue, root, file) = (station.catalogue, root, file)
        let isLikely = try await station.database.read {
            try catalogue.mayHaveSeen(file, source: root.source, fileSystem: root.fileSystem, in: $0)
        }
        guard isLikely else { return nil }
        let sentinel = try await lane.run { () throws(CollectFailure) in
            try Self.opening(file, in: root) { (opened) throws(CollectFailure) in
                try ContentReader().sentinel(of: opened, stamp: file.stamp)
            }
        }
        let sighting = sighting(sentinel)
        let (isSpooled, spool) = (isSpooled, station.spool)
        return try await station.database.read { database in
            guard let known = try catalogue.recording(seenAt: sighting, in: database) else { return nil }
            // A source that was collected in place and is now copied: the copy is still to be made.
            guard isSpooled, let recording = try catalogue.recording(known, in: database) else { return known }
            // Nor is a copy that was lost from the spool and is still needed.
            return recording.place == .spool && spool.holds(known, size: recording.content.size) ? known : nil
        }
    }

    private func note(_ known: RecordingID) async throws {
        let (station, root, path, place) = (station, root, file.path, directPlace)
        try await station.database.write(durable: false) { database in
            try station.docks.add(known, path: path, root: root, in: database)
            if let place { try station.catalogue.setPlace(place, of: known, in: database) }
        }
    }

    private func read(as id: RecordingID) async throws -> ReadFile {
        let (root, file, spool, origin) = (root, file, station.spool, origin)
        let (isSpooled, progress) = (isSpooled, progress)
        return try await lane.run { () throws(CollectFailure) in
            let reader = ContentReader(isCancelled: { Task.isCancelled }, progress: { progress.set($0) })
            return try Self.opening(file, in: root) { (opened) throws(CollectFailure) in
                let content =
                    isSpooled
                    ? try spool.copy(opened, of: origin, as: id, with: reader)
                    : try reader.read(opened, stamp: file.stamp)
                return ReadFile(content: content, sentinel: try reader.sentinel(of: opened, stamp: file.stamp))
            }
        }
    }

    private var origin: CopyOrigin { CopyOrigin(source: root.source, fileSystem: root.fileSystem, file: file) }

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

    private var directPlace: ContentPlace? {
        isSpooled ? nil : .direct(root: root.path, fileSystem: root.fileSystem, path: file.path)
    }

    private func sighting(_ sentinel: Sentinel) -> Catalogue.Sighting {
        Catalogue.Sighting(source: root.source, fileSystem: root.fileSystem, file: file, sentinel: sentinel)
    }

    private enum Catalogued: Sendable {
        case new
        case known(RecordingID)
        /// The content is known, but lies only where a recorder wrote it, which may go: the spool's copy is wanted.
        case wanted(by: RecordingID)
    }

    /// Puts the recording, its sighting and the ledger's entry into the database as one fact, and then the spool's copy
    /// under its final name. The same content again is a sighting of the recording that is there.
    ///
    /// - Returns: the recording that the file is now.
    private func catalogue(
        _ read: ReadFile, as id: RecordingID, _ reading: DeviceProfiles.Reading
    ) async throws -> RecordingID {
        let now = Station.now()
        var recording = Recording(
            id: id, station: station.configuration.station.id, content: read.content, place: directPlace ?? .spool,
            fileName: file.path.lastComponent, source: root.source, sourcePath: file.path, device: reading.device,
            officer: reading.officer, fileTime: file.stamp.modifiedAt, collectedAt: now)
        recording.marks = reading.marks
        if let found = reading.fields[.time], let time = reading.startedAt {
            recording.evidence = [station.evidenceRule(of: recording).named(found.text, time)]
        }
        var copy = id
        var outcome = try await write(recording, sighting(read.sentinel), copy: copy)
        while case .wanted(let other) = outcome {
            try station.spool.reassign(copy, to: other)
            try station.spool.setAside(other)
            copy = other
            outcome = try await write(recording, sighting(read.sentinel), copy: copy)
        }
        let known: RecordingID = if case .known(let known) = outcome { known } else { id }
        if isSpooled {
            if known == copy { try station.spool.seal(copy) } else { try station.spool.discard(copy) }
            // The file is collected: what was begun of an older one under its name is wanted no more.
            try? station.spool.discardInterrupted(of: origin, except: nil)
        }
        return known
    }

    /// - Parameter copy: whose copy the spool's partial one is.
    private func write(
        _ recording: Recording, _ sighting: Catalogue.Sighting, copy: RecordingID
    ) async throws -> Catalogued {
        let (station, root, place, isSpooled) = (station, root, directPlace, isSpooled)
        return try await station.database.write(durable: true) { database in
            let known = try station.catalogue.recording(withContent: recording.content.digest, in: database)
            if let known {
                let isHeld = known.place == .spool && station.spool.holds(known.id, size: known.content.size)
                if isSpooled && !isHeld && known.id != copy { return .wanted(by: known.id) }
                try station.catalogue.setPlace(place ?? .spool, of: known.id, in: database)
            } else {
                var recording = recording
                recording.clockOffset = try station.docks.clockOffset(at: root, in: database)
                try station.catalogue.insert(station.choosingStart(recording), in: database)
                try station.ledger.append(station.collectedEvent(recording), in: database)
            }
            let id = known?.id ?? recording.id
            try station.catalogue.insert(sighting, of: id, at: recording.collectedAt, in: database)
            try station.docks.add(id, path: recording.sourcePath, root: root, in: database)
            return known.map { .known($0.id) } ?? .new
        }
    }
}

extension Station {
    fileprivate func collectedEvent(_ recording: Recording) -> LedgerEvent {
        event(
            .collected, at: recording.collectedAt, recording: recording.id, digest: recording.content.digest,
            details: [
                "size_bytes": .number(recording.content.size), "source": .text(recording.source),
                "path": .text(String(recording.sourcePath.display.prefix(4096))),
            ])
    }
}
