import EvidenceModel
import StationTesting
import Testing

@testable import SyncEngine

@Suite("Target machine")
struct TargetMachineTests {
    private let down = TargetFailure(kind: .unreachable, sentence: "no route")
    private let full = TargetFailure(kind: .full, sentence: "no room")
    private let noon = WallTime(millisecondsSince1970: 0)

    @Test func aPauseAndOneTryAtATime() {
        var target = TargetMachine()
        #expect(target.mayStart && !target.isProbing)
        #expect(target.suspended(down, at: noon, jitter: 1) == [.pause(seconds: 1), .show])
        #expect(!target.mayStart)
        #expect(target.pauseOver() == [])
        #expect(target.mayStart && target.isProbing)
        let shown = target.progressed()
        #expect(shown == [.resumed, .show])
        #expect(target.state == .up && target.attempts == 0)
        #expect(target.progressed() == [])
        #expect(target.pauseOver() == [])
    }

    @Test func pausesGrowAndAreNeverNothing() {
        var target = TargetMachine()
        for longest in [1.0, 2, 4, 8, 16, 32, 60, 60] {
            #expect(target.suspended(down, at: noon, jitter: 0) == [.pause(seconds: longest / 2), .show])
            _ = target.pauseOver()
        }
        _ = target.progressed()
        #expect(target.suspended(down, at: noon, jitter: 1) == [.pause(seconds: 1), .show])
    }

    @Test func theReasonIsTheLastAndTheTimeTheFirst() {
        var target = TargetMachine()
        _ = target.suspended(down, at: noon, jitter: 1)
        #expect(target.suspended(full, at: noon.adding(seconds: 9), jitter: 1) == [.show])
        #expect(target.state == .waiting(full, since: noon))
        _ = target.pauseOver()
        #expect(target.suspended(down, at: noon.adding(seconds: 20), jitter: 1) == [.pause(seconds: 2), .show])
        #expect(target.state == .waiting(down, since: noon))
    }

    @Test func backoffDoublesUpToItsCeiling() {
        #expect([0, 1, 2, 3].map { Backoff.seconds(attempt: $0, jitter: 1) } == [0.4, 0.4, 0.8, 1.6])
        #expect(Backoff.seconds(attempt: .max, jitter: 1) == 60)
        #expect(Backoff.seconds(attempt: 5, jitter: 0) == 0)
        #expect(Backoff.seconds(attempt: 9, jitter: 0.5, base: 1, longest: 300) == 150)
    }
}

@Suite("What a dispatcher knows")
struct DispatchStateTests {
    private let down = TargetFailure(kind: .unreachable, sentence: "no route")

    private func upload(_ seed: UInt64) -> JournaledUpload {
        JournaledUpload(plan: SampleRecording(seed: seed, size: 9).plan())
    }

    private func upload(_ seed: UInt64, _ share: String, _ urgency: UploadTurn.Urgency = .usual) -> JournaledUpload {
        JournaledUpload(
            plan: SampleRecording(seed: seed, size: 9).plan(), turn: UploadTurn(share: share, urgency: urgency))
    }

    @Test func anotherUploadOfAShareOnlyWhereRequestsAreFree() {
        var state = DispatchState(requestsAtOnce: 4)
        let (large, small) = (upload(1), upload(2))
        #expect(state.next(of: [large, small]) == large)
        state.started(large, demand: 4)
        #expect(state.next(of: [small]) == nil)
        state.setDemand(3, of: large.plan.upload)
        #expect(state.next(of: [large, small]) == small, "it is not started twice")
        state.started(small, demand: 1)
        #expect(state.next(of: [upload(3)]) == nil)
        #expect(state.running == [large.plan.upload, small.plan.upload])
        state.setDemand(4, of: "unknown")
        state.mayHaveWork = false
        #expect(!state.wantsMore)
        state.ended(large.plan.upload)
        #expect(state.wantsMore && state.running == [small.plan.upload])
    }

    @Test func sharesRunBesideEachOtherAndWhatIsImportantBesideAll() {
        var state = DispatchState(requestsAtOnce: 4)
        for number in 0..<UInt64(DispatchState.uploadsAtOnce) {
            let next = upload(100 + number, "K\(number)")
            #expect(state.next(of: [next]) == next)
            state.started(next, demand: 4)
            #expect(state.next(of: [upload(200, "K\(number)")]) == nil, "one file of a device after the other")
        }
        #expect(state.next(of: [upload(300, "another")]) == nil)
        let important = upload(301, "K0", .important)
        #expect(state.next(of: [upload(300, "another"), important]) == important)
    }

    @Test func whileATargetIsTriedOneUploadRuns() {
        var state = DispatchState(requestsAtOnce: 4)
        _ = state.machine.suspended(down, at: WallTime(millisecondsSince1970: 0), jitter: 1)
        #expect(!state.wantsMore)
        _ = state.machine.pauseOver()
        #expect(state.wantsMore)
        let upload = upload(1)
        state.started(upload, demand: 1)
        #expect(!state.wantsMore)
        state.ended(upload.plan.upload)
        #expect(state.wantsMore)
    }

    @Test func aRateRisesFallsAndEnds() {
        var rate = ByteRate()
        var now = WallTime(millisecondsSince1970: 0)
        #expect(rate.ticked(at: now) == false)
        for _ in 0..<100 {
            rate.add(bytes: 2_000_000)
            now = now.adding(seconds: 2)
            _ = rate.ticked(at: now)
        }
        #expect(abs(rate.bytesPerSecond - 1_000_000) < 1000)
        #expect(rate.ticked(at: now.adding(seconds: -60)) == false)
        for _ in 0..<500 {
            now = now.adding(seconds: 2)
            _ = rate.ticked(at: now)
        }
        #expect(rate.bytesPerSecond == 0)
        #expect(rate.ticked(at: now.adding(seconds: 2)) == false)
    }
}

@Suite("Budget", .timeLimit(.minutes(1)))
struct BudgetTests {
    /// A task that holds `amount` until it is told to let go.
    private final class Holder: Sendable {
        private let task: Task<Void, any Error>
        private let hold: AsyncStream<Void>.Continuation
        private let begun: AsyncStream<Void>

        init(_ budget: Budget, _ amount: Int) {
            let (holding, hold) = AsyncStream.makeStream(of: Void.self)
            let (begun, begin) = AsyncStream.makeStream(of: Void.self)
            (self.hold, self.begun) = (hold, begun)
            task = Task {
                try await budget.spend(amount) { () async throws(TargetFailure) in
                    begin.yield()
                    for await _ in holding {}
                }
                begin.finish()
            }
        }

        func hasBegun() async { for await _ in begun { return } }
        func letGo() { hold.finish() }
        func cancel() { task.cancel() }
        var failure: TargetFailure? {
            get async { await task.result.failure as? TargetFailure }
        }
    }

    @Test func aWantThatIsTooLargeTakesAll() async throws {
        let budget = Budget(3)
        try await budget.spend(100) { () async throws(TargetFailure) in }
        try await budget.spend(-1) { () async throws(TargetFailure) in }
    }

    @Test func aLargeWantIsNotStarvedBySmallOnes() async throws {
        let budget = Budget(3)
        let first = Holder(budget, 2)
        await first.hasBegun()
        let large = Holder(budget, 3)
        await budget.waiters(atLeast: 1)
        let small = Holder(budget, 1)
        await budget.waiters(atLeast: 2)
        first.letGo()
        await large.hasBegun()
        #expect(budget.waiting == 1)
        large.letGo()
        await small.hasBegun()
        small.letGo()
        #expect(await small.failure == nil)
    }

    @Test func whoGivesUpLetsTheNextOneIn() async throws {
        let budget = Budget(3)
        let first = Holder(budget, 2)
        await first.hasBegun()
        let large = Holder(budget, 3)
        await budget.waiters(atLeast: 1)
        let small = Holder(budget, 1)
        await budget.waiters(atLeast: 2)
        large.cancel()
        #expect(await large.failure?.kind == .cancelled)
        await small.hasBegun()
        small.letGo()
        first.letGo()
        // Everything was given back.
        try await budget.spend(3) { () async throws(TargetFailure) in }
    }

    @Test func whatABodyThrowsGivesBack() async throws {
        let budget = Budget(1)
        for _ in 0..<3 {
            do throws(TargetFailure) {
                try await budget.spend(1) { () async throws(TargetFailure) in
                    throw TargetFailure(kind: .full, sentence: "s")
                }
                Issue.record("nothing was thrown")
            } catch { #expect(error.kind == .full) }
        }
    }

    @Test func aThousandTasksShareWithoutLossOrDeadlock() async throws {
        let budget = Budget(10)
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<1000 {
                group.addTask {
                    _ = try? await budget.spend(number % 13) { () async throws(TargetFailure) in await Task.yield() }
                }
                if number.isMultiple(of: 97) { group.cancelAll() }
            }
        }
        try await budget.spend(10) { () async throws(TargetFailure) in }
    }
}

extension Budget {
    /// Returns when so many stand in the queue.
    fileprivate func waiters(atLeast count: Int) async {
        while waiting < count { await Task.yield() }
    }
}

extension Result {
    fileprivate var failure: Failure? {
        if case .failure(let failure) = self { failure } else { nil }
    }
}
