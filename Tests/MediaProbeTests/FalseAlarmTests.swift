import EvidenceModel
import Foundation
import StationTesting
import Testing

@testable import MediaProbe

/// Whole recordings of odd but ordinary form, each of which was once called cut or damaged; and holes that were once
/// passed over.
@Suite(.enabled(if: Footage.isAvailable, Footage.reason))
struct FalseAlarmTests {
    private static let picture = ["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=4"]
    private static let tone = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100:duration=4"]
    private static let h264 = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-pix_fmt", "yuv420p"]

    private func made(_ ending: String, _ arguments: [String]) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: URL(fileURLWithPath: Footage.made(ending, arguments))))
    }

    private func facts(_ bytes: [UInt8]) async throws -> MediaFacts {
        try await ProbeBench.facts(Scratch.file(UUID().uuidString, bytes))
    }

    private func place(of text: String, in bytes: [UInt8]) throws -> Int {
        try #require(bytes.indices.dropLast(4).first { bytes[$0..<($0 + 4)].elementsEqual(text.utf8) })
    }

    private func little(_ number: Int) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } }

    @Test func startCodesInThePlaceOfLengths() async throws {
        var bytes = try made("mp4", Self.picture + Self.h264)
        var offset = try place(of: "mdat", in: bytes) + 4
        let end = try place(of: "moov", in: bytes) - 4
        while offset + 4 < end {
            let length = bytes[offset..<(offset + 4)].reduce(0) { $0 << 8 | Int($1) }
            bytes.replaceSubrange(offset..<(offset + 4), with: [0, 0, 0, 1])
            offset += 4 + length
        }
        #expect(try await facts(bytes).health == .intact)
    }

    @Test func clockThatDoesNotBeginAtZero() async throws {
        let bytes = try made("mkv", Self.picture + Self.h264 + ["-output_ts_offset", "10"])
        #expect(try await facts(bytes).health == .intact)
    }

    @Test(arguments: ["mkv", "flv"])
    func picturesFiveSecondsApart(_ ending: String) async throws {
        let slow = ["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=1/5:duration=30"]
        #expect(try await facts(made(ending, slow + Self.h264)).health == .intact)
    }

    @Test func clustersRestBehindPhotos() async throws {
        let rest = [UInt8](repeating: 0, count: 32 << 10)
        for ending in ["jpg", "png"] {
            let bytes = try made(ending, Self.picture + ["-frames:v", "1", "-update", "1"])
            #expect(try await facts(bytes + rest).health == .intact, "\(ending)")
        }
        let black = [
            "-f", "lavfi", "-i", "color=black:size=320x240:rate=25:duration=1", "-frames:v", "1", "-update", "1",
        ]
        #expect(try await facts(made("bmp", black)).health == .intact)
    }

    @Test func junkBehindAnAVI() async throws {
        var bytes = try made("avi", Self.picture + ["-c:v", "mpeg4"])
        bytes += Array("JUNK".utf8) + little(8192) + [UInt8](repeating: 0, count: 8192)
        bytes.replaceSubrange(4..<8, with: little(bytes.count - 8))
        #expect(try await facts(bytes).health == .intact)
    }

    @Test func silenceOfDifferences() async throws {
        let mute = Self.tone + ["-af", "volume=0", "-c:a", "adpcm_ima_qt"]
        let bytes = try made("mov", Self.picture + mute + Self.h264)
        #expect(try await facts(bytes).health == .intact)
        #expect(
            try await facts(made("wav", Self.tone + ["-af", "volume=0", "-c:a", "adpcm_ima_wav"])).health == .intact)
    }

    @Test func roomInATagOfAnMP3() async throws {
        let bytes = try made("mp3", Self.tone)
        // ID3v2.4, 3.1: the size in four groups of seven bits.
        let room = 300_000
        let size = (0..<4).reversed().map { UInt8(room >> (7 * $0) & 0x7F) }
        let tag = Array("ID3".utf8) + [4, 0, 0] + size + [UInt8](repeating: 0, count: room)
        #expect(try await facts(tag + bytes).health == .intact)
    }

    @Test func fewZerosBehindATransportStream() async throws {
        let bytes = try made("ts", Self.picture + Self.h264) + [UInt8](repeating: 0, count: 1000)
        #expect(try await facts(bytes).health == .intact)
    }

    @Test func sizeOfTheWholeThatIsWrong() async throws {
        var bytes = try made("wav", Self.tone)
        bytes.replaceSubrange(4..<8, with: little(bytes.count - 8 + 44))
        let facts = try await facts(bytes)
        #expect(facts.health == .intact)
        #expect(facts.healthDetails.count == 1)
    }

    @Test(arguments: ["avi", "fragmented"])
    func zerosInTheMiddleAreDamage(_ form: String) async throws {
        var bytes =
            form == "avi"
            ? try made("avi", Self.picture + ["-c:v", "mjpeg"])
            : try made("mp4", Self.picture + Self.h264 + ["-movflags", "+frag_keyframe+empty_moov"])
        for index in (bytes.count * 4 / 10)..<(bytes.count * 5 / 10) { bytes[index] = 0 }
        let facts = try await facts(bytes)
        #expect(facts.health == .damaged || facts.health == .truncated, "\(facts)")
    }
}
