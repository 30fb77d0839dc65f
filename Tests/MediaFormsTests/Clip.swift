import EvidenceModel
import Foundation
import MediaForms
import StationTesting
import Testing

/// Recordings made by the installed ffmpeg.
enum Clip {
    static let isAvailable = Tool.path(of: "ffmpeg") != nil && Tool.path(of: "ffprobe") != nil
    static let reason: Comment = "needs ffmpeg and ffprobe, to make recordings and to describe them"

    static let picture = ["-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25:duration=2"]
    static let tone = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=8000:duration=2"]
    static let film =
        picture + tone + ["-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-c:a", "aac", "-shortest"]
    static let fragmented = film + ["-movflags", "+frag_keyframe+empty_moov"]
    static let still = picture + ["-frames:v", "1", "-update", "1"]

    static func bytes(_ name: String, _ arguments: [String]) throws -> [UInt8] {
        try withFile(name, arguments) { try Self.bytes(of: $0) }
    }

    static func withFile<T>(_ name: String, _ arguments: [String], _ body: (RawPath) throws -> T) throws -> T {
        let folder = try TemporaryDirectory()
        defer { folder.close() }
        let path = folder.path.appending(name)
        _ = try Tool.run("ffmpeg", ["-v", "error", "-y"] + arguments + ["-bitexact", path.display])
        return try body(path)
    }

    static func bytes(of path: RawPath) throws -> [UInt8] {
        Array(try Data(contentsOf: URL(fileURLWithPath: path.display)))
    }

    /// The first tenth, two tenths, and so on to nine.
    static func cuts(_ bytes: [UInt8]) -> [[UInt8]] { (1...9).map { Array(bytes.prefix(bytes.count * $0 / 10)) } }
}

/// A file of a size that no test would write: zero bytes but for the pieces given.
func sparse(_ size: Int64, _ pieces: [Int64: [UInt8]]) -> ByteSource {
    ByteSource(size: size) { span in
        var bytes = [UInt8](repeating: 0, count: Int(span.length))
        for (offset, piece) in pieces {
            for (index, byte) in piece.enumerated() {
                let place = offset + Int64(index) - span.offset
                if place >= 0, place < span.length { bytes[Int(place)] = byte }
            }
        }
        return bytes
    }
}

func big(_ value: UInt64, _ width: Int) -> [UInt8] {
    (0..<width).reversed().map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
}

func little(_ value: UInt64, _ width: Int) -> [UInt8] { big(value, width).reversed() }

func ascii(_ text: String) -> [UInt8] { Array(text.utf8) }
