import EvidenceModel
import Foundation
import StationTesting
import SyncEngine
import Synchronization
import Testing

@Suite("Upload dispatcher", .timeLimit(.minutes(2)))
struct UploadDispatcherTests {
    private let small = (1...30).map { SampleRecording(seed: $0, size: 10_000 + Int($0)) }

    private func stored(_ sample: SampleRecording, in world: TargetWorld) -> [UInt8]? {
        FileManager.default.contents(atPath: world.place.appending(sample.plan().key).display).map { Array($0) }
    }

    /// Names of everything that is left of uploads below the target's directory.
    private func partials(in world: TargetWorld) -> [String] {
        let names = FileManager.default.enumerator(atPath: world.place.display)?.compactMap { $0 as? String } ?? []
        return names.filter { $0.hasSuffix(".part") }
    }

    @Test func everythingArrives() async throws {
        let large = [40, 41].map { SampleRecording(seed: $0, size: 20 << 20) }
        let samples = small.prefix(15) + large + small.suffix(15)
        let station = UploadStation(Array(samples))
        let world = try await TargetWorld(.directory)
        try await station.dispatching(to: world.target) { await station.until(\.isDone) }
        #expect(station.contents.verified.count == 32)
        #expect(station.contents.parked.isEmpty)
        for sample in samples { #expect(stored(sample, in: world) == sample.bytes) }
        #expect(partials(in: world) == [])
        #expect(station.contents.shown.allSatisfy { $0.state == "up" })
    }

    @Test func aTargetThatIsGoneIsWaitedFor() async throws {
        let station = UploadStation(small)
        let world = try await TargetWorld(.directory)
        try world.remove()
        try await station.dispatching(to: world.target) {
            await station.until(\.isWaiting)
            let status = try #require(station.contents.shown.last)
            #expect(status.reason?.contains(world.place.display) == true)
            #expect(status.hint?.contains("mount the directory") == true)
            #expect(status.since != nil)
            // Three pauses more, and it is still gone.
            for pauses in 1...3 {
                let shown = station.contents.shown.count
                await station.clock.sleepers(atLeast: 2)
                station.clock.advance(by: .seconds(60))
                await station.until { $0.shown.count > shown }
                #expect(station.contents.isWaiting, "pause \(pauses)")
            }
            try world.restore()
            await station.passTime(until: \.isDone)
            await station.until { !$0.isWaiting }
        }
        #expect(station.contents.verified.count == 30)
        #expect(station.contents.shown.last?.reason == nil)
        for sample in small { #expect(stored(sample, in: world) == sample.bytes) }
    }

    @Test func bytesThatChangedOnTheStationAreNotSent() async throws {
        let station = UploadStation(small)
        let world = try await TargetWorld(.directory)
        station.change { $0.changed = [small[3].id] }
        try await station.dispatching(to: world.target) { await station.until(\.isDone) }
        #expect(station.contents.verified.count == 29)
        #expect(station.contents.parked[small[3].plan().upload]?.kind == .sourceChanged)
        #expect(stored(small[3], in: world) == nil)
        #expect(partials(in: world) == [])
    }

    @Test func partsThatChangedOnTheStationAreNotSent() async throws {
        let large = SampleRecording(seed: 40, size: 20 << 20)
        let station = UploadStation([large])
        let world = try await TargetWorld(.directory)
        station.change { $0.changed = [large.id] }
        try await station.dispatching(to: world.target) { await station.until(\.isDone) }
        #expect(station.contents.parked.values.map(\.kind) == [.sourceChanged])
        #expect(stored(large, in: world) == nil)
        #expect(!station.contents.written.contains(.sealed))
    }

    /// A store that checks what it is given is left to do so: what it refuses is looked into.
    @Test func partsThatChangedOnTheStationAreRefusedByTheStore() async throws {
        let (large, whole) = (SampleRecording(seed: 40, size: 20 << 20), SampleRecording(seed: 41, size: 3 << 20))
        let station = UploadStation([large, whole])
        let world = try await TargetWorld(.s3)
        #expect(await world.target.checksBytes())
        station.change { $0.changed = [large.id, whole.id] }
        try await station.dispatching(to: world.target) { await station.until(\.isDone) }
        #expect(station.contents.parked.values.map(\.kind) == [.sourceChanged, .sourceChanged])
        for sample in [large, whole] { #expect(try await world.target.inspect(sample.plan()) == nil) }
    }

    @Test func aRecordingThatIsNotThereDoesNotHoldUpTheOthers() async throws {
        let station = UploadStation(small)
        station.change { contents in
            contents.uploads.insert(JournaledUpload(plan: SampleRecording(seed: 77, size: 5).plan()), at: 0)
        }
        let world = try await TargetWorld(.directory)
        try await station.dispatching(to: world.target) { await station.until(\.isDone) }
        #expect(station.contents.verified.count == 30)
        #expect(station.contents.parked.values.map(\.kind) == [.sourceUnavailable])
    }

    @Test func whileATargetIsTriedOneRequestIsMade() async throws {
        let station = UploadStation(small)
        let world = try await TargetWorld(.directory)
        let target = FaultyTarget(world.target)
        target.fails = true
        try await station.dispatching(to: target) {
            // One status at the beginning, and one for every upload that ran.
            await station.until { $0.shown.count == 5 }
            #expect(target.requests == 4)
            for round in 1...3 {
                await station.clock.sleepers(atLeast: 2)
                station.clock.advance(by: .seconds(60))
                await station.until { $0.shown.count == 5 + round }
                #expect(target.requests == 4 + round)
            }
            target.fails = false
            await station.passTime(until: \.isDone)
        }
        #expect(station.contents.verified.count == 30)
    }

    @Test func aJournalThatCannotBeWrittenPausesAndGoesOn() async throws {
        let station = UploadStation(small)
        station.change { $0.isJournalFull = true }
        let world = try await TargetWorld(.directory)
        try await station.dispatching(to: world.target) {
            await station.until(\.isWaiting)
            #expect(station.contents.shown.last?.reason?.contains("journal") == true)
            #expect(partials(in: world) == [] && stored(small[0], in: world) == nil, "sent before its intent")
            station.change { $0.isJournalFull = false }
            await station.passTime(until: \.isDone)
        }
        #expect(station.contents.verified.count == 30)
    }

    /// The journal's disk fills while a part's retry is an hour of the clock away: nothing waits for that.
    @Test func aJournalThatFillsUpInTheMiddleWaitsForNoRetry() async throws {
        let station = UploadStation([SampleRecording(seed: 40, size: 20 << 20)])
        let world = try await TargetWorld(.directory)
        let target = FaultyTarget(world.target)
        target.failingPart = 1
        target.beforePart = { part in if part == 2 { station.change { $0.isJournalFull = true } } }
        try await station.dispatching(to: target) {
            await station.until(\.isWaiting)
            target.failingPart = nil
            target.beforePart = { _ in }
            station.change { $0.isJournalFull = false }
            await station.passTime(until: \.isDone)
        }
        #expect(station.contents.verified.count == 1)
    }
}

/// A target that refuses everything, or one part, while it is told to.
private final class FaultyTarget: StorageTarget {
    private struct State {
        var fails = false
        var failingPart: Int?
        var beforePart: @Sendable (Int) -> Void = { _ in }
        var requests = 0
    }

    private let target: any StorageTarget
    private let state = Mutex(State())

    init(_ target: any StorageTarget) {
        self.target = target
    }

    var name: String { target.name }
    var wholeLimit: Int64 { target.wholeLimit }
    var requests: Int { state.withLock(\.requests) }
    var fails: Bool {
        get { state.withLock(\.fails) }
        set { state.withLock { $0.fails = newValue } }
    }
    var failingPart: Int? {
        get { state.withLock(\.failingPart) }
        set { state.withLock { $0.failingPart = newValue } }
    }
    var beforePart: @Sendable (Int) -> Void {
        get { state.withLock(\.beforePart) }
        set { state.withLock { $0.beforePart = newValue } }
    }

    private func pass() throws(TargetFailure) {
        let fails = state.withLock { state in
            state.requests += 1
            return state.fails
        }
        if fails { throw TargetFailure(kind: .unreachable, sentence: "no route") }
    }

    func putWhole(_ plan: UploadPlan, bytes: PartBytes) async throws(TargetFailure) -> String {
        try pass()
        return try await target.putWhole(plan, bytes: bytes)
    }
    func createUpload(_ plan: UploadPlan) async throws(TargetFailure) -> String {
        try pass()
        return try await target.createUpload(plan)
    }
    func findUploads(_ plan: UploadPlan) async throws(TargetFailure) -> [String] {
        try pass()
        return try await target.findUploads(plan)
    }
    func listParts(_ plan: UploadPlan, token: String) async throws(TargetFailure) -> [ListedPart] {
        try pass()
        return try await target.listParts(plan, token: token)
    }
    func putPart(
        _ plan: UploadPlan, token: String, number: Int, bytes: PartBytes
    ) async throws(TargetFailure) -> String {
        try pass()
        if number == failingPart { throw TargetFailure(kind: .throttled(afterSeconds: 3600), sentence: "slow") }
        let tag = try await target.putPart(plan, token: token, number: number, bytes: bytes)
        beforePart(number)
        return tag
    }
    func complete(_ plan: UploadPlan, token: String, tags: [String]) async throws(TargetFailure) -> String {
        try pass()
        return try await target.complete(plan, token: token, tags: tags)
    }
    func abort(_ plan: UploadPlan, token: String) async throws(TargetFailure) {
        try pass()
        try await target.abort(plan, token: token)
    }
    func inspect(_ plan: UploadPlan) async throws(TargetFailure) -> StoredObject? {
        try pass()
        return try await target.inspect(plan)
    }
    func read(_ plan: UploadPlan, span: ByteSpan) async throws(TargetFailure) -> [UInt8] {
        try await target.read(plan, span: span)
    }
    func partTag(_ bytes: PartBytes) -> String { target.partTag(bytes) }
    func verdict(_ plan: UploadPlan, object: StoredObject, tag: String?) -> CopyVerdict {
        target.verdict(plan, object: object, tag: tag)
    }
}
