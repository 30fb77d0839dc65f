import EvidenceModel
import GRDB
import MediaIndex
import StationTesting
import Testing

@Suite("Paging")
struct PagingTests {
    private let station: StationDatabase
    private let all: [Recording]

    /// 1,000 recordings: few different times, so that many are equal; a fifth without one.
    init() throws {
        station = try StationDatabase()
        var random = SeededRandom(seed: 9)
        func pick<T>(_ choices: [T]) -> T { choices[Int.random(in: 0..<choices.count, using: &random)] }
        let names = ["a_b.mp4", "a%b.mp4", "aXb.mp4", "A\\b.MP4", "执法1.mp4", "e\u{301}.mp4", "%\u{301}.mp4"]
        var recordings: [Recording] = []
        for _ in 0..<1000 {
            let time = Int64.random(in: -5...20, using: &random)
            var recording = random.recording(name: RawPath(pick(names)), at: pick([nil, time, time, time, time]))
            recording.officer = pick([nil, "1", "2"])
            recording.device = pick([nil, "K1", "K2", "K3"])
            recording.state = pick(RecordingState.allCases)
            if pick([true, false]) {
                recording.facts = MediaFacts(kind: pick(MediaKind.allCases), health: pick(MediaHealth.allCases))
                recording.tags = (0..<pick([0, 1, 3])).map { _ in
                    EvidenceModel.Tag(
                        item: pick(["i1", "i2"]), stage: pick([nil, "s1", "s2"]), caseNumber: pick([nil, "c1", "c2"]),
                        by: "user:x", confidence: 1, at: recording.fileTime, listVersion: "v")
                }
            }
            recordings.append(recording)
        }
        let made = recordings
        let catalogue = station.catalogue
        try station.queue.write { database in
            for recording in made {
                try catalogue.insert(recording, in: database)
                if recording.facts != nil { try catalogue.describe(recording, at: recording.fileTime, in: database) }
            }
        }
        all = made.sorted {
            (order($0), $0.id) > (order($1), $1.id)
        }
    }

    /// The other opinion: no SQL, one recording at a time.
    private func expected(_ query: RecordingQuery) -> [RecordingID] {
        all.filter { recording in
            func holds<Value: Equatable>(_ wanted: Value?, _ value: Value?) -> Bool { wanted == nil || wanted == value }
            if let since = query.since, !(recording.startedAt.map { $0 >= since } ?? false) { return false }
            if let until = query.until, !(recording.startedAt.map { $0 < until } ?? false) { return false }
            if let text = query.text {
                let subject = Array(recording.sourcePath.display.unicodeScalars.map(folded))
                if !subject.contains(Array(text.unicodeScalars.map(folded))) { return false }
            }
            func tagged(_ wanted: String?, _ field: (EvidenceModel.Tag) -> String?) -> Bool {
                wanted == nil || recording.tags.contains { field($0) == wanted }
            }
            return holds(query.officer, recording.officer) && holds(query.device, recording.device)
                && holds(query.state, recording.state) && holds(query.kind, recording.facts?.kind ?? .unknown)
                && holds(query.health, recording.facts?.health) && tagged(query.item, \.item)
                && tagged(query.stage, \.stage) && tagged(query.caseNumber, \.caseNumber)
        }.map(\.id)
    }

    private func folded(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
        scalar.isASCII && scalar.properties.isUppercase ? Unicode.Scalar(UInt8(scalar.value) + 32) : scalar
    }

    private func walk(_ query: RecordingQuery) throws -> [RecordingID] {
        var query = query
        var found: [RecordingID] = []
        for _ in 0...1000 {
            let page = try station.page(query)
            #expect(page.recordings.count <= query.limit)
            found += page.recordings.map(\.id)
            guard let next = page.next else { return found }
            #expect(page.recordings.count == query.limit)
            query.after = RecordingQuery.Cursor(text: next.text)
            #expect(query.after == next)
        }
        Issue.record("the pages have no end")
        return found
    }

    @Test(arguments: [1, 7, 100, 999, 1000, 1001]) func everyRecordingIsOnOnePage(_ limit: Int) throws {
        #expect(try walk(RecordingQuery(limit: limit)) == all.map(\.id))
    }

    @Test func everyFilterAlone() throws {
        let changes: [(inout RecordingQuery) -> Void] = [
            { $0.since = WallTime(millisecondsSince1970: 3) }, { $0.until = WallTime(millisecondsSince1970: 3) },
            { $0.officer = "1" }, { $0.device = "K2" }, { $0.item = "i1" }, { $0.stage = "s2" },
            { $0.caseNumber = "c1" }, { $0.kind = .video }, { $0.kind = .unknown }, { $0.state = .parked },
            { $0.health = .damaged }, { $0.text = "xb" }, { $0.text = "a_b" }, { $0.text = "a%b" },
            { $0.text = "a\\b" }, { $0.text = "执法" }, { $0.text = "%\u{301}" }, { $0.text = "DCIM/a" },
        ]
        for (index, change) in changes.enumerated() {
            var query = RecordingQuery(limit: 17)
            change(&query)
            let found = try walk(query)
            #expect(found == expected(query), "\(index)")
            #expect(!found.isEmpty && found.count < all.count, "\(index)")
        }
        var query = RecordingQuery(limit: 5)
        query.officer = "' OR 1 --"
        #expect(try walk(query) == [])
    }

    @Test func filtersTogether() throws {
        var random = SeededRandom(seed: 10)
        for _ in 0..<150 {
            var query = RecordingQuery(limit: Int.random(in: 1...60, using: &random))
            func maybe<T>(_ choices: [T]) -> T? {
                let place = Int.random(in: 0..<choices.count * 4, using: &random)
                return place < choices.count ? choices[place] : nil
            }
            let times = (-6...21).map { WallTime(millisecondsSince1970: $0) }
            (query.since, query.until) = (maybe(times), maybe(times))
            (query.officer, query.device, query.item) = (maybe(["1", "2"]), maybe(["K1", "K2"]), maybe(["i1", "i2"]))
            (query.stage, query.caseNumber, query.text) = (maybe(["s1"]), maybe(["c1"]), maybe(["a", "_", "mp4"]))
            (query.kind, query.state) = (maybe(MediaKind.allCases), maybe(RecordingState.allCases))
            query.health = maybe(MediaHealth.allCases)
            #expect(try walk(query) == expected(query), "\(query)")
        }
    }

    @Test func alimitThatIsNoneEndsNothing() throws {
        #expect(try station.page(RecordingQuery(limit: 0)).recordings.isEmpty)
        #expect(try station.page(RecordingQuery(limit: -1)).recordings.isEmpty)
        #expect(try station.page(RecordingQuery(limit: .max)).recordings.count == all.count)
    }

    @Test(arguments: [
        ("officer = '1'", "recording_by_officer"), ("device = '1'", "recording_by_device"),
        ("state = 'parked'", "recording_by_state"), ("order_ms >= 5", "recording_by_order"),
        ("1", "recording_by_order"),
        ("officer = '1' AND (order_ms, id) < (5, 'a')", "recording_by_officer"),
        ("(order_ms, id) < (5, 'a')", "recording_by_order"),
    ])
    func pagesComeFromAnIndexInOrder(_ condition: String, _ index: String) throws {
        let plan = try station.queue.read { database in
            try String.fetchAll(
                database,
                sql:
                    "EXPLAIN QUERY PLAN SELECT * FROM recording WHERE \(condition) ORDER BY order_ms DESC, id DESC LIMIT 9",
                adapter: SuffixRowAdapter(fromIndex: 3))
        }
        #expect(plan.count == 1 && plan[0].contains("USING INDEX \(index)"), "\(plan)")
    }
}

private func order(_ recording: Recording) -> Int64 { recording.startedAt?.millisecondsSince1970 ?? .min }
