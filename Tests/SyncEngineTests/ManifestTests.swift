import ContentHash
import EvidenceModel
import Foundation
import GRDB
import StationTesting
import Testing

@testable import SyncEngine

/// A journal in memory and a store; crashes are deliveries that end anywhere and begin again from the journal.
@Suite("Manifests", .timeLimit(.minutes(1)))
struct ManifestTests {
    private let queue: DatabaseQueue
    private let journal = UploadJournal()
    private let noon = WallTime(millisecondsSince1970: 1_800_000_000_000)
    private let sample = SampleRecording(seed: 1, size: 35, partSize: 10)
    private let plan: UploadPlan

    init() throws {
        queue = try DatabaseQueue()
        var migrator = DatabaseMigrator()
        UploadJournal.registerMigrations(in: &migrator)
        try migrator.migrate(queue)
        plan = sample.plan()
        try queue.write {
            try journal.insert(plan, turn: UploadTurn(share: "", urgency: .usual), at: noon, in: $0)
        }
    }

    private func verify() throws {
        try queue.write {
            try journal.write(.creating, for: plan, at: noon, in: $0)
            try journal.write(.verified(StoredObject(size: 35, tag: "w"), method: "m"), for: plan, at: noon, in: $0)
        }
    }

    private func manifest(number: Int) -> Manifest {
        var random = SeededRandom(seed: UInt64(number))
        let body = Array("{\"number\":\(number)}".utf8)
        let digest = ContentDigest.sha256(of: body)
        let layout = PartLayout(size: Int64(body.count), partSize: Int64(body.count))
        return Manifest(
            plan: UploadPlan(
                upload: UniversalID.random(using: &random), recording: plan.recording, target: "target",
                key: "recordings/s1/x/manifest-\(number).json",
                content: StoredContent(layout: layout, digest: digest, partDigests: [digest])),
            number: number, body: body)
    }

    private func wish() throws {
        try queue.write { try journal.wishManifests(of: plan.recording, at: noon, in: $0) }
    }

    /// Makes what is wished, as the station does.
    private func make() throws {
        try queue.write { database in
            guard let id = try journal.wishedManifest(target: "target", in: database) else { return }
            let number = try journal.nextManifestNumber(of: id, target: "target", in: database)
            try journal.insert(manifest(number: number), at: noon, in: database)
        }
    }

    private func due(after seconds: Double = 0) throws -> Manifest? {
        try queue.read { try journal.dueManifest(target: "target", at: noon.adding(seconds: seconds), in: $0) }
    }

    private var waiting: Int {
        get throws { try queue.read { try journal.manifestQueues(in: $0) }["target"]?.waiting ?? 0 }
    }

    /// One try, which ends without a word where the target fails.
    private func deliver(to store: UpkeepStore, after seconds: Double = 0, losingTag: Bool = false) async throws {
        guard let manifest = try due(after: seconds) else { return }
        let (queue, journal, noon) = (queue, journal, noon)
        let ending: ManifestDelivery.Ending
        do throws(TargetFailure) {
            ending = try await ManifestDelivery(target: store, turns: AlwaysRoom()).run(manifest) {
                (outcome) async throws(TargetFailure) in
                do {
                    if losingTag { throw CancellationError() }
                    try await queue.write { try journal.write(outcome, of: manifest, at: noon, in: $0) }
                } catch { throw TargetFailure(kind: .cancelled, sentence: "killed") }
            }
        } catch { return }
        let other = self.manifest(number: manifest.number + 1)
        try await queue.write { database in
            switch ending {
            case .verified: try journal.write(.verified, of: manifest, at: noon, in: database)
            case .parked(let failure): try journal.write(.parked(failure), of: manifest, at: noon, in: database)
            case .taken: try journal.replace(manifest, by: other, at: noon, in: database)
            }
        }
    }

    @Test func theFirstIsWishedWhenTheMediaIsVerifiedAndNotBefore() throws {
        try queue.write { try journal.wishManifests(of: plan.recording, at: noon, in: $0) }
        #expect(try waiting == 0)
        try verify()
        #expect(try waiting == 1)
        // Asked again, everything agreed: nothing new is to be said.
        try make()
        try queue.write {
            try journal.write(.verified(StoredObject(size: 35, tag: "w"), method: "m"), for: plan, at: noon, in: $0)
        }
        #expect(try waiting == 1)
    }

    /// Each request fails in its turn, carried out or not, and the answer that it was stored is lost to the journal.
    @Test(arguments: 0..<3, [(false, false), (true, false), (false, true), (true, true)])
    func aCrashAnywhereNeitherLosesNorDoubles(_ requests: Int, _ how: (isCarriedOut: Bool, losingTag: Bool))
        async throws
    {
        try verify()
        try make()
        let store = UpkeepStore()
        store.change { ($0.failsAt, $0.isFailureAfter) = (requests, how.isCarriedOut) }
        guard let manifest = try due() else { throw CancellationError() }
        _ = try? await ManifestDelivery(target: store, turns: AlwaysRoom()).run(manifest) {
            (_) async throws(TargetFailure) in
            if how.losingTag { throw TargetFailure(kind: .cancelled, sentence: "killed") }
        }
        store.change { $0.failsAt = nil }
        try await deliver(to: store)
        #expect(store.contents.done == [manifest.plan.key])
        #expect(store.contents.objects[manifest.plan.key]?.tag == manifest.plan.content.digest.hex)
        #expect(try waiting == 0 && due(after: 1e6) == nil)
    }

    @Test func aLaterWordIsTheNextNumberAndWaitsForTheOneBefore() async throws {
        let store = UpkeepStore()
        try verify()
        try make()
        for _ in 0..<3 { try wish() }
        try make()
        #expect(try waiting == 2 && due()?.number == 1)
        try await deliver(to: store)
        try make()
        try await deliver(to: store)
        try make()
        #expect(try waiting == 0)
        #expect(store.contents.done == [1, 2].map { manifest(number: $0).plan.key })
        let rows = try await queue.read {
            try Int.fetchAll($0, sql: "SELECT size_bytes FROM manifest WHERE body IS NULL ORDER BY number")
        }
        #expect(rows == [12, 12])
    }

    /// As after the database was restored from an older copy.
    @Test func whatLiesThereIsNotReplaced() async throws {
        let store = UpkeepStore()
        let theirs = StoredObject(size: 1, tag: "theirs")
        store.change { $0.objects = [1, 2].reduce(into: [:]) { $0[manifest(number: $1).plan.key] = theirs } }
        try verify()
        try make()
        for _ in 0..<3 { try await deliver(to: store) }
        #expect(store.contents.done == [manifest(number: 3).plan.key])
        #expect(store.contents.objects.values.filter { $0 == theirs }.count == 2)
        #expect(try waiting == 0)
        try wish()
        try make()
        #expect(try due()?.number == 4)
    }

    @Test func whatTheTargetMangledIsTriedUnderAnotherNumberMuchLater() async throws {
        let store = UpkeepStore()
        store.change { $0.isMangling = true }
        try verify()
        try make()
        try await deliver(to: store)
        let waits = try await queue.read { try journal.manifestQueues(in: $0) }
        #expect(waits["target"] == ManifestQueue(waiting: 1, reason: "it is another object"))
        #expect(try due(after: 599) == nil)
        store.change { $0.isMangling = false }
        try await deliver(to: store, after: 600)
        #expect(try due()?.number == 2)
        try await deliver(to: store)
        #expect(try waiting == 0)
    }

    @Test func copiesOfAnEarlierVersionAreTold() throws {
        let earlier = try DatabaseQueue()
        var migrator = DatabaseMigrator()
        UploadJournal.registerMigrations(in: &migrator)
        try migrator.migrate(earlier, upTo: "journal-2")
        let plan = plan
        try earlier.write { database in
            try database.execute(
                sql: """
                    INSERT INTO upload(id, recording, target, object_key, size_bytes, part_size_bytes, sha256, part_sha256,
                      progress, completed_tag, planned_at_ms) VALUES(?, ?, 'target', ?, ?, ?, ?, ?, 'verified', 'w', 0);
                    """,
                arguments: [
                    plan.upload, plan.recording.text, plan.key, plan.content.size, plan.content.layout.partSize,
                    Data(plan.content.digest.bytes), Data(ContentDigest.joined(plan.content.partDigests)),
                ])
            try database.execute(
                sql: "INSERT INTO receipt VALUES(?, 5, 35, 'w', NULL, 'm'), (?, 9, 35, 'w', NULL, 'm')",
                arguments: [plan.upload, plan.upload])
        }
        try migrator.migrate(earlier)
        let (wished, least) = try earlier.read {
            (
                try journal.wishedManifest(target: "target", in: $0),
                try journal.leastChecked(target: "target", in: $0)
            )
        }
        #expect(wished == plan.recording)
        #expect(least?.at == WallTime(millisecondsSince1970: 9) && least?.passes == 0)
    }
}
