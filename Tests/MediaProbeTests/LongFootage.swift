import EvidenceModel
import Foundation
import Testing

/// Twenty seconds of picture and sound in every form that a device writes.
extension Footage {
    enum Form: String, CaseIterable, Sendable {
        case tail, faststart, fragmented, mov, ts, ps, avi, mkv, flv, wav, mp3
    }

    private static let source = [
        "-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=20", "-f", "lavfi", "-i",
        "sine=frequency=440:sample_rate=44100:duration=20",
    ]
    private static let sound = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100:duration=20"]
    private static let codecs = [
        "-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-pix_fmt", "yuv420p", "-c:a", "aac",
    ]

    /// Made when first asked for.
    static func long(_ form: Form) -> Clip {
        let (name, arguments): (String, [String]) =
            switch form {
            case .tail: ("long-tail.mp4", source + codecs)
            case .faststart: ("long-fast.mp4", source + codecs + ["-movflags", "+faststart"])
            case .fragmented: ("long-frag.mp4", source + codecs + ["-movflags", "+frag_keyframe+empty_moov"])
            case .mov: ("long.mov", source + codecs + ["-movflags", "+faststart"])
            case .ts: ("long.ts", source + codecs)
            case .ps: ("long-ps.mp4", source + ["-c:v", "mpeg2video", "-c:a", "mp2", "-f", "mpeg"])
            case .avi: ("long.avi", source + ["-c:v", "mpeg4", "-c:a", "mp2"])
            case .mkv: ("long.mkv", source + codecs)
            case .flv: ("long.flv", source + codecs)
            case .wav: ("long.wav", sound)
            case .mp3: ("long.mp3", sound + ["-c:a", "libmp3lame", "-q:a", "4", "-write_xing", "0"])
            }
        return Clip(
            name: name, arguments: arguments, kind: form == .wav || form == .mp3 ? .audio : .video, container: "")
    }

    /// When the last packet that the bytes hold ends, from the first one on, as ffprobe reads it.
    static func lastPacketSeconds(_ bytes: [UInt8]) throws -> Double {
        let path = try Scratch.file(UUID().uuidString, bytes)
        let (_, output) = try run(
            "/usr/bin/ffprobe",
            [
                "-v", "quiet", "-select_streams", "v", "-show_entries", "packet=pts_time,duration_time", "-of",
                "csv=p=0",
                "file:" + path,
            ])
        let ends = output.split(separator: "\n").compactMap { line -> Double? in
            let fields = line.split(separator: ",").compactMap { Double($0) }
            return fields.count == 2 ? fields[0] + fields[1] : nil
        }
        return try #require(ends.max())
    }
}
