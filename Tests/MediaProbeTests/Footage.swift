import EvidenceModel
import FileAccess
import Foundation
import Synchronization
import Testing

/// A folder of this test run, removed with it.
enum Scratch {
    static let folder: String = {
        var template = Array("/tmp/capture-probe-tests-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { fatalError("no folder below /tmp") }
        atexit { try? FileManager.default.removeItem(atPath: Scratch.folder) }
        return String(cString: made)
    }()

    static func file(_ name: String, _ bytes: [UInt8]) throws -> String {
        let path = folder + "/" + name
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        return path
    }

    /// A folder of its own below the scratch folder.
    static func subfolder() throws -> String {
        let path = folder + "/" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        return path
    }

    static func open(_ path: String) throws -> OwnedDescriptor {
        try OwnedDescriptor.open(absolute: RawPath(path), flags: O_RDONLY)
    }
}

/// Recordings made by the installed ffmpeg, once a run.
enum Footage {
    static let ffmpeg = "/usr/bin/ffmpeg"
    static let isAvailable = FileManager.default.isExecutableFile(atPath: ffmpeg)
    static let reason: Comment = "needs ffmpeg and ffprobe in /usr/bin to make and to describe the recordings"

    struct Clip: Sendable, CustomTestStringConvertible {
        var name: String
        var arguments: [String]
        var kind: MediaKind
        var container: String
        var testDescription: String { name }
    }

    private static let picture = ["-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25:duration=2"]
    private static let tone = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100:duration=2"]
    private static let h264 = ["-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-shortest"]
    private static let stamp = ["-metadata", "creation_time=2026-03-04T05:06:07Z"]
    private static let still = ["-frames:v", "1", "-update", "1"]

    static let tail = Clip(name: "tail.mp4", arguments: picture + tone + h264 + stamp, kind: .video, container: "mp4")
    static let faststart = Clip(
        name: "fast.mp4", arguments: picture + tone + h264 + ["-movflags", "+faststart"], kind: .video, container: "mp4"
    )
    static let jpeg = Clip(name: "photo.jpg", arguments: picture + still, kind: .photo, container: "jpeg_pipe")
    static let all: [Clip] = [
        tail, faststart, jpeg,
        Clip(name: "a.mov", arguments: picture + tone + h264, kind: .video, container: "mov"),
        Clip(name: "a.3gp", arguments: picture + h264, kind: .video, container: "mp4"),
        Clip(name: "a.mkv", arguments: picture + tone + h264, kind: .video, container: "matroska"),
        Clip(
            name: "a.avi", arguments: picture + tone + ["-c:v", "mpeg4", "-c:a", "mp2"], kind: .video, container: "avi"),
        Clip(name: "a.ts", arguments: picture + tone + h264, kind: .video, container: "mpegts"),
        Clip(name: "a.flv", arguments: picture + tone + h264, kind: .video, container: "flv"),
        Clip(
            name: "stream.mp4", arguments: picture + tone + ["-c:v", "mpeg2video", "-c:a", "mp2", "-f", "mpeg"],
            kind: .video, container: "mpeg"),
        Clip(name: "12:30:01.mp4", arguments: picture + h264, kind: .video, container: "mp4"),
        Clip(name: "a.wav", arguments: tone, kind: .audio, container: "wav"),
        Clip(name: "a.mp3", arguments: tone, kind: .audio, container: "mp3"),
        Clip(name: "a.m4a", arguments: tone, kind: .audio, container: "mp4"),
        Clip(name: "a.flac", arguments: tone, kind: .audio, container: "flac"),
        Clip(name: "a.ogg", arguments: tone + ["-c:a", "libopus"], kind: .audio, container: "ogg"),
        Clip(name: "pct_%03d.jpg", arguments: picture + still, kind: .photo, container: "jpeg_pipe"),
        Clip(name: "photo.png", arguments: picture + still, kind: .photo, container: "png_pipe"),
        Clip(name: "photo.bmp", arguments: picture + still, kind: .photo, container: "bmp_pipe"),
        Clip(name: "photo.webp", arguments: picture + still, kind: .photo, container: "webp_pipe"),
    ]

    /// Every clip made at once; the folder they are in.
    private static let made: Result<String, any Error> = Result {
        let folder = try Scratch.subfolder()
        for clip in all { try make(clip, in: folder) }
        return folder
    }

    /// Runs ffmpeg with `arguments` and the path of a file to write, in a folder of its own, with this ending; the path.
    static func made(_ ending: String, _ arguments: [String]) throws -> String {
        let path = try Scratch.subfolder() + "/clip." + ending
        let (code, output) = try run(ffmpeg, ["-v", "error", "-y"] + arguments + [path])
        try #require(code == 0, "\(output)")
        return path
    }

    private static func make(_ clip: Clip, in folder: String) throws {
        // ffmpeg reads colons and percent signs in names its own way: it writes a plain name, renamed after.
        let plain = folder + "/plain." + (clip.name as NSString).pathExtension
        let (code, output) = try run(ffmpeg, ["-v", "error", "-y"] + clip.arguments + ["file:" + plain])
        try #require(code == 0, "ffmpeg \(clip.name): \(output)")
        try FileManager.default.moveItem(atPath: plain, toPath: folder + "/" + clip.name)
    }

    static func path(_ clip: Clip) throws -> String {
        let path = try made.get() + "/" + clip.name
        return try later.withLock { _ in
            if !FileManager.default.fileExists(atPath: path) { try make(clip, in: made.get()) }
            return path
        }
    }

    /// Who makes a clip that is not among `all`.
    private static let later = Mutex(())

    static func bytes(_ clip: Clip) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: URL(fileURLWithPath: path(clip))))
    }

    /// What ffprobe says, by itself and in its own words: the oracle.
    struct Oracle: Decodable {
        struct Stream: Decodable {
            var codecType: String
            var codecName: String?
            var width: Int?
            var height: Int?
            var avgFrameRate: String?
            var sampleRate: String?
            var channels: Int?
        }
        struct Format: Decodable {
            var formatName: String
            var duration: String?
        }
        var streams: [Stream]
        var format: Format
    }

    static func oracle(_ clip: Clip) throws -> Oracle {
        let link = try Scratch.subfolder() + "/plain"
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: path(clip))
        let (code, output) = try run(
            "/usr/bin/ffprobe", ["-v", "error", "-of", "json", "-show_format", "-show_streams", "file:" + link])
        try #require(code == 0, "ffprobe \(clip.name)")
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(Oracle.self, from: Data(output.utf8))
    }

    /// Exit status and standard output.
    static func run(_ program: String, _ arguments: [String]) throws -> (Int32, String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: output, as: UTF8.self))
    }
}
