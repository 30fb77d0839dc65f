import EvidenceModel
import FileAccess
import Foundation
import StationTesting
import Testing

@testable import MediaProbe

/// Posters and waveforms, held against pictures that ffmpeg makes.
@Suite(.enabled(if: Footage.isAvailable, Footage.reason))
struct PictureTests {
    private func picture(_ path: String) async throws -> [UInt8]? {
        let file = try Scratch.open(path)
        return try await ProbeBench.with { try await $0.picture(of: file) }
    }

    /// Brightness of every pixel, by ffmpeg.
    private func pixels(_ path: String, _ width: Int, _ height: Int) throws -> [UInt8] {
        let raw = try Footage.made(
            "raw", ["-i", "file:" + path, "-vf", "scale=\(width):\(height)", "-pix_fmt", "gray", "-f", "rawvideo"])
        return [UInt8](try Data(contentsOf: URL(fileURLWithPath: raw)).prefix(width * height))
    }

    private func difference(_ left: [UInt8], _ right: [UInt8]) -> Double {
        zip(left, right).reduce(0) { $0 + Double(abs(Int($1.0) - Int($1.1))) } / Double(max(1, left.count))
    }

    @Test func posterShowsAFrameUpright() async throws {
        let plain = try Footage.made(
            "mp4",
            [
                "-f", "lavfi", "-i", "smptehdbars=size=1280x720:rate=25:duration=2", "-c:v", "libx264", "-preset",
                "ultrafast",
            ])
        let turned = try Footage.made("mp4", ["-i", plain, "-c", "copy", "-metadata:s:v:0", "rotate=90"])
        for (path, width, height) in [(plain, 640, 360), (turned, 360, 640)] {
            let jpeg = try #require(try await picture(path))
            #expect(jpeg.count <= ProbeProtocol.pictureBytes)
            let poster = try Scratch.file(UUID().uuidString + ".jpg", jpeg)
            let size = try await ProbeBench.facts(poster).streams.first
            #expect(size?.widthPixels == width)
            #expect(size?.heightPixels == height)
            // ffmpeg turns what the file says is to be turned.
            let off = try difference(pixels(poster, width, height), pixels(path, width, height))
            #expect(off < 12, "\(path): \(off)")
        }
    }

    @Test func blackBeginningIsPassedOver() async throws {
        let path = try Footage.made(
            "mp4",
            [
                "-f", "lavfi", "-i", "color=black:size=320x240:rate=25:duration=4", "-f", "lavfi", "-i",
                "testsrc2=size=320x240:rate=25:duration=6", "-filter_complex", "[0][1]concat=n=2", "-c:v", "libx264",
                "-preset", "ultrafast", "-g", "25",
            ])
        let jpeg = try #require(try await picture(path))
        let seen = try pixels(Scratch.file(UUID().uuidString + ".jpg", jpeg), 320, 240)
        #expect(Set(seen.map { $0 / 16 }).count > 6)
    }

    @Test(arguments: ["wav", "mp3", "m4a"])
    func waveformShowsWhereItIsLoud(_ ending: String) async throws {
        let path = try Footage.made(
            ending,
            ["-f", "lavfi", "-i", "sine=frequency=440:duration=10", "-af", "volume='if(lt(t,5),0.01,7)':eval=frame"])
        let jpeg = try #require(try await picture(path))
        let (width, height) = (640, 120)
        let seen = try pixels(Scratch.file(UUID().uuidString + ".jpg", jpeg), width, height)
        func ink(_ columns: Range<Int>) -> Int {
            columns.reduce(0) { sum, x in sum + (0..<height).count { seen[$0 * width + x] < 150 } }
        }
        #expect(ink(20..<300) * 5 < ink(340..<620), "\(ink(20..<300)) against \(ink(340..<620))")
    }

    @Test func photosGetOneAndOthersNone() async throws {
        let photo = try #require(try await picture(Footage.path(Footage.jpeg)))
        #expect(photo.starts(with: [0xFF, 0xD8, 0xFF]))
        #expect(try await picture(Scratch.file("empty", [])) == nil)
        #expect(try await picture(Scratch.file("text", Array("nothing to see".utf8))) == nil)
        let whole = try Footage.bytes(Footage.tail)
        #expect(try await picture(Scratch.file("cut", Array(whole.prefix(whole.count / 2)))) == nil)
    }

    /// A picture is not believed because the worker says it is one.
    @Test(arguments: [
        ("printf 'no picture at all' >&3", 18), ("printf '\\377\\330\\377x' >&3", 5), (":", 4),
    ])
    func foreignPictureIsNotBelieved(_ script: String, _ count: Int) async throws {
        let reply =
            #"{"version":2,"sequence":1,"outcome":"described","picture_bytes":\#(count),"facts":"#
            + #"{"kind":"video","streams":[],"positions":[],"damaged_bytes":[],"health":"intact","health_details":[]}}"#
        let worker = try ProbeBench.fakeWorker("hello; question; printf '%s' '\(reply)' >&3; \(script); question")
        let file = try Scratch.open(ProbeBench.recording())
        let picture = try await ProbeBench.with(worker: worker, timeout: .seconds(3)) { try await $0.picture(of: file) }
        #expect(picture == nil)
    }
}
