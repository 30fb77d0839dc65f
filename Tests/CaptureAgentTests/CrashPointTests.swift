import EvidenceModel
import FileAccess
import Foundation
import StationTesting
import Testing

/// The built program dies at every moment that has a name, and loses, doubles and mixes nothing.
@Suite("Every crash point", .timeLimit(.minutes(4)))
struct CrashPointTests {
    private static let small = 2_000
    /// Three parts, of which the last is short.
    private static let large = (17 << 20) + 5

    private static func both(_ point: CrashPoint) -> [String] { CrashPoint.Moment.allCases.map { point.name($0) } }

    /// A file for every death.
    private static func eachWithAFile(_ points: [CrashPoint]) -> [CrashJourney.Stage] {
        points.flatMap(both).flatMap { [.records(small), .dies($0)] }
    }

    private static func deaths(_ points: CrashPoint...) -> [CrashJourney.Stage] {
        points.flatMap(both).map { .dies($0) }
    }

    static let journeys: [String: [CrashJourney.Stage]] = [
        "a file becomes a recording": eachWithAFile([.spoolCopy, .catalogueInsert, .spoolSeal, .planInsert]),
        "an object in one request": eachWithAFile([
            .journalCreating, .stepPutWhole, .journalCompleted, .stepInspect, .journalVerified,
        ]),
        "an upload in parts": [.records(large)]
            + deaths(.stepCreate, .stepFind, .journalOpened, .stepList, .stepSend, .stepCompare, .journalAcknowledged)
            + deaths(.journalSealed, .stepComplete),
        "parts and uploads that are lost": [.records(large), .dies("journal.sealed.before"), .losesPart]
            + deaths(.journalForgotten) + [.dies("journal.sealed.before"), .losesUploads] + deaths(.journalLost),
        "an object that differs": [.records(small), .dies("step.inspect.before"), .changesObjects]
            + deaths(.journalParked) + [.losesObjects],
    ]
    /// A directory names its partial file after the upload: there is never more than one to be given up.
    static let storeJourneys: [String: [CrashJourney.Stage]] = [
        "uploads that nobody knows": [.records(large), .dies("step.create.after"), .doublesUploads]
            + deaths(.stepAbort)
    ]

    @Test(arguments: journeys.keys.sorted(), CrashJourney.Place.allCases)
    func nothingIsLost(_ journey: String, _ place: CrashJourney.Place) async throws {
        try await CrashJourney(place).travel(Self.journeys[journey] ?? [])
    }

    @Test(arguments: storeJourneys.keys.sorted())
    func nothingIsLostAtAStore(_ journey: String) async throws {
        try await CrashJourney(.s3).travel(Self.storeJourneys[journey] ?? [])
    }

    /// A point that no journey passes would be one that nothing is known about.
    @Test func everyPointIsPassed() {
        let stages = Self.journeys.merging(Self.storeJourneys) { $0 + $1 }.values.joined()
        let passed = stages.compactMap { if case .dies(let moment) = $0 { moment } else { nil } }
        let removals = [CrashPoint.removalIntent, .removalName, .removalFact].flatMap(Self.both)
        #expect(Set(passed + removals) == Set(CrashPoint.all))
    }

    /// On a card, whose files go when they are proved to be at the target: no file goes that is not there.
    @Test(.enabled(if: CardImage.isAvailable(.ext4), "mounting ext4 images needs root and loop devices"))
    func aRemovalThatIsCut() async throws {
        let station = try TestStation(
            sources: "  - {name: docks, mounts_under: @/media, settle_seconds: 0.2, wipe: after_receipt}",
            targets: "  - {name: nas, directory: {path: @/nas}}")
        for name in ["media", "nas", "kept"] { _ = try station.folder.folder(name) }
        let card = try CardImage(.ext4, in: station.folder)
        defer { card.close() }
        try card.mount(at: station.folder.path.appending("media/cam"))
        let points = [CrashPoint.removalIntent, .removalName, .removalFact].flatMap(Self.both)
        for (number, moment) in points.enumerated() {
            try await station.writeRandom("kept/\(number).ts", bytes: 100_000 + number)
            try FileManager.default.copyItem(
                atPath: station.path("kept/\(number).ts"), toPath: station.path("media/cam/\(number).ts"))
            let agent = try station.start("run", with: ["CAPTURE_AGENT_CRASH_AT": moment])
            #expect(await agent.ended() == 128 + SIGKILL, "\(moment): \(agent.errors)")
            let there = try await station.digests(below: "media/cam").merging(
                station.digests(below: "nas/recordings")
            ) { $0 + $1 }
            #expect(Set(there.keys).isSuperset(of: try await station.digests(below: "kept").keys), "\(moment)")
        }
        let agent = try station.start("run")
        defer { agent.signal(SIGKILL) }
        _ = try await station.status(agent) { $0["docks"][0]["safe_to_undock"].flag == true }
        // By names: a file that is just going cannot be hashed.
        func left() throws -> [String] {
            try FileManager.default.contentsOfDirectory(atPath: station.path("media/cam")).filter {
                $0.hasSuffix(".ts")
            }
        }
        while try !left().isEmpty { _ = try await station.json("status") }
        agent.signal(SIGTERM)
        #expect(await agent.ended() == 0)
        let stored = try await station.digests(below: "nas/recordings")
        #expect(Set(stored.keys) == Set(try await station.digests(below: "kept").keys))
        #expect(try await station.ledgerTypes().count { $0 == "wiped" } == points.count, "each is told once")
    }
}
