import ContentHash
import EvidenceModel
import GRDB
import MediaIndex

/// The catalogue in a database opened as the agent opens it: write-ahead log, `synchronous` FULL where it says durable.
struct CatalogueBenchmark {
    private let pool: DatabasePool
    private let catalogue = Catalogue()
    private let sizes: Sizes

    init(folder: String, sizes: Sizes) throws {
        var configuration = Configuration()
        configuration.prepareDatabase { try $0.execute(sql: "PRAGMA synchronous = NORMAL") }
        pool = try DatabasePool(path: folder + "/station.sqlite", configuration: configuration)
        self.sizes = sizes
        var migrator = DatabaseMigrator()
        CatalogueSchema.registerMigrations(in: &migrator)
        try migrator.migrate(pool)
    }

    func run() throws -> [Result] {
        var inserting: [Cost] = []
        var describing: [Cost] = []
        for run in 0..<Sizes.runs {
            let recordings = (run * sizes.recordings..<(run + 1) * sizes.recordings).map(Self.recording)
            inserting.append(try inBatches(recordings) { try catalogue.insert($0, in: $1) })
            describing.append(
                try inBatches(recordings) { try catalogue.describe($0, at: $0.collectedAt, in: $1) })
        }
        let queries = try queries()
        var lonely: [Cost] = []
        for run in 0..<Sizes.runs {
            let first = Sizes.runs * sizes.recordings + run * sizes.lonelyRecordings
            lonely.append(try durably((first..<first + sizes.lonelyRecordings).map(Self.recording)))
        }
        let count = decimalThousands(Sizes.runs * sizes.recordings)
        return [
            rate("catalogue: insert, 1,000 in a transaction", inserting, sizes.recordings),
            rate("catalogue: describe (2 streams, 1 tag), 1,000 in a transaction", describing, sizes.recordings),
            rate("catalogue: insert, each in a durable transaction", lonely, sizes.lonelyRecordings),
        ] + queries.map { time("catalogue: \($0.name), among \(count)", $0.costs, sizes.queries) }
    }

    private func inBatches(_ recordings: [Recording], _ write: (Recording, Database) throws -> Void) throws -> Cost {
        try Measure.cost {
            for start in stride(from: 0, to: recordings.count, by: 1000) {
                try pool.write { database in
                    for recording in recordings[start..<min(start + 1000, recordings.count)] {
                        try write(recording, database)
                    }
                }
            }
        }
    }

    private func durably(_ recordings: [Recording]) throws -> Cost {
        try Measure.cost {
            for recording in recordings {
                try pool.writeWithoutTransaction { database in
                    try database.execute(sql: "PRAGMA synchronous = FULL")
                    try database.inTransaction {
                        try catalogue.insert(recording, in: database)
                        return .commit
                    }
                    try database.execute(sql: "PRAGMA synchronous = NORMAL")
                }
            }
        }
    }

    private func queries() throws -> [(name: String, costs: [Cost])] {
        let recordings = Sizes.runs * sizes.recordings
        var byOfficer: [Cost] = []
        var further: [Cost] = []
        var byID: [Cost] = []
        for run in 0..<Sizes.runs {
            byOfficer.append(try Measure.cost { try pages(run, following: false) })
            further.append(try Measure.cost { try pages(run, following: true) })
            byID.append(
                try Measure.cost {
                    for query in 0..<sizes.queries {
                        let id = Self.id((query * 7919 + run) % recordings)
                        let found = try pool.read { try catalogue.recording(id, in: $0) }
                        precondition(found != nil, "the recording is there")
                    }
                })
        }
        return [
            ("page of 50 by officer", byOfficer), ("the same and the page behind it", further), ("one by its id", byID),
        ]
    }

    private func pages(_ run: Int, following: Bool) throws {
        for number in 0..<sizes.queries {
            var query = RecordingQuery(limit: 50)
            query.officer = Self.officer(number + run)
            let first = try pool.read { [query] in try catalogue.page(query, in: $0) }
            precondition(!first.recordings.isEmpty, "the officer has recordings")
            guard following, let next = first.next else { continue }
            query.after = next
            _ = try pool.read { [query] in try catalogue.page(query, in: $0) }
        }
    }

    // MARK: Made-up recordings

    private static let officers = 200

    private static func officer(_ number: Int) -> String { String(100_000 + number % officers) }

    private static func id(_ number: Int) -> RecordingID {
        RecordingID(
            time: WallTime(millisecondsSince1970: 1_790_000_000_000 + Int64(number)),
            random: (UInt64(number) &* 0x9E37_79B9_7F4A_7C15, UInt64(number)))
    }

    /// A body camera's recording of about 100 MB: 13 parts, two streams, one tag.
    private static func recording(_ number: Int) -> Recording {
        let digest = ContentDigest.sha256(of: Array("content \(number)".utf8))
        let layout = PartLayout(fileOfSize: 104_857_600 + Int64(number))
        let name = "K\(number % 40)_\(officer(number))_\(number).MP4"
        let start = WallTime(millisecondsSince1970: 1_780_000_000_000 + Int64(number) * 60_000)
        let streams = [
            StreamFacts(kind: .video, codec: "h264", widthPixels: 1280, heightPixels: 720, frameRate: 25),
            StreamFacts(kind: .audio, codec: "aac", sampleRateHertz: 48_000, channels: 1),
        ]
        return Recording(
            id: id(number), station: "bench",
            content: StoredContent(
                layout: layout, digest: digest, partDigests: Array(repeating: digest, count: layout.count)),
            place: .spool, fileName: RawPath(name), source: "docks", sourcePath: RawPath("DCIM/100/\(name)"),
            device: "K\(number % 40)", officer: officer(number), startedAt: start, startedAtBasis: .fileName,
            fileTime: start, collectedAt: start.adding(seconds: 3600),
            facts: MediaFacts(
                kind: .video, container: "mp4", durationSeconds: 300, streams: streams, health: .intact),
            tags: [
                Tag(
                    item: "onsite-inspection", by: "rule:body-camera", confidence: 0.5,
                    at: start.adding(seconds: 3600), listVersion: "2026-01")
            ])
    }

    // MARK: Lines

    private func rate(_ subject: String, _ costs: [Cost], _ count: Int) -> Result {
        let perSecond = Double(count) / Measure.median(costs.map(\.wallSeconds))
        return Result(subject: subject, amount: "\(decimalThousands(Int(perSecond))) /s")
    }

    private func time(_ subject: String, _ costs: [Cost], _ count: Int) -> Result {
        let milliseconds = Measure.median(costs.map(\.wallSeconds)) / Double(count) * 1000
        return Result(subject: subject, amount: "\(Report.decimal(milliseconds, 3)) ms")
    }

    private func decimalThousands(_ number: Int) -> String {
        number < 1000 ? String(number) : "\(number / 1000),\(String(1000 + number % 1000).dropFirst())"
    }
}
