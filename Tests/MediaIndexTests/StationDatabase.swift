import EvidenceModel
import GRDB
import MediaIndex
import StationTesting

/// A catalogue in memory, and recordings that a seed makes.
struct StationDatabase {
    let queue: DatabaseQueue
    let catalogue = Catalogue()

    init() throws {
        queue = try DatabaseQueue()
        var migrator = DatabaseMigrator()
        CatalogueSchema.registerMigrations(in: &migrator)
        try migrator.migrate(queue)
    }

    func insert(_ recording: Recording) throws {
        try queue.write { database in
            try catalogue.insert(recording, in: database)
            if recording.facts != nil { try catalogue.describe(recording, at: recording.collectedAt, in: database) }
        }
    }

    func recording(_ id: RecordingID) throws -> Recording? {
        try queue.read { try catalogue.recording(id, in: $0) }
    }

    func page(_ query: RecordingQuery) throws -> RecordingPage { try queue.read { try catalogue.page(query, in: $0) } }
}

extension SeededRandom {
    mutating func digest() -> ContentDigest {
        let bytes = (0..<4).flatMap { _ in withUnsafeBytes(of: next()) { [UInt8]($0) } }
        guard let digest = ContentDigest(bytes: bytes) else { preconditionFailure("32 bytes are a digest") }
        return digest
    }

    mutating func content(size: Int64 = 5) -> StoredContent {
        let layout = PartLayout(fileOfSize: size)
        return StoredContent(layout: layout, digest: digest(), partDigests: (0..<layout.count).map { _ in digest() })
    }

    mutating func recording(name: RawPath = RawPath("a.mp4"), at milliseconds: Int64? = nil) -> Recording {
        let time = WallTime(millisecondsSince1970: Int64.random(in: 0...1000, using: &self))
        return Recording(
            id: RecordingID(time: time, using: &self), station: "s", content: content(), place: .spool, fileName: name,
            source: "docks", sourcePath: RawPath("DCIM").appending(name),
            startedAt: milliseconds.map(WallTime.init(millisecondsSince1970:)), fileTime: time, collectedAt: time)
    }
}
