import Collector
import CustodyLedger
import EvidenceModel
import FileAccess
import GRDB
import MediaIndex

/// What was read becomes a recording.
extension FileCollection {
    var directPlace: ContentPlace? {
        isSpooled ? nil : .direct(root: root.path, fileSystem: root.fileSystem, path: file.path)
    }

    func sighting(_ sentinel: Sentinel, isWhole: Bool = true) -> Catalogue.Sighting {
        Catalogue.Sighting(
            source: root.source, fileSystem: root.fileSystem, file: file, sentinel: sentinel, isWhole: isWhole)
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
    func catalogue(
        _ read: ReadFile, as id: RecordingID, _ reading: DeviceProfiles.Reading
    ) async throws -> RecordingID {
        let now = Station.now()
        var recording = Recording(
            id: id, station: station.configuration.station.id, content: read.content, place: directPlace ?? .spool,
            fileName: file.path.lastComponent, source: root.source, sourcePath: file.path, device: reading.device,
            officer: reading.officer, fileTime: file.stamp.modifiedAt, collectedAt: now)
        recording.marks = reading.marks
        recording.unreadable = read.unreadable
        if let found = reading.fields[.time], let time = reading.startedAt {
            recording.evidence = [station.evidenceRule(of: recording).named(found.text, time)]
        }
        let sighting = sighting(read.sentinel, isWhole: read.unreadable.isEmpty)
        var copy = id
        CrashPoint.catalogueInsert.reached(.before)
        var outcome = try await write(recording, sighting, copy: copy)
        CrashPoint.catalogueInsert.reached(.after)
        while case .wanted(let other) = outcome {
            let from = copy
            try await spooling { (spool) throws(FileAccessError) in
                // In this order: a crash in between leaves no two copies under one id.
                try spool.setAside(other)
                try spool.reassign(from, to: other)
            }
            copy = other
            outcome = try await write(recording, sighting, copy: copy)
        }
        let known: RecordingID = if case .known(let known) = outcome { known } else { id }
        if isSpooled {
            let sealed = copy
            CrashPoint.spoolSeal.reached(.before)
            try await spooling { (spool) throws(FileAccessError) in
                if known == sealed { try spool.seal(sealed) } else { try spool.discard(sealed) }
            }
            CrashPoint.spoolSeal.reached(.after)
            // Of a file that was read in part, what was begun of it is still wanted.
            if read.unreadable.isEmpty { await discardInterrupted() }
        }
        return known
    }

    /// - Parameter copy: whose copy the spool's partial one is.
    private func write(
        _ recording: Recording, _ sighting: Catalogue.Sighting, copy: RecordingID
    ) async throws -> Catalogued {
        let (station, docking, place, isSpooled) = (station, docking, directPlace, isSpooled)
        return try await station.database.write(durable: true) { database in
            let known = try station.catalogue.recording(withContent: recording.content.digest, in: database)
            if let known {
                if isSpooled && known.id != copy && known.needsCopy(in: station.spool) { return .wanted(by: known.id) }
                if known.id == copy || known.place != .targets {
                    let now = recording.collectedAt
                    try station.catalogue.setPlace(place ?? .spool, of: known.id, at: now, in: database)
                }
            } else {
                var recording = recording
                recording.clockOffset = try station.docks.clockOffset(of: docking, in: database)
                try station.catalogue.insert(station.choosingStart(recording, in: database), in: database)
                try station.ledger.append(station.collectedEvent(recording), in: database)
            }
            let id = known?.id ?? recording.id
            try station.catalogue.insert(sighting, of: id, at: recording.collectedAt, in: database)
            try station.docks.add(
                id, path: recording.sourcePath, docking: docking, isNew: known == nil, in: database)
            return known.map { .known($0.id) } ?? .new
        }
    }
}

extension Recording {
    /// Whether a copy in the spool is wanted: it has none that is whole, and not every target has the recording.
    func needsCopy(in spool: Spool) -> Bool {
        switch place {
        case .spool: !spool.holds(id, size: content.size)
        case .direct: true
        case .targets: state != .verified
        }
    }
}

extension Station {
    fileprivate func collectedEvent(_ recording: Recording) -> LedgerEvent {
        var details: [String: LedgerEvent.Detail] = [
            "size_bytes": .number(recording.content.size), "source": .text(recording.source),
            "path": .text(String(recording.sourcePath.display.prefix(4096))),
        ]
        let unreadable = recording.unreadable.reduce(0) { $0 + $1.length }
        if unreadable > 0 { details["unreadable_bytes"] = .number(unreadable) }
        return event(
            .collected, at: recording.collectedAt, recording: recording.id, digest: recording.content.digest,
            details: details)
    }
}
