import EvidenceModel
import GRDB
import StationTesting
import SyncEngine
import Synchronization
import Testing

@Suite("Sweep of orphaned uploads", .timeLimit(.minutes(1)))
struct SweepTests {
    private let now = WallTime(millisecondsSince1970: 1_800_000_000_000)
    private let folder = "recordings/s1/"

    private func upload(_ token: String, key: String? = nil, hours: Double? = 48) -> UnfinishedUpload {
        UnfinishedUpload(
            key: key ?? folder + "2026/01/02/cam/\(token)/a.mp4", token: token,
            startedAt: hours.map { now.adding(seconds: -$0 * 3600) })
    }

    private func sweep(
        _ store: UpkeepStore, known: Set<UnfinishedUpload> = []
    ) async throws(TargetFailure) -> SweepOutcome {
        let sweep = Sweep(target: store, rule: SweepRule(station: "s1"), turns: AlwaysRoom())
        return try await sweep.run { (uploads) async throws(TargetFailure) in known.intersection(uploads) }
    }

    @Test func onlyOldOnesOfThisStationThatNobodyKnowsGo() async throws {
        let orphans = ["a", "m", "z"].map { upload($0) }
        let others = [
            upload("young", hours: 23.9), upload("ageless", hours: nil), upload("known"),
            upload("b", key: "recordings/s10/2026/01/02/cam/b/a.mp4"), upload("c", key: "recordings/s1"),
            upload("d", key: "elsewhere/recordings/s1/a.mp4"), upload("e", key: "recordings/s2/a.mp4"),
            // To Swift the slash and the letter are one character.
            upload("f", key: "recordings/s1/\u{301}/a.mp4", hours: 1),
        ]
        for pageSize in [1, 2, 3, 100] {
            let store = UpkeepStore(.init(uploads: orphans + others), pageSize: pageSize, now: now)
            let outcome = try await sweep(store, known: [others[2]])
            #expect(outcome.givenUp == orphans && outcome.left == [] && outcome.seen == 11)
            #expect(Set(store.contents.uploads) == Set(others))
            #expect(store.contents.done == ["a", "m", "z"])
        }
    }

    @Test func partsThatOutliveItAreGivenUpAgain() async throws {
        let orphans = [upload("three"), upload("undying")]
        let store = UpkeepStore(.init(uploads: orphans, lives: ["three": 3, "undying": 99]), now: now)
        let outcome = try await sweep(store)
        #expect(outcome.givenUp == [orphans[0]] && outcome.left == [orphans[1]])
        #expect(store.contents.done == Array(repeating: "three", count: 3) + Array(repeating: "undying", count: 5))
    }

    @Test func aTargetWithoutAClockKeepsEverything() {
        let page = UnfinishedPage(uploads: [upload("a")], at: nil)
        #expect(SweepRule(station: "s1").orphans(page, known: []) == [])
    }

    @Test func theJournalKnowsWhatIsUnderWay() throws {
        let queue = try DatabaseQueue()
        var migrator = DatabaseMigrator()
        UploadJournal.registerMigrations(in: &migrator)
        try migrator.migrate(queue)
        let journal = UploadJournal()
        let plans = (0..<5).map { SampleRecording(seed: $0, size: 35, partSize: 10).plan() }
        let object = StoredObject(size: 35, tag: "t")
        try queue.write { database in
            for plan in plans {
                try journal.insert(plan, turn: UploadTurn(share: "", urgency: .usual), at: now, in: database)
            }
            try journal.write(.creating, for: plans[1], at: now, in: database)
            for entry in [JournalEntry.creating, .opened(token: "open")] {
                try journal.write(entry, for: plans[2], at: now, in: database)
            }
            for entry in [JournalEntry.creating, .opened(token: "over"), .verified(object, method: "m")] {
                try journal.write(entry, for: plans[3], at: now, in: database)
            }
        }
        func known(_ key: Int, _ token: String, target: String = "target") throws -> Bool {
            let upload = upload(token, key: plans[key].key)
            return try queue.read { try journal.known([upload], target: target, in: $0) } == [upload]
        }
        #expect(try known(1, "any"), "its token may be this one")
        #expect(try known(2, "open") && !known(2, "open", target: "other"))
        #expect(try !known(2, "older"))
        #expect(try !known(3, "over") && !known(0, "any"))
        // A directory names an upload after its plan, also before and after the journal has a token.
        #expect(try known(0, plans[0].upload) && known(4, plans[4].upload))
    }

    // MARK: S3

    private final class Answers: HTTPTransport {
        private let state: Mutex<(answers: [HTTPResponse], asked: [HTTPRequest])>

        init(_ answers: [HTTPResponse]) {
            state = Mutex((answers, []))
        }

        var asked: [HTTPRequest] { state.withLock(\.asked) }

        func perform(_ request: HTTPRequest) async throws(TransportFailure) -> HTTPResponse {
            state.withLock { state in
                state.asked.append(request)
                return state.answers.isEmpty ? HTTPResponse(status: 500) : state.answers.removeFirst()
            }
        }
    }

    private func answer(_ status: Int, _ body: String = "") -> HTTPResponse {
        HTTPResponse(status: status, headers: ["date": "Fri, 15 Jan 2027 08:00:00 GMT"], body: Array(body.utf8))
    }

    private func target(_ answers: Answers) -> S3Target {
        S3Target(
            name: "target",
            location: S3Location(
                endpoint: "https://s3.example.org", region: "r", bucket: "bucket", prefix: "p/", isPathStyle: true),
            credentials: S3CredentialSource(
                .environment(["AWS_ACCESS_KEY_ID": "i", "AWS_SECRET_ACCESS_KEY": "s"]), transport: answers, now: { now }
            ),
            transport: answers, now: { now })
    }

    private func element(_ key: String, _ token: String) -> String {
        "<Upload><Key>\(key)</Key><UploadId>\(token)</UploadId><Initiated>2027-01-13T08:00:00.000Z</Initiated></Upload>"
    }

    @Test func pagesOfAStoreAreReadWithItsOwnClock() async throws {
        let pages = [
            "<IsTruncated>true</IsTruncated>" + element("p/recordings/s1/a", "1") + element("q/x", "2")
                + "<NextKeyMarker>q/x</NextKeyMarker><NextUploadIdMarker>2</NextUploadIdMarker>",
            "<IsTruncated>true</IsTruncated>" + element("p/recordings/s1/b", "3"),
            "<IsTruncated>false</IsTruncated>",
        ].map { answer(200, "<ListMultipartUploadsResult>\($0)</ListMultipartUploadsResult>") }
        let answers = Answers(pages)
        let store = target(answers)
        let first = try await store.unfinishedUploads(below: folder, after: nil)
        #expect(first.uploads == [upload("1", key: "recordings/s1/a", hours: 48)] && first.at == now)
        #expect(first.next == UnfinishedMarker(key: "q/x", token: "2"))
        let second = try await store.unfinishedUploads(below: folder, after: first.next)
        #expect(second.next == UnfinishedMarker(key: "p/recordings/s1/b", token: "3"))
        #expect(try await store.unfinishedUploads(below: folder, after: second.next).next == nil)
        #expect(answers.asked[0].url.contains("prefix=p%2Frecordings%2Fs1%2F"))
        #expect(answers.asked[1].url.contains("key-marker=q%2Fx") && answers.asked[1].url.contains("id-marker=2"))
    }

    @Test func anUploadIsGoneWhenNoPartIsLeft() async throws {
        let part = "<Part><PartNumber>1</PartNumber><ETag>e</ETag><Size>10</Size></Part>"
        let answers = Answers([
            answer(204), answer(200, "<ListPartsResult>\(part)</ListPartsResult>"), answer(204),
            answer(200, "<ListPartsResult></ListPartsResult>"), answer(404), answer(404),
        ])
        let (store, orphan) = (target(answers), upload("1", key: "recordings/s1/a"))
        #expect(try await !store.giveUp(orphan))
        #expect(try await store.giveUp(orphan))
        #expect(try await store.giveUp(orphan))
        #expect(answers.asked.map(\.method) == ["DELETE", "GET", "DELETE", "GET", "DELETE", "GET"])
        #expect(answers.asked.allSatisfy { $0.url.contains("/p/recordings/s1/a?") })
    }

    // MARK: A directory

    @Test func partialFilesOfADirectoryAreFoundDayByDay() async throws {
        let directory = try TemporaryDirectory()
        let plans = (0..<4).map { number in
            let sample = SampleRecording(seed: UInt64(number), size: 35, partSize: 10)
            let station = number == 3 ? "s2" : "s1"
            return sample.plan(key: "recordings/\(station)/2026/01/0\(number)/cam/\(sample.id)/a.mp4")
        }
        let target = DirectoryTarget(name: "target", root: directory.path)
        for plan in plans { _ = try await target.createUpload(plan) }
        var found: [UnfinishedUpload] = []
        var marker: UnfinishedMarker?
        repeat {
            let page = try await target.unfinishedUploads(below: folder, after: marker)
            for upload in page.uploads {
                let age = try #require(page.at).seconds(since: try #require(upload.startedAt))
                #expect(abs(age) < 600)
            }
            found += page.uploads
            marker = page.next
        } while marker != nil
        #expect(found.map(\.token) == plans.prefix(3).map(\.upload))
        for _ in 0..<2 { #expect(try await target.giveUp(found[1])) }
        #expect(try await target.findUploads(plans[1]) == [])
        #expect(try await target.findUploads(plans[0]) == [plans[0].upload])
        #expect(try await target.unfinishedUploads(below: "recordings/none/", after: nil).uploads == [])
    }
}
