import EvidenceModel
import Foundation
import GRDB
import StationTesting
import Synchronization
import Testing

@testable import SyncEngine

@Suite("Upload journal")
struct UploadJournalTests {
    private let queue: DatabaseQueue
    private let journal = UploadJournal()
    private let noon = WallTime(millisecondsSince1970: 1_800_000_000_000)
    private let sample = SampleRecording(seed: 1, size: 35, partSize: 10)
    private let plan: UploadPlan
    private let object = StoredObject(size: 35, tag: "whole", versionID: "v1")

    init() throws {
        queue = try DatabaseQueue()
        var migrator = DatabaseMigrator()
        UploadJournal.registerMigrations(in: &migrator)
        try migrator.migrate(queue)
        plan = sample.plan()
        try insert(plan)
    }

    private func insert(
        _ plan: UploadPlan, share: String = "", urgency: UploadTurn.Urgency = .usual, after seconds: Double = 0
    ) throws {
        let turn = UploadTurn(share: share, urgency: urgency)
        try queue.write { try journal.insert(plan, turn: turn, at: noon.adding(seconds: seconds), in: $0) }
    }

    private func write(_ entries: JournalEntry..., for other: UploadPlan? = nil, after seconds: Double = 0) throws {
        try queue.write { database in
            for entry in entries {
                try journal.write(entry, for: other ?? plan, at: noon.adding(seconds: seconds), in: database)
            }
        }
    }

    private func due(
        after seconds: Double = 0, except running: Set<String> = [], limit: Int = 10, target: String = "target"
    ) throws -> [JournaledUpload] {
        try queue.read {
            try journal.due(
                target: target, at: noon.adding(seconds: seconds), except: running, ofEachShare: limit, in: $0)
        }
    }

    private func copy() throws -> CopyStatus? {
        try queue.read { try journal.copies(of: plan.recording, in: $0) }.first
    }

    private func status() throws -> QueueStatus {
        try queue.read { try journal.queue(targets: ["target", "other", "nas"], in: $0) }
    }

    private let why = TargetFailure(kind: .rejected, sentence: "no", code: "400")

    @Test func everyEntryIsThereAgain() throws {
        #expect(try due() == [JournaledUpload(plan: plan)])
        try write(.creating)
        #expect(try due().first?.progress == .creating)
        try write(.opened(token: "t"), .acknowledged(part: 2, tag: "a"), .acknowledged(part: 1, tag: "b"))
        #expect(try due() == [JournaledUpload(plan: plan, progress: .open(token: "t"), tags: [1: "b", 2: "a"])])
        try write(.acknowledged(part: 2, tag: "c"), .forgotten(parts: [1, 4]))
        #expect(try due().first?.tags == [2: "c"])
        try write(.sealed)
        #expect(try due().first?.progress == .sealed(token: "t"))
        try write(.completed(tag: "whole"))
        #expect(try due().first?.progress == .completed(tag: "whole"))
        try write(.lost)
        #expect(try due() == [JournaledUpload(plan: plan)])
        try write(.creating, .opened(token: "u"), .sealed, .verified(object, method: "size"), after: 60)
        #expect(try due(after: 1e6) == [])
        let copy = try #require(try copy())
        #expect(copy.state == .verified)
        #expect((copy.tag, copy.versionID) == ("whole", "v1"))
        #expect(copy.verifiedAt == noon.adding(seconds: 60))
    }

    @Test func whatIsParkedIsTriedAgainAlsoWhenTheClockFellBack() throws {
        try write(.parked(why))
        #expect(try due(after: 599).isEmpty && due(after: 600).count == 1)
        #expect(try due(after: -300).isEmpty)
        #expect(try due(after: -86_400).count == 1, "nobody waits a day for a pause of ten minutes")
    }

    @Test func whatAPlanSaysIsReadBack() throws {
        let empty = SampleRecording(seed: 9, size: 0).plan(key: "a/日本語 %2F+.mp4")
        try insert(empty, after: 1)
        #expect(try due().map(\.plan) == [plan, empty])
    }

    @Test func oneUploadForARecordingAndTarget() throws {
        var second = plan
        second.upload = "00000000-0000-4000-8000-000000000000"
        #expect(throws: DatabaseError.self) { try insert(second) }
        second.target = "other"
        try insert(second)
        #expect(try due(target: "other").count == 1)
    }

    @Test func ofEachShareTheUrgentFirstAndThenTheOldest() throws {
        var random = SeededRandom(seed: 5)
        var expected: [String: [String]] = ["": [plan.upload]]
        for share in ["K1", "K2"] {
            var uploads: [(key: [Int], upload: String)] = []
            for number in 0..<40 {
                let other = SampleRecording(seed: random.next(), size: 1).plan()
                let urgency = [UploadTurn.Urgency.important, .small, .usual][Int.random(in: 0..<3, using: &random)]
                try insert(other, share: share, urgency: urgency, after: Double((number * 17) % 40))
                uploads.append(([urgency.rawValue, (number * 17) % 40], other.upload))
            }
            expected[share] = uploads.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map(\.upload)
        }
        let running = Set(["K1", "K2"].compactMap { expected[$0]?[1] })
        let found = try Dictionary(grouping: due(after: 60, except: running, limit: 5), by: \.turn.share)
        #expect(
            found.mapValues { $0.map(\.plan.upload) }
                == expected.mapValues { order in
                    Array(order.filter { !running.contains($0) }.prefix(5))
                })
    }

    @Test func whatIsNearItsDeadlineGoesFirstAndBackfillLast() throws {
        let day = 86_400.0
        let now = noon.adding(seconds: day)
        func put(_ seed: UInt64, _ turn: UploadTurn, collected seconds: Double) throws -> String {
            let plan = SampleRecording(seed: seed, size: 1).plan()
            try queue.write {
                try journal.insert(plan, turn: turn, collectedAt: noon.adding(seconds: seconds), at: now, in: $0)
            }
            return plan.upload
        }
        let usual = UploadTurn(share: "K1", urgency: .usual)
        let small = UploadTurn(share: "K1", urgency: .small)
        let backfill = try put(11, UploadTurn(share: "K1", urgency: .small, isBackfill: true), collected: -9 * day)
        let late = try put(12, usual, collected: 0.2 * day)
        let young = try (13...20).map { try put($0, small, collected: 0.9 * day) }
        let later = try put(21, usual, collected: 0.24 * day)
        let important = try put(22, UploadTurn(share: "K1", urgency: .important), collected: day)
        let found = try queue.read {
            try journal.due(
                target: "target", at: now, except: [plan.upload], ofEachShare: 20,
                pressing: noon.adding(seconds: 0.25 * day), in: $0)
        }
        let smallOnes = Set(young)
        #expect(found.map(\.plan.upload).filter { !smallOnes.contains($0) } == [important, late, later, backfill])
        #expect(
            found.map(\.turn.uploadClass)
                == [.important, .pressing, .pressing] + [UploadClass](repeating: .normal, count: 8) + [.backfill])
        let few = try queue.read {
            try journal.due(
                target: "target", at: now, except: [plan.upload], ofEachShare: 2,
                pressing: noon.adding(seconds: 0.25 * day), in: $0)
        }
        #expect(few.prefix(3).map(\.plan.upload) == [important, late, later], "also behind what fills the limit")
    }

    /// A station has a hundred thousand uploads.
    @Test func copiesOfARecordingComeFromAnIndex() throws {
        let log = QueryLog()
        try queue.read { database in
            database.trace { log.add("\($0)") }
            _ = try journal.copies(of: plan.recording, in: database)
            _ = try journal.uploads(of: plan.recording, target: nil, in: database)
            database.trace(options: [])
            for sql in log.all where sql.hasPrefix("SELECT") && sql.contains("upload.*") || sql.contains("FROM upload ")
            {
                let filled = sql.replacing("?1", with: "'x'").replacing("?2", with: "NULL")
                let steps = try String.fetchAll(
                    database, sql: "EXPLAIN QUERY PLAN \(filled)", adapter: SuffixRowAdapter(fromIndex: 3))
                #expect(!steps.contains { $0.hasPrefix("SCAN upload") }, "\(sql): \(steps)")
            }
        }
        #expect(log.all.count >= 2)
    }

    @Test func uploadsOfTheFirstVersionWaitInOneShare() throws {
        let earlier = try DatabaseQueue()
        var migrator = DatabaseMigrator()
        UploadJournal.registerMigrations(in: &migrator)
        try migrator.migrate(earlier, upTo: "journal-1")
        let plan = plan
        try earlier.write { database in
            try database.execute(
                sql: """
                    INSERT INTO upload(id, recording, target, object_key, size_bytes, part_size_bytes, sha256, part_sha256,
                      progress, planned_at_ms) VALUES(?, ?, 'target', ?, ?, ?, ?, ?, 'planned', 0)
                    """,
                arguments: [
                    plan.upload, plan.recording.text, plan.key, plan.content.size, plan.content.layout.partSize,
                    Data(plan.content.digest.bytes), Data(ContentDigest.joined(plan.content.partDigests)),
                ])
        }
        try migrator.migrate(earlier)
        let found = try earlier.read {
            try journal.due(target: "target", at: noon, except: [], ofEachShare: 5, in: $0)
        }
        #expect(found == [JournaledUpload(plan: plan, turn: UploadTurn(share: "", urgency: .usual))])
    }

    @Test func whatWaitsIsFoundThroughTheIndex() throws {
        let plan = try queue.read { database in
            try String.fetchAll(
                database,
                sql: """
                    EXPLAIN QUERY PLAN SELECT first.id FROM upload AS first
                    WHERE first.target = 't' AND first.progress <> 'verified' AND first.share = 's'
                    ORDER BY first.is_backfill, first.urgency, first.collected_at_ms, first.id LIMIT 4
                    """, adapter: SuffixRowAdapter(fromIndex: 3))
        }
        #expect(plan.count == 1 && plan[0].contains("USING INDEX upload_open"), "\(plan)")
        let aging = try queue.read { database in
            try String.fetchAll(
                database,
                sql: """
                    EXPLAIN QUERY PLAN SELECT first.id FROM upload AS first
                    WHERE first.target = 't' AND first.progress <> 'verified' AND first.share = 's'
                      AND first.is_backfill = 0 AND first.collected_at_ms < 9
                    ORDER BY first.collected_at_ms, first.id LIMIT 4
                    """, adapter: SuffixRowAdapter(fromIndex: 3))
        }
        #expect(aging.count == 1 && aging[0].contains("USING INDEX upload_aging"), "\(aging)")
    }

    @Test func theOldestFirstButThoseThatRun() throws {
        let others = (2...5).map { SampleRecording(seed: $0, size: 1).plan() }
        for (index, other) in others.enumerated() { try insert(other, after: Double(-index - 1)) }
        let order = (others.reversed() + [plan]).map(\.upload)
        #expect(try due().map(\.plan.upload) == [order[0], order[1], order[2], order[3], order[4]])
        #expect(try due(limit: 2).map(\.plan.upload) == [order[0], order[1]])
        #expect(try due(except: [order[0], order[2]], limit: 2).map(\.plan.upload) == [order[1], order[3]])
        #expect(try due(target: "other") == [])
    }

    @Test func parkedIsDueMuchLaterAndProgressEndsIt() throws {
        try write(.creating, .opened(token: "t"), .acknowledged(part: 1, tag: "a"), .parked(why))
        #expect(try due(after: 599) == [])
        #expect(try due(after: 600).first?.tags == [1: "a"])
        let first = try #require(try copy())
        #expect(first.state == .parked)
        #expect((first.parkedReason, first.parkedHint, first.parkedAt) == ("no", why.hint, noon))
        // Parked again: since when stays, the next try moves.
        try write(.forgotten(parts: [1]), .parked(TargetFailure(kind: .full, sentence: "later")), after: 600)
        #expect(try copy()?.parkedAt == noon)
        #expect(try copy()?.parkedReason == "later")
        #expect(try due(after: 1199) == [])
        try write(.acknowledged(part: 2, tag: "b"), after: 1200)
        #expect(try copy()?.state == .uploading)
        #expect(try copy()?.parkedReason == nil)
        #expect(try due(after: 1200).count == 1)
    }

    @Test func parkedBecomesDueAtOnceWhenAskedFor() throws {
        try write(.parked(why))
        #expect(try due(after: 1) == [])
        try queue.write { try journal.makeParkedDue(at: noon, in: $0) }
        #expect(try due(after: 1).count == 1)
        #expect(try copy()?.state == .parked)
    }

    @Test func theQueueIsCountedToTheByte() throws {
        let others = (2...4).map { SampleRecording(seed: $0, size: 35, partSize: 10).plan() }
        for other in others { try insert(other) }
        #expect(try status() == QueueStatus(waiting: 4, bytesLeft: 140))
        // Part 4 is the short one: 5 bytes.
        try write(.creating, .opened(token: "t"), .acknowledged(part: 4, tag: "a"))
        #expect(try status() == QueueStatus(waiting: 3, uploading: 1, bytesLeft: 135))
        try write(.acknowledged(part: 1, tag: "a"), .acknowledged(part: 2, tag: "a"), .acknowledged(part: 3, tag: "a"))
        #expect(try status().bytesLeft == 105)
        try write(.sealed, .completed(tag: "w"))
        #expect(try status().bytesLeft == 105)
        try write(.verified(object, method: "m"))
        try write(.parked(why), for: others[0])
        #expect(try status() == QueueStatus(waiting: 2, verified: 1, parked: 1, bytesLeft: 105))
    }

    @Test func receiptsAreAddedAndTheLastIsShown() throws {
        try write(.creating, .opened(token: "t"), .sealed, .verified(object, method: "m"))
        var later = object
        later.versionID = "v2"
        try queue.write {
            try journal.insertReceipt(later, method: "m", for: plan, at: noon.adding(seconds: 9), in: $0)
            // The same moment twice is one receipt.
            try journal.insertReceipt(object, method: "m", for: plan, at: noon.adding(seconds: 9), in: $0)
        }
        #expect(try copy()?.versionID == "v2")
        #expect(try copy()?.verifiedAt == noon.adding(seconds: 9))
        #expect(try queue.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM receipt") } == 2)
        #expect(try queue.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM upload_part") } == 0)
    }

    @Test func copiesOfARecordingAndAllParkedOnes() throws {
        var second = plan
        (second.upload, second.target) = ("00000000-0000-4000-8000-000000000000", "nas")
        try insert(second)
        try write(.parked(why), for: second)
        try queue.read { (database) throws in
            #expect(try journal.copies(of: plan.recording, in: database).map(\.target) == ["nas", "target"])
            #expect(try journal.copies(of: nil, in: database).map(\.target) == ["nas"])
            #expect(try journal.copyStates(of: plan.recording, targets: ["nas"], in: database) == [.parked])
            #expect(
                try journal.copyStates(of: plan.recording, targets: ["nas", "target", "x"], in: database).count == 2)
            #expect(try journal.uploads(of: plan.recording, target: "nas", in: database).map(\.plan) == [second])
            #expect(try journal.uploads(of: nil, target: nil, in: database) == [])
        }
    }

    @Test func targetsAreShownAsTheyWereSaved() throws {
        let waiting = TargetStatus(
            name: "a", state: "waiting", reason: "no route", hint: "check", since: noon, bytesPerSecond: 2.5,
            clockOffsetSeconds: -3)
        try queue.write {
            try journal.save(TargetStatus(name: "b"), in: $0)
            try journal.save(TargetStatus(name: "a"), in: $0)
            try journal.save(waiting, in: $0)
        }
        #expect(try queue.read { try journal.targets(in: $0) } == [waiting, TargetStatus(name: "b")])
    }
}

/// Statements that were run.
private final class QueryLog: Sendable {
    private let statements = Mutex<[String]>([])

    func add(_ statement: String) { statements.withLock { $0.append(statement) } }
    var all: [String] { statements.withLock { $0 } }
}
