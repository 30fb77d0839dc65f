import EvidenceModel
import Foundation
import StationTesting
import Testing

@testable import MediaProbe

/// Recordings as a pulled card, a dead battery or a lost cluster leaves them: what is said of each, held against what
/// ffprobe and ffmpeg find in the same bytes.
@Suite(.enabled(if: Footage.isAvailable, Footage.reason))
struct DamageTests {
    private func facts(_ bytes: [UInt8], name: String = "x", isDeep: Bool = false) async throws -> MediaFacts {
        try await ProbeBench.facts(Scratch.file(UUID().uuidString + "-" + name, bytes), isDeep: isDeep)
    }

    private func cut(_ clip: Footage.Clip, to tenths: Int) throws -> [UInt8] {
        let whole = try Footage.bytes(clip)
        return Array(whole.prefix(whole.count * tenths / 10))
    }

    @Test func lostIndexIsTruncatedAndSaysSo() async throws {
        let facts = try await facts(cut(Footage.long(.tail), to: 6))
        #expect(facts.health == .truncated)
        #expect(facts.container == "mp4")
        #expect(facts.playableSeconds == 0)
        #expect(facts.healthDetails.first?.contains("moov") == true)
    }

    @Test func cutFaststartTellsWhatPlays() async throws {
        let bytes = try cut(Footage.long(.faststart), to: 6)
        let facts = try await facts(bytes)
        #expect(facts.health == .truncated)
        let duration = try #require(facts.durationSeconds)
        #expect(abs(duration - 20) < 0.1)
        let oracle = try Footage.lastPacketSeconds(bytes)
        #expect(abs(try #require(facts.playableSeconds) - oracle) < 0.3)
    }

    @Test(arguments: [60, 2])
    func zeroTailOfAWholeFileIsFound(_ percent: Int) async throws {
        let whole = try Footage.bytes(Footage.long(.faststart))
        let kept = whole.count * percent / 100
        let bytes = Array(whole.prefix(kept)) + [UInt8](repeating: 0, count: whole.count - kept)
        let facts = try await facts(bytes)
        #expect(facts.health == .truncated)
        let playable = try #require(facts.playableSeconds)
        #expect(playable < 20 * Double(percent + 5) / 100)
        #expect(percent < 10 || playable > 20 * Double(percent - 10) / 100)
        let span = try #require(facts.damagedSpans.last)
        #expect(span.offset >= Int64(kept) - 100_000 && span.offset <= Int64(kept) + 100_000)
        #expect(span.end >= Int64(whole.count) - 100_000)
        #expect(facts.healthDetails.contains { $0.contains("zero bytes") })
        // The oracle: decoding it complains.
        let deep = try await self.facts(bytes, isDeep: true)
        #expect(deep.health != .intact)
    }

    @Test func otherBytesInTheMiddleAreFound() async throws {
        let whole = try Footage.bytes(Footage.long(.faststart))
        var bytes = whole
        let hole = (whole.count / 2)..<(whole.count / 2 + whole.count / 8)
        for index in hole { bytes[index] = UInt8(truncatingIfNeeded: index &* 31) }
        let facts = try await facts(bytes)
        #expect(facts.health == .damaged)
        let span = try #require(facts.damagedSpans.first)
        #expect(span.offset < Int64(hole.upperBound) && span.end > Int64(hole.lowerBound))
        #expect(span.end < Int64(whole.count))
    }

    @Test func cutFragmentsTellWhatPlays() async throws {
        let bytes = try cut(Footage.long(.fragmented), to: 6)
        let facts = try await facts(bytes)
        #expect(facts.health == .truncated)
        let oracle = try Footage.lastPacketSeconds(bytes)
        #expect(abs(try #require(facts.playableSeconds) - oracle) < 1.1)
    }

    @Test(arguments: 1...9)
    func everyTenthOfACutIsSeen(_ tenths: Int) async throws {
        for form in Footage.Form.allCases where form != .mp3 {
            let facts = try await facts(cut(Footage.long(form), to: tenths), name: form.rawValue)
            #expect(facts.health == .truncated || facts.health == .damaged, "\(form) at \(tenths)0 %: \(facts)")
            let seconds = facts.playableSeconds ?? 0
            #expect(seconds <= 2 * Double(tenths) + 1.5, "\(form) at \(tenths)0 %: \(seconds)")
        }
    }

    @Test func wholeOnesAreIntact() async throws {
        try await ProbeBench.with { prober in
            for form in Footage.Form.allCases {
                let path = try Footage.path(Footage.long(form))
                let facts = try await ProbeBench.facts(prober, path)
                #expect(facts.health == .intact, "\(form): \(facts)")
                #expect(facts.healthDetails == [], "\(form)")
                #expect(abs(try #require(facts.durationSeconds) - 20) < 0.2, "\(form)")
                #expect(facts.durationBasis == .exact, "\(form)")
                #expect(try await ProbeBench.facts(prober, path, isDeep: true).health == .intact, "\(form), deep")
            }
        }
    }

    /// ISO/IEC 11172-3 has no header for a file: 128 kbit/s is guessed of the first frame, and is wrong.
    @Test func variableBitRateIsCounted() async throws {
        let facts = try await ProbeBench.facts(Footage.path(Footage.long(.mp3)))
        #expect(abs(try #require(facts.durationSeconds) - 20) < 0.1)
        #expect(facts.durationBasis == .exact)
    }

    @Test(arguments: [UInt32(0), .max])
    func waveWithoutASizeIsWhole(_ size: UInt32) async throws {
        var bytes = try Footage.bytes(Footage.long(.wav))
        let little = (0..<4).map { UInt8(truncatingIfNeeded: size >> (8 * $0)) }
        bytes.replaceSubrange(4..<8, with: little)
        let data = try #require((12..<200).first { Array(bytes[$0..<($0 + 4)]) == Array("data".utf8) })
        bytes.replaceSubrange((data + 4)..<(data + 8), with: little)
        let facts = try await facts(bytes)
        #expect(facts.health == .intact)
        #expect(abs(try #require(facts.durationSeconds) - 20) < 0.1)
    }

    @Test func cutWaveTellsBothLengths() async throws {
        let facts = try await facts(cut(Footage.long(.wav), to: 6))
        #expect(facts.health == .truncated)
        #expect(abs(try #require(facts.durationSeconds) - 20) < 0.1)
        #expect(abs(try #require(facts.playableSeconds) - 12) < 0.1)
    }

    @Test func silenceIsNoDamage() async throws {
        let header = try Array(Footage.bytes(Footage.long(.wav)).prefix(200_000))
        var bytes = header + [UInt8](repeating: 0, count: 200_000)
        let data = try #require((12..<200).first { Array(bytes[$0..<($0 + 4)]) == Array("data".utf8) })
        let riff = UInt32(bytes.count - 8), length = UInt32(bytes.count - data - 8)
        bytes.replaceSubrange(4..<8, with: (0..<4).map { UInt8(truncatingIfNeeded: riff >> (8 * $0)) })
        bytes.replaceSubrange(
            (data + 4)..<(data + 8), with: (0..<4).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) })
        #expect(try await facts(bytes).health == .intact)
    }

    @Test(arguments: 1...9)
    func cutPhotoLacksItsEnd(_ tenths: Int) async throws {
        let facts = try await facts(cut(Footage.jpeg, to: tenths))
        #expect(facts.health == .truncated || facts.health == .unreadable)
    }

    @Test func zeroedFileIsEmpty() async throws {
        let facts = try await facts([UInt8](repeating: 0, count: 3_000_000))
        #expect(facts.health == .empty)
        #expect(facts.healthDetails.first?.contains("zero") == true)
    }

    /// Ten thousand lines of libavcodec's, were they not silenced; and the next file is not delayed.
    @Test func noiseInH264IsFoundByADeepLook() async throws {
        var bytes = try Footage.bytes(Footage.long(.ts))
        var random = SplitMix(state: 7)
        for _ in 0..<4000 {
            let index = Int.random(in: 20_000..<bytes.count, using: &random)
            if index % 188 > 20 { bytes[index] = .random(in: 0...255, using: &random) }
        }
        let facts = try await facts(bytes, isDeep: true)
        #expect(facts.health == .damaged)
        #expect(!facts.damagedSpans.isEmpty)
        #expect(facts.damagedSpans.count <= ProbeProtocol.spans)
    }
}
