import EvidenceModel
import FileAccess
import Foundation
import Testing

@testable import MediaProbe

/// Files that are broken, or made to mislead.
@Suite struct HostileFileTests {
    /// Whether a file is opened while `body` runs, asked of the kernel: inotify(7).
    private func isOpened(_ path: String, while body: () async throws -> Void) async throws -> Bool {
        let watch = inotify_init1(Int32(IN_NONBLOCK | IN_CLOEXEC))
        defer { close(watch) }
        try #require(inotify_add_watch(watch, path, UInt32(IN_OPEN)) >= 0)
        try await body()
        var event = [UInt8](repeating: 0, count: 4096)
        return read(watch, &event, event.count) > 0
    }

    @Test(
        .enabled(if: Footage.isAvailable, Footage.reason),
        arguments: [
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile://%@\n#EXT-X-ENDLIST\n",
            "ffconcat version 1.0\nfile '%@'\n",
            // Relative, from "/": the only form that libavformat's concat finds safe.
            "ffconcat version 1.0\nfile '%R'\n",
            "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=%@\n",
            "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\"><Period>"
                + "<BaseURL>file://%@</BaseURL></Period></MPD>",
        ])
    func scriptThatNamesAnotherFileIsRefused(_ script: String) async throws {
        let other = try Scratch.subfolder() + "/other.mp4"
        try Data(Footage.bytes(Footage.tail)).write(to: URL(fileURLWithPath: other))
        let text = script.replacingOccurrences(of: "%@", with: other)
            .replacingOccurrences(of: "%R", with: other.dropFirst())
        let path = try Scratch.file(UUID().uuidString + ".mp4", Array(text.utf8))
        let opened = try await isOpened(other) {
            let facts = try await ProbeBench.with { try await ProbeBench.facts($0, path) }
            #expect(facts.kind == .unknown)
            #expect(facts.health == .unreadable)
            #expect(facts.streams.isEmpty)
        }
        #expect(!opened)
        // The watch works: this is an open that it sees.
        #expect(try await isOpened(other) { _ = try Scratch.open(other) })
    }

    @Test func randomBytesAreNoRecording() async throws {
        try await ProbeBench.with { prober in
            // 326, 347 and 364 look like h263 to libavformat, with a score of 25.
            for seed in Array(UInt64(1)...8) + [326, 347, 364] {
                var generator = SplitMix(state: seed)
                let bytes = (0..<300_000).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
                let path = try Scratch.file("random-\(seed).mp4", bytes)
                let facts = try await ProbeBench.facts(prober, path)
                #expect(facts.kind == .unknown, "seed \(seed)")
                #expect(facts.health == .unreadable, "seed \(seed)")
                #expect(facts.healthDetails.count == 1)
            }
        }
    }

    @Test(.enabled(if: Footage.isAvailable, Footage.reason), arguments: Footage.all)
    func flippedAndCutBytesNeverStopTheProbe(_ clip: Footage.Clip) async throws {
        let whole = try Footage.bytes(clip)
        try await ProbeBench.with { prober in
            for seed in UInt64(1)...6 {
                var generator = SplitMix(state: seed)
                var bytes = Array(whole.prefix(Int.random(in: 1...whole.count, using: &generator)))
                for _ in 0..<20 {
                    bytes[Int.random(in: bytes.indices, using: &generator)] = .random(in: 0...255, using: &generator)
                }
                let path = try Scratch.file(UUID().uuidString, bytes)
                _ = try await ProbeBench.facts(prober, path)
            }
            #expect(try await ProbeBench.facts(prober, Footage.path(clip)).health == .intact)
        }
    }

    @Test func emptyAndZeroedFiles() async throws {
        let empty = try Scratch.file("empty.mp4", [])
        let zeroed = try Scratch.file("zeroed.mp4", [UInt8](repeating: 0, count: 500_000))
        try await ProbeBench.with { prober in
            let nothing = try await ProbeBench.facts(prober, empty)
            #expect(nothing.health == .empty)
            #expect(nothing.kind == .unknown)
            let zeroes = try await ProbeBench.facts(prober, zeroed)
            #expect(zeroes.health == .empty)
            #expect(zeroes.kind == .unknown)
            #expect(zeroes.healthDetails.count == 1)
        }
    }

    @Test(arguments: [
        ("track.GPX", MediaKind.sidecar), ("a.srt", .sidecar), ("a.mp4", .unknown), ("noext", .unknown),
    ])
    func textIsASidecarByItsName(_ name: String, _ kind: MediaKind) async throws {
        let path = try Scratch.file(UUID().uuidString, Array("battery 80 %\nrecording began\n".utf8))
        let facts = try await ProbeBench.with { try await ProbeBench.facts($0, path, name: name) }
        #expect(facts.kind == kind)
        #expect(facts.health == (kind == .sidecar ? .intact : .unreadable))
    }

    @Test func unopenedHEIFIsAPhotoOfUnknownHealth() async throws {
        let box: [UInt8] = [0, 0, 0, 24] + Array("ftypheic".utf8) + [0, 0, 0, 0] + Array("mif1heic".utf8)
        let path = try Scratch.file("photo.heic", box + [UInt8](repeating: 1, count: 4000))
        let facts = try await ProbeBench.with { try await ProbeBench.facts($0, path) }
        #expect(facts.kind == .photo)
        #expect(facts.health == .unreadable)
        #expect(facts.container == "heif")
    }

    @Test func unreadableMediumIsToldAsSuch() async throws {
        // Open for writing only: every read fails, as on a card that is breaking.
        let file = try OwnedDescriptor.open(
            absolute: RawPath(Scratch.file("unreadable.mp4", [1, 2, 3])), flags: O_WRONLY)
        let facts = try await ProbeBench.with { try await $0.facts(of: file, name: RawPath("unreadable.mp4")) }
        #expect(facts.health == .unreadable)
        #expect(facts.healthDetails == ["The medium could not be read at byte 0 (errno \(EBADF))."])
    }

    @Test func folderIsNoRecording() async throws {
        let facts = try await ProbeBench.with { try await ProbeBench.facts($0, Scratch.folder) }
        #expect(facts.health == .unreadable)
    }
}

/// SplitMix64, so that a seed means the same bytes everywhere.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
