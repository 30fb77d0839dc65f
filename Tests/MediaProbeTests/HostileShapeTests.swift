import EvidenceModel
import FileAccess
import Foundation
import StationTesting
import Testing

@testable import MediaProbe
@testable import ProbeWorker

/// Files of a shape that costs more than they are worth, and media that do not keep still.
@Suite struct HostileShapeTests {
    private func big(_ number: Int) -> [UInt8] {
        (0..<4).reversed().map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
    }

    private func box(_ type: String, _ content: [UInt8]) -> [UInt8] {
        big(content.count + 8) + Array(type.utf8) + content
    }

    private var brand: [UInt8] { box("ftyp", Array("isom".utf8) + big(0) + Array("isom".utf8)) }

    /// Facts of `bytes`, and then of a recording: the same worker goes on, or another takes its place at once.
    private func facts(_ bytes: [UInt8]) async throws -> MediaFacts {
        let path = try Scratch.file(UUID().uuidString + ".mp4", bytes)
        return try await ProbeBench.with { prober in
            let facts = try await ProbeBench.facts(prober, path)
            #expect(try await ProbeBench.facts(prober, ProbeBench.recording()).health == .intact)
            return facts
        }
    }

    @Test func sixtyFiveThousandTracks() async throws {
        let track = box("trak", [])
        let facts = try await facts(brand + box("moov", Array((0..<65_535).map { _ in track }.joined())))
        #expect(facts.health == .unreadable)
        #expect(facts.streams.count <= ProbeProtocol.streams)
    }

    @Test func boxesInBoxes() async throws {
        var inner: [UInt8] = []
        let depth = 20_000
        for level in 0..<depth { inner += big((depth - level) * 8) + Array("moov".utf8) }
        #expect(try await facts(brand + inner).health == .unreadable)
    }

    @Test(.enabled(if: Footage.isAvailable, Footage.reason))
    func pictureThatWouldNotFit() async throws {
        var bytes = try Footage.bytes(Footage.jpeg)
        let frame = try #require((2..<(bytes.count - 9)).first { bytes[$0] == 0xFF && bytes[$0 + 1] == 0xC0 })
        bytes.replaceSubrange((frame + 5)..<(frame + 9), with: [0xFF, 0xFF, 0xFF, 0xFF])
        let facts = try await facts(bytes)
        #expect(facts.kind == .photo || facts.kind == .unknown)
        let path = try Scratch.file(UUID().uuidString, bytes)
        let picture = try await ProbeBench.with { prober in
            let file = try Scratch.open(path)
            return try await prober.picture(of: file)
        }
        #expect(picture == nil)
    }

    /// Cut off by its recorder, or by a writer that takes it away, while it is being looked into.
    @Test(.enabled(if: Footage.isAvailable, Footage.reason), arguments: [3, 10, 40])
    func fileThatShrinks(_ reads: Int) throws {
        let path = try Scratch.file(UUID().uuidString, Footage.bytes(Footage.faststart))
        let file = try Scratch.open(path)
        var asked = 0
        let result = FileProbe.look(at: file, task: .deep) {
            asked += 1
            if asked == reads { truncate(path, 20_000) }
            return false
        }
        #expect(asked > reads)
        #expect(result.facts.health != .intact)
    }

    /// A reader that hangs: the file's worker is given up, and other devices' files do not wait for it, nor do new
    /// workers. In a process of its own: whatever that one starts would wait for the card, closing its copy of the
    /// descriptor (close(2) asks a FUSE file system), were it not started by the nursery.
    @Test(.enabled(if: CardImage.isAvailable(.fat), "needs root and fusefat to make a card hang"))
    func cardThatHangs() async {
        await #expect(processExitsWith: .success) {
            let directory = try TemporaryDirectory()
            let card = try CardImage(.fat, in: directory)
            let point = directory.path.appending("mnt")
            let good = try ProbeBench.recording()
            try card.mount(at: point)
            try Tool.run("cp", good, point.appending("a.wav").display)
            try card.unmount()
            try card.mount(at: point, readOnly: true)
            try await ProbeBench.with(workers: 2, timeout: .seconds(2)) { prober in
                let path = point.appending("a.wav")
                // Closing waits for the card, too: on a lane of its own.
                let file = OwnedDescriptor(
                    adopting: path.withCString { open($0, O_RDONLY | O_CLOEXEC) }, path: path,
                    closingOn: IOLane(label: "card"))
                card.hang()
                defer { card.pullOut() }
                let hanging = try await prober.facts(of: file, name: path, owner: "card")
                #expect(hanging.health == .unreadable)
                #expect(hanging.healthDetails.first?.contains("did not come to an end") == true)
                #expect(try await ProbeBench.facts(prober, good).health == .intact)
            }
        }
    }

    /// The same, with what waits: of a hanging device one file holds a worker, the next ones wait for their turn.
    @Test func hangingOwnerHasOneLane() async throws {
        let gate = try Scratch.subfolder() + "/gate"
        try Tool.run("mkfifo", gate)
        // The first question goes to a worker that waits until somebody opens the gate.
        let worker = try ProbeBench.fakeWorker(
            "if once; then hello; question; read line < '\(gate)'; exit 0; fi; exec \"$WORKER\"")
        let path = try ProbeBench.recording()
        try await ProbeBench.with(worker: worker, workers: 2) { prober in
            try await withThrowingTaskGroup(of: MediaHealth.self) { cards in
                cards.addTask { try await ProbeBench.facts(prober, path, owner: "card").health }
                while !ProbeBench.hasBeenOnce(worker) { await Task.yield() }
                for _ in 0..<3 {
                    cards.addTask { try await ProbeBench.facts(prober, path, owner: "card").health }
                }
                // None of these would be told, were the second worker waiting for the card, too.
                for _ in 0..<3 {
                    #expect(try await ProbeBench.facts(prober, path, owner: "other").health == .intact)
                }
                try Data("open\n".utf8).write(to: URL(fileURLWithPath: gate))
                let healths = try await cards.reduce(into: [MediaHealth]()) { $0.append($1) }
                #expect(healths.count { $0 == .intact } == 3)
                #expect(healths.count { $0 == .unreadable } == 1)
            }
        }
    }
}
