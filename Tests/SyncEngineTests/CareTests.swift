import EvidenceModel
import GRDB
import StationTesting
import SyncEngine
import Testing

@Suite("Upkeep of targets", .timeLimit(.minutes(1)))
struct CareTests {
    private let start = WallTime(millisecondsSince1970: 1_800_000_000_000)
    private let idle = CareMachine.Facts(isUp: true, hasManifest: false, checkDueAt: nil)

    private func at(_ seconds: Double) -> WallTime { start.adding(seconds: seconds) }

    @Test func manifestsBeforeSweepsBeforeQuestions() {
        var machine = CareMachine(at: start)
        var facts = CareMachine.Facts(isUp: true, hasManifest: true, checkDueAt: at(5))
        #expect(machine.looked(facts, at: at(600)) == .perform(.manifest))
        facts.hasManifest = false
        #expect(machine.looked(facts, at: at(4)) == .rest)
        #expect(machine.looked(facts, at: at(5)) == .perform(.check))
        #expect(machine.looked(facts, at: at(600)) == .perform(.sweep))
        machine.done(.sweep, at: at(600))
        #expect(machine.looked(idle, at: at(600 + 86_399)) == .rest)
        #expect(machine.looked(idle, at: at(600 + 86_400)) == .perform(.sweep))
        facts.isUp = false
        facts.hasManifest = true
        #expect(machine.looked(facts, at: at(1e6)) == .rest)
    }

    @Test func failuresMakeItRestLongerUntilSomethingWorks() {
        var machine = CareMachine(at: start)
        let facts = CareMachine.Facts(isUp: true, hasManifest: true, checkDueAt: nil)
        var time = start
        for expected in [1.0, 2, 4, 8, 16, 32, 60, 60] {
            machine.failed(TargetFailure(kind: .interrupted, sentence: "s"), at: time, jitter: 1)
            #expect(machine.looked(facts, at: time.adding(seconds: expected - 0.01)) == .rest)
            time = time.adding(seconds: expected)
            #expect(machine.looked(facts, at: time) == .perform(.manifest))
        }
        machine.done(.manifest, at: time)
        machine.failed(TargetFailure(kind: .throttled(afterSeconds: 30), sentence: "s"), at: time, jitter: 0)
        #expect(machine.looked(facts, at: time.adding(seconds: 29)) == .rest)
        #expect(machine.looked(facts, at: time.adding(seconds: -3600)) == .perform(.manifest), "the clock fell back")
    }

    /// 10,000 copies that were verified within a minute, a manual clock, restarts on the way.
    @Test func everyCopyOncePerPeriodEvenlyAndOverTimeEachIsReadBack() throws {
        let (copies, days) = (10_000, 30.0)
        let pace = CheckPace(periodSeconds: days * 86_400, samplePercent: 25)
        var random = SeededRandom(seed: 4)
        let ids = (0..<copies).map { _ in RecordingID(time: start, using: &random) }
        var order = Array(0..<copies)
        var passes = Array(repeating: 0, count: copies)
        var asked = Array(repeating: [Double](), count: copies)
        var readBack = Array(repeating: 0, count: copies)
        var checkedAt = (0..<copies).map { at(Double($0) * 0.006) }
        var counted = start
        var (day, askedOfDay) = (0, 0)
        for step in 0..<(4 * copies) {
            let turn = order[step % copies]
            let latest = try #require(asked.isEmpty ? nil : checkedAt[turn])
            // Whatever is restarted meanwhile goes on from these two moments.
            let now = pace.dueAt(
                counted: counted, copies: copies, leastCheckedAt: latest, now: counted.adding(seconds: 1e6))
            counted = pace.counted(counted, copies: copies, now: now)
            if pace.isReadBack(ids[turn], pass: passes[turn]) { readBack[turn] += 1 }
            passes[turn] += 1
            asked[turn].append(now.seconds(since: start) / 86_400)
            checkedAt[turn] = now
            if Int(now.seconds(since: start) / 86_400) > day {
                #expect((330...337).contains(askedOfDay), "day \(day): \(askedOfDay)")
                (day, askedOfDay) = (day + 1, 0)
            }
            askedOfDay += 1
            if step % copies == copies - 1 { order.sort { checkedAt[$0] < checkedAt[$1] } }
        }
        #expect(passes.allSatisfy { $0 == 4 })
        #expect(readBack.allSatisfy { $0 == 1 }, "a quarter each time: all of them in four passes")
        for times in asked {
            #expect(times[0] <= days + 0.01)
            for (earlier, later) in zip(times, times.dropFirst()) { #expect(later - earlier <= days + 0.01) }
        }
    }

    @Test func aSampleIsRightInSizeAndNoneIsNone() {
        var random = SeededRandom(seed: 9)
        let ids = (0..<20_000).map { _ in RecordingID(time: start, using: &random) }
        let pace = CheckPace(periodSeconds: 1, samplePercent: 1)
        for pass in [0, 1, 57] {
            #expect((150...250).contains(ids.filter { pace.isReadBack($0, pass: pass) }.count))
        }
        #expect(ids.prefix(100).allSatisfy { id in (0..<100).filter { pace.isReadBack(id, pass: $0) }.count == 1 })
        let all = CheckPace(periodSeconds: 1, samplePercent: 100)
        #expect(ids.prefix(100).allSatisfy { all.isReadBack($0, pass: 3) })
        let none = CheckPace(periodSeconds: 1, samplePercent: 0)
        #expect(none.passesToReadAll == nil && !ids.contains { none.isReadBack($0, pass: 0) })
    }

    @Test func whatWasMissedIsCaughtUpAndAClockThatFallsBackOwesNothing() {
        let pace = CheckPace(periodSeconds: 1000, samplePercent: 1)
        // Off for half a period: half of the copies are owed.
        var (counted, owed) = (start, 0)
        while pace.dueAt(counted: counted, copies: 10, leastCheckedAt: at(0), now: at(500)) <= at(500) {
            counted = pace.counted(counted, copies: 10, now: at(500))
            owed += 1
        }
        #expect(owed == 5)
        #expect(pace.dueAt(counted: at(9999), copies: 10, leastCheckedAt: at(9999), now: at(0)) == at(100))
        // A copy whose period is over is due, whatever is counted.
        #expect(pace.dueAt(counted: at(2000), copies: 1, leastCheckedAt: at(900), now: at(2000)) == at(1900))
    }

    @Test func theJournalGivesTheCopyThatWasAskedAboutTheLongestAgo() throws {
        let queue = try DatabaseQueue()
        var migrator = DatabaseMigrator()
        UploadJournal.registerMigrations(in: &migrator)
        try migrator.migrate(queue)
        let journal = UploadJournal()
        let plans = (0..<4).map { SampleRecording(seed: $0, size: 35, partSize: 10).plan() }
        try queue.write { database in
            for (number, plan) in plans.enumerated() {
                try journal.insert(plan, turn: UploadTurn(share: "", urgency: .usual), at: start, in: database)
                if number == 3 { continue }
                let object = StoredObject(size: 35, tag: "t")
                try journal.write(
                    .verified(object, method: "m"), for: plan, at: at(Double(10 - number)), in: database)
            }
        }
        func least() throws -> String? {
            try queue.read { try journal.leastChecked(target: "target", in: $0)?.upload.plan.upload }
        }
        #expect(try queue.read { try journal.verifiedCount(target: "target", in: $0) } == 3)
        var seen: [String?] = []
        for pass in 0..<6 {
            let upload = try #require(try least())
            seen.append(upload)
            try queue.write { try journal.noteCheck(of: upload, at: at(Double(100 + pass)), in: $0) }
        }
        let order = [plans[2], plans[1], plans[0]].map(\.upload)
        #expect(seen == order + order)
        #expect(try queue.read { try journal.leastChecked(target: "target", in: $0)?.passes } == 2)
        try queue.write {
            #expect(try journal.passCounted(target: "target", in: $0) == nil)
            try journal.setPassCounted(at(1), target: "target", in: $0)
            try journal.setPassCounted(at(2), target: "target", in: $0)
            #expect(try journal.passCounted(target: "target", in: $0) == at(2))
        }
        // One that was found to differ is no verified copy any more.
        try queue.write {
            let failure = TargetFailure(kind: .differs, sentence: "d")
            try journal.write(.parked(failure), for: plans[2], at: at(200), in: $0)
        }
        #expect(try least() == plans[1].upload)
    }
}
