import EvidenceModel
import Foundation
import StationTesting
import Testing

@testable import MediaProbe

/// What is told of recordings beside their health.
@Suite(.enabled(if: Footage.isAvailable, Footage.reason))
struct FactTests {
    private static let picture = ["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=4"]
    private static let tone = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100:duration=4"]
    private static let codecs = ["-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac"]

    @Test func streamsInFull() async throws {
        let path = try Footage.made(
            "mp4",
            Self.picture + Self.tone + Self.codecs + [
                "-metadata:s:a", "language=zho", "-b:a", "64k",
            ])
        // This muxer turns the tag into a display matrix, but only of a stream that it copies.
        let turned = try Footage.made("mp4", ["-i", path, "-c", "copy", "-metadata:s:v:0", "rotate=90"])
        let facts = try await ProbeBench.facts(turned)
        let (video, audio) = (try #require(facts.streams.first), try #require(facts.streams.last))
        // Against the clock in libavutil's matrix; `PictureTests` holds the picture against ffmpeg's own turning.
        #expect(video.rotationDegrees == 270)
        #expect(video.frameRate == 25)
        #expect(audio.language == "zho")
        #expect(audio.rotationDegrees == nil)
        #expect(try #require(audio.bitRate) > 30_000)
        #expect(try #require(facts.bitRate) > 50_000)
        #expect(facts.durationBasis == .exact)
        #expect(facts.health == .intact)
    }

    /// Cameras that keep the picture of before the button was pressed, without its sound.
    @Test func soundThatStartsLateIsNoDamage() async throws {
        let path = try Footage.made(
            "mp4",
            ["-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25:duration=8", "-itsoffset", "5"] + Self.tone + [
                "-map", "0:v", "-map", "1:a",
            ] + Self.codecs + ["-t", "8"])
        let facts = try await ProbeBench.facts(path)
        #expect(facts.health == .intact)
        #expect(abs(try #require(facts.streams.last?.startOffsetSeconds) - 5) < 0.1)
        #expect(facts.streams.first?.startOffsetSeconds == nil)
    }

    @Test func placeMakerAndModel() async throws {
        let path = try Footage.made(
            "mov",
            Self.picture + Self.codecs + [
                "-metadata", "location=+34.3625+107.2370+615.000/", "-metadata", "make=Example", "-metadata",
                "model=Shoulder 3", "-metadata", "creation_time=2000-01-01T00:00:00Z",
            ])
        let facts = try await ProbeBench.facts(path)
        #expect(
            facts.positions == [GeoPoint(latitude: 34.3625, longitude: 107.237, altitudeMetres: 615)].compactMap(\.self)
        )
        #expect(facts.make == "Example")
        #expect(facts.model == "Shoulder 3")
        // As it stands there: it is not for the probe to judge.
        #expect(facts.creationTime == "2000-01-01T00:00:00.000000Z")
        let other = try await ProbeBench.facts(Footage.made("mp4", Self.picture + Self.codecs))
        #expect(other.creationTime == nil)
        #expect(other.positions == [])
        #expect(other.make == nil)
    }

    /// ISO/IEC 14496-12, 8.2.2: zero is 1904, which is no time of making.
    @Test func zeroTimeIsNone() async throws {
        var bytes = try Footage.bytes(Footage.tail)
        for type in ["mvhd", "tkhd", "mdhd"] {
            for place in bytes.indices.dropLast(20) where bytes[place..<(place + 4)].elementsEqual(type.utf8) {
                bytes.replaceSubrange((place + 8)..<(place + 12), with: [0, 0, 0, 0])
            }
        }
        #expect(try await ProbeBench.facts(Scratch.file("1904.mp4", bytes)).creationTime == nil)
    }

    @Test func timecodeTrackIsData() async throws {
        let path = try Footage.made("mov", Self.picture + Self.codecs + ["-timecode", "01:02:03:04"])
        let facts = try await ProbeBench.facts(path)
        #expect(facts.streams.map(\.kind) == [.video, .data])
        #expect(facts.health == .intact)
    }

    @Test func exifOfAPhoto() async throws {
        let facts = try await ProbeBench.facts(
            Scratch.file("exif.jpg", ExifSample.insert(into: Footage.bytes(Footage.jpeg))))
        #expect(facts.kind == .photo)
        #expect(facts.health == .intact)
        #expect(facts.make == "Example")
        #expect(facts.creationTime == "2026-11-22T09:30:00+08:00")
        #expect(facts.streams.first?.rotationDegrees == 90)
    }

    @Test func nameIsNotBelieved() async throws {
        let photo = try await ProbeBench.facts(Scratch.file("photo.mp4", Footage.bytes(Footage.jpeg)))
        #expect(photo.kind == .photo)
        #expect(photo.container == "jpeg_pipe")
        let film = try await ProbeBench.facts(Scratch.file("film.jpg", Footage.bytes(Footage.tail)))
        #expect(film.kind == .video)
    }

    @Test func trackOfASidecar() async throws {
        let lines = (0..<200).map { second -> String in
            let body = String(
                format: "GPRMC,0130%02d.00,A,3421.%04d,N,10714.2200,E,0.0,0.0,221126,,", second % 60, second)
            let sum = body.utf8.reduce(UInt8(0)) { $0 ^ $1 }
            return "$\(body)*" + String(format: "%02X", sum)
        }
        let path = try Scratch.file("track.nmea", Array(lines.joined(separator: "\r\n").utf8))
        let facts = try await ProbeBench.facts(path)
        #expect(facts.kind == .sidecar)
        #expect(facts.creationTime == "2026-11-22T01:30:00Z")
        #expect(facts.positions.count == ProbeProtocol.positions)
        #expect(abs(try #require(facts.positions.first?.latitude) - 34.35) < 0.001)
        #expect(facts.positions.first?.at == WallTime(rfc3339: "2026-11-22T01:30:00Z"))
    }

    @Test func broadcastWaveHasALocalTime() async throws {
        let path = try Footage.made(
            "wav",
            Self.tone + [
                "-write_bext", "1", "-metadata", "origination_date=2026-11-22", "-metadata",
                "origination_time=09:30:00",
            ])
        #expect(try await ProbeBench.facts(path).creationTime == "2026-11-22T09:30:00")
    }

    @Test func encryptedOnesAreSaidToBe() async throws {
        let clear = try Footage.path(Footage.tail)
        let path = try Footage.made(
            "mp4",
            [
                "-i", clear, "-c", "copy", "-encryption_scheme", "cenc-aes-ctr", "-encryption_key",
                "76a6c65c5ea762046bd749a2e632ccbb", "-encryption_kid", "a7e61c373e219033c21091fa607bf3b8",
            ])
        let facts = try await ProbeBench.facts(path)
        #expect(facts.health == .encrypted)
        #expect(facts.container == "mp4")
        let salted = try Scratch.file(
            "clip.bin", Array("Salted__".utf8) + (0..<4096).map { UInt8(truncatingIfNeeded: $0 &* 197) })
        #expect(try await ProbeBench.facts(salted).health == .encrypted)
    }
}

/// A small Exif block: Exif 2.32, big-endian.
enum ExifSample {
    /// The photo with an APP1 segment behind its first marker.
    static func insert(into photo: [UInt8]) -> [UInt8] {
        func short(_ number: Int) -> [UInt8] { [UInt8(number >> 8 & 0xFF), UInt8(number & 0xFF)] }
        func long(_ number: Int) -> [UInt8] { short(number >> 16) + short(number) }
        let (make, time, zone) = (text("Example"), text("2026:11:22 09:30:00"), text("+08:00"))
        // IFD0 at 8 has three entries, the Exif IFD two; texts lie behind both.
        let exifAt = 8 + 2 + 3 * 12 + 4
        let textsAt = exifAt + 2 + 2 * 12 + 4
        func entry(_ tag: Int, _ type: Int, _ count: Int, _ value: [UInt8]) -> [UInt8] {
            short(tag) + short(type) + long(count) + value
        }
        let directory =
            short(3) + entry(0x010F, 2, make.count, long(textsAt)) + entry(0x0112, 3, 1, short(6) + [0, 0])
            + entry(0x8769, 4, 1, long(exifAt)) + long(0)
        let exif =
            short(2) + entry(0x9003, 2, time.count, long(textsAt + make.count))
            + entry(0x9011, 2, zone.count, long(textsAt + make.count + time.count)) + long(0)
        let block = Array("Exif\0\0MM".utf8) + short(42) + long(8) + directory + exif + make + time + zone
        return Array(photo.prefix(2)) + [0xFF, 0xE1] + short(block.count + 2) + block + photo.dropFirst(2)
    }

    private static func text(_ text: String) -> [UInt8] { Array(text.utf8) + [0] }
}
