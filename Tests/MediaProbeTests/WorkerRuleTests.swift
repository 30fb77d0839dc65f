import EvidenceModel
import Foundation
import Testing

@testable import ProbeWorker

/// What the worker decides, without a process.
@Suite struct WorkerRuleTests {
    private let nothing = FileHead(bytes: [1, 2, 3])
    private let jpeg = FileHead(bytes: [0xFF, 0xD8, 0xFF, 0xE1])

    @Test func opensOnlyWhatIsOnTheListAndCertain() {
        #expect(DemuxerChoice.verdict(format: "mov,mp4,m4a,3gp,3g2,mj2", score: 100, head: nothing) == .open("mov"))
        #expect(DemuxerChoice.verdict(format: "mpeg", score: 26, head: nothing) == .open("mpeg"))
        #expect(DemuxerChoice.verdict(format: "mpeg", score: 25, head: nothing) == .refuse(nil))
        #expect(DemuxerChoice.verdict(format: "h263", score: 25, head: nothing) == .refuse(nil))
        #expect(DemuxerChoice.verdict(format: "hls", score: 100, head: nothing) == .refuse("hls"))
        #expect(DemuxerChoice.verdict(format: nil, score: 0, head: nothing) == .refuse(nil))
        #expect(DemuxerChoice.verdict(format: "mjpeg", score: 50, head: jpeg) == .open("jpeg_pipe"))
    }

    @Test func nothingThatOpensOthersIsOnTheList() {
        let openers = ["hls", "concat", "dash", "imf", "image2", "sdp", "rtsp", "rtp", "sap", "webm_dash_manifest"]
        #expect(DemuxerChoice.allowed.isDisjoint(with: openers))
    }

    @Test func ratesAreGuardedAndCoversAreNoPictures() {
        var reading = ContainerReading(format: "mp3", durationMicroseconds: -5)
        reading.streams = [
            .init(kind: .audio, codec: "mp3", sampleRate: 44100, channels: 2),
            .init(kind: .cover, codec: "mjpeg", width: 10, height: 10),
        ]
        let sound = facts(reading)
        #expect(sound.kind == .audio)
        #expect(sound.durationSeconds == nil)
        #expect(sound.streams.map(\.kind) == [.audio, .data])
        reading.streams = [
            .init(
                kind: .video, codec: "h264", width: 8, height: 8, averageRate: .init(numerator: 25, denominator: 0),
                baseRate: .init(numerator: 30000, denominator: 1001))
        ]
        #expect(facts(reading).streams.first?.frameRate == 30000.0 / 1001)
        reading.streams[0].width = 0
        #expect(facts(reading).health == .damaged)
    }

    @Test func containerWithoutPictureOrSoundIsUnreadable() {
        let facts = facts(ContainerReading(format: "mov"))
        #expect(facts.kind == .unknown)
        #expect(facts.health == .unreadable)
    }

    private func facts(_ reading: ContainerReading) -> MediaFacts {
        FactsRule.facts(Findings(size: 1000, reading: reading, form: .other), head: nothing, exif: nil)
    }

    @Test func textsAreCutAtAWholeCharacter() {
        let cut = String(repeating: "音", count: 1000).prefix(utf8Bytes: ProbeProtocol.textBytes)
        #expect(cut.utf8.count <= ProbeProtocol.textBytes)
        #expect(cut.allSatisfy { $0 == "音" })
    }

    @Test(.enabled(if: Footage.isAvailable, Footage.reason))
    func noTimeIsToldAsSuch() throws {
        let file = try Scratch.open(Footage.path(Footage.tail))
        let result = FileProbe.look(at: file, task: .describe, isOver: { true })
        #expect(result.outcome == .tooSlow)
        #expect(result.facts.health == .unreadable)
    }

    @Test func repliesAreDoubted() {
        let good = ProbeReply(sequence: 7, outcome: .described, facts: MediaFacts(kind: .video, health: .intact))
        #expect(good.flaw(askedSequence: 7) == nil)
        #expect(good.flaw(askedSequence: 8) != nil)
        func flaw(_ change: (inout MediaFacts) -> Void) -> String? {
            var reply = good
            change(&reply.facts)
            return reply.flaw(askedSequence: 7)
        }
        #expect(flaw { $0.container = String(repeating: "x", count: 300) } != nil)
        #expect(flaw { $0.durationSeconds = -1 } != nil)
        #expect(flaw { $0.streams = Array(repeating: StreamFacts(kind: .data, codec: "x"), count: 33) } != nil)
        #expect(flaw { $0.streams = [StreamFacts(kind: .video, codec: "x", widthPixels: -1)] } != nil)
        #expect(flaw { $0.healthDetails = Array(repeating: "x", count: 9) } != nil)
        #expect(flaw { $0.healthDetails = [String(repeating: "x", count: 2000)] } != nil)
        #expect(flaw { $0.playableSeconds = .infinity } != nil)
        #expect(flaw { $0.durationSeconds = 1e19 } != nil)
        let never = WallTime(millisecondsSince1970: .max)
        #expect(flaw { $0.positions = [GeoPoint(latitude: 1, longitude: 2, at: never)].compactMap(\.self) } != nil)
        #expect(flaw { $0.damagedSpans = Array(repeating: ByteSpan(offset: 0, length: 1), count: 17) } != nil)
        #expect(flaw { $0.streams = [StreamFacts(kind: .audio, codec: "x", startOffsetSeconds: .nan)] } != nil)
        let place = GeoPoint(latitude: 1, longitude: 2)
        #expect(flaw { $0.positions = Array(repeating: place, count: 49).compactMap(\.self) } != nil)
        var picture = good
        picture.pictureBytes = ProbeProtocol.pictureBytes + 1
        #expect(picture.flaw(askedSequence: 7) != nil)
    }
}
