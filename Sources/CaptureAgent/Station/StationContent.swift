import Collector
import ContentHash
import EvidenceModel
import FileAccess
import Glibc
import MediaIndex
import SyncEngine

/// Reads the bytes of recordings from wherever they lie on the station, on the lane of that place.
struct StationContent: ContentSource {
    private let station: Station
    private let pool = PartPool()
    /// Two, so that a read that waits for the disk does not hold up another.
    private let spoolLanes = [IOLane(label: "spool 0"), IOLane(label: "spool 1")]

    init(station: Station) {
        self.station = station
    }

    func read(_ recording: RecordingID, _ span: ByteSpan) async throws(TargetFailure) -> PartBytes {
        let found = try await self.recording(recording)
        let lane = spoolLanes[Int(span.offset / found.content.layout.partSize) % spoolLanes.count]
        return try await access(found, spoolLane: lane) { (file) throws(FileAccessError) in
            let bytes = try pool.bytes(atMost: Int(span.length)) { (memory) throws(FileAccessError) in
                try file.read(into: memory, at: span.offset)
            }
            file.adviseDone(span)
            return bytes
        }
    }

    /// Opens the recording's bytes on the lane of their place and hands them to `body`, which may block.
    func access<Result: Sendable>(
        _ recording: Recording,
        _ body: @Sendable @escaping (borrowing OwnedDescriptor) throws(FileAccessError) -> Result
    ) async throws(TargetFailure) -> Result {
        try await access(recording, spoolLane: spoolLanes[0], body)
    }

    /// Opens the recording's bytes for reading; closed on the lane of their place, so that a card that hangs keeps no
    /// thread of anybody else.
    func open(_ recording: Recording) async throws(TargetFailure) -> OwnedDescriptor {
        let number = try await access(recording) { (file) throws(FileAccessError) in
            // A noncopyable value does not cross tasks; its duplicate's number does.
            let copy = fcntl(file.number, F_DUPFD_CLOEXEC, 0)
            guard copy >= 0 else { throw file.failure("fcntl") }
            return copy
        }
        return OwnedDescriptor(adopting: number, path: recording.fileName, closingOn: lane(of: recording))
    }

    /// None where the place has gone meanwhile.
    private func lane(of recording: Recording) -> IOLane? {
        switch recording.place {
        case .spool: spoolLanes[0]
        case .direct(let path, let fileSystem, _): station.roots.entry(at: path, fileSystem: fileSystem)?.lane
        case .targets: nil
        }
    }

    private func recording(_ id: RecordingID) async throws(TargetFailure) -> Recording {
        let catalogue = station.catalogue
        let found: Recording?
        do {
            found = try await station.database.read { try catalogue.recording(id, in: $0) }
        } catch {
            throw TargetFailure(kind: .stationFault, sentence: "the catalogue cannot be read: \(error)")
        }
        guard let found else {
            throw TargetFailure(kind: .sourceUnavailable, sentence: "recording \(id) is not in the catalogue")
        }
        return found
    }

    private func access<Result: Sendable>(
        _ recording: Recording, spoolLane: IOLane,
        _ body: @Sendable @escaping (borrowing OwnedDescriptor) throws(FileAccessError) -> Result
    ) async throws(TargetFailure) -> Result {
        do throws(FileAccessError) {
            switch recording.place {
            case .spool:
                let spool = station.spool
                return try await spoolLane.run { () throws(FileAccessError) in try body(spool.open(recording.id)) }
            case .direct(let path, let fileSystem, let name):
                guard let entry = station.roots.entry(at: path, fileSystem: fileSystem) else {
                    throw FileAccessError(call: "open", path: path, code: ENODEV)
                }
                return try await entry.lane.run { () throws(FileAccessError) in
                    try body(DirectoryTree(entry.root).file(name))
                }
            case .targets: throw FileAccessError(call: "open", path: RawPath(recording.id.text), code: ENOENT)
            }
        } catch {
            throw TargetFailure(
                kind: .sourceUnavailable, sentence: "recording \(recording.id) cannot be read on the station: \(error)")
        }
    }
}
