import EvidenceModel
import Testing

@testable import MediaProbe

/// Recordings that are as they should be: the same facts as ffprobe tells.
@Suite(.enabled(if: Footage.isAvailable, Footage.reason))
struct DescriptionTests {
    @Test(arguments: Footage.all)
    func describesLikeTheOracle(_ clip: Footage.Clip) async throws {
        let oracle = try Footage.oracle(clip)
        let facts = try await ProbeBench.with { try await ProbeBench.facts($0, Footage.path(clip)) }
        #expect(facts.kind == clip.kind)
        #expect(facts.container == clip.container)
        #expect(facts.health == .intact)
        #expect(facts.streams.map(\.codec) == oracle.streams.compactMap(\.codecName))
        for (stream, expected) in zip(facts.streams, oracle.streams) {
            #expect(stream.kind.rawValue == expected.codecType)
            #expect(stream.widthPixels == expected.width)
            #expect(stream.heightPixels == expected.height)
            #expect(stream.sampleRateHertz == expected.sampleRate.flatMap(Int.init))
            #expect(stream.channels == expected.channels)
        }
        if clip.kind == .photo {
            #expect(facts.healthDetails == [])
            #expect(facts.durationSeconds == nil)
            #expect(facts.streams.map(\.frameRate) == [nil])
        } else {
            let expected = try #require(oracle.format.duration.flatMap(Double.init))
            #expect(abs(try #require(facts.durationSeconds) - expected) < 0.05)
        }
    }

    @Test func tellsFrameRateAndTimeOfMaking() async throws {
        let (tail, fast) = try await ProbeBench.with { prober in
            (
                try await ProbeBench.facts(prober, Footage.path(Footage.tail)),
                try await ProbeBench.facts(prober, Footage.path(Footage.faststart))
            )
        }
        #expect(tail.streams.first?.frameRate == 25)
        #expect(tail.creationTime == "2026-03-04T05:06:07.000000Z")
        #expect(fast.creationTime == nil)
    }

    @Test func previewIsASidecarWithItsStreams() async throws {
        let facts = try await ProbeBench.with {
            try await ProbeBench.facts($0, Footage.path(Footage.jpeg), name: "GX010001.THM")
        }
        #expect(facts.kind == .sidecar)
        #expect(facts.streams.map(\.codec) == ["mjpeg"])
    }

    @Test func pictureWithSomethingBehindItIsAPhoto() async throws {
        let path = try Scratch.file("motion.jpg", Footage.bytes(Footage.jpeg) + Footage.bytes(Footage.tail))
        let facts = try await ProbeBench.with { try await ProbeBench.facts($0, path) }
        #expect(facts.kind == .photo)
        #expect(facts.streams.first?.widthPixels == 160)
    }

    @Test func voiceRecordersAMRIsSound() async throws {
        // RFC 4867, 5: fifty frames of 12.2 kbit/s, 32 bytes each, make a second.
        let frame: [UInt8] = [0x3C] + [UInt8](repeating: 0, count: 31)
        let path = try Scratch.file("note.amr", Array("#!AMR\n".utf8) + Array((0..<50).map { _ in frame }.joined()))
        let facts = try await ProbeBench.with { try await ProbeBench.facts($0, path) }
        #expect(facts.kind == .audio)
        #expect(facts.container == "amr")
        #expect(facts.streams.map(\.codec) == ["amr_nb"])
        #expect(facts.streams.first?.sampleRateHertz == 8000)
    }
}
