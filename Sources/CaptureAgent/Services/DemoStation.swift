import Foundation

/// A temporary station for `capture-agent demo`: a folder that plays the card, a folder that plays the NAS, and recordings
/// that ffmpeg makes.
enum DemoStation {
    private struct Sample {
        var path: String
        var arguments: [String]
    }

    private static let samples = [
        Sample(
            path: "DCIM/100INSP/K0001_061234_20261122093000.MP4",
            arguments: [
                "-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=25", "-f", "lavfi", "-i", "sine=440", "-t", "8",
                "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac",
            ]),
        Sample(
            path: "DCIM/100INSP/K0001_061234_20261122094510.MP4",
            arguments: [
                "-f", "lavfi", "-i", "smptebars=size=640x480:rate=25", "-f", "lavfi", "-i", "sine=880", "-t", "5",
                "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac",
            ]),
        Sample(
            path: "RECORD/HEARING/K0002_065678_20261121140000.WAV",
            arguments: ["-f", "lavfi", "-i", "sine=330:sample_rate=16000", "-t", "12", "-c:a", "pcm_s16le"]),
        Sample(
            path: "DCIM/101EVID/K0001_061234_20261122095200.JPG",
            arguments: ["-f", "lavfi", "-i", "testsrc2=size=1600x1200", "-frames:v", "1", "-update", "1"]),
    ]

    /// The folder to work in, made anew.
    static func makeFolder(_ named: String?) throws -> URL {
        let files = FileManager.default
        let url =
            named.map { URL(fileURLWithPath: $0) }
            ?? files.temporaryDirectory.appendingPathComponent(
                "capture-demo-\(UUID().uuidString.prefix(8).lowercased())")
        guard !files.fileExists(atPath: url.path) else {
            throw CommandFailure(.inputOutput, "\(url.path) is there already", hint: "name another --directory")
        }
        try files.createDirectory(at: url, withIntermediateDirectories: true)
        return url
    }

    /// Makes card, NAS, recordings and configuration below `folder`; the configuration's file.
    static func make(in folder: URL) throws -> URL {
        let files = FileManager.default
        for name in ["card", "nas"] {
            try files.createDirectory(at: folder.appendingPathComponent(name), withIntermediateDirectories: true)
        }
        for sample in samples { try record(sample, below: folder.appendingPathComponent("card")) }
        for (name, text) in configurationFiles(folder) {
            try Data(text.utf8).write(to: folder.appendingPathComponent(name))
        }
        return folder.appendingPathComponent("capture-agent.yaml")
    }

    private static func record(_ sample: Sample, below card: URL) throws {
        let file = card.appendingPathComponent(sample.path)
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["ffmpeg", "-nostdin", "-v", "error", "-y"] + sample.arguments + [file.path]
        do { try process.run() } catch { throw noFFmpeg }
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw noFFmpeg }
    }

    private static let noFFmpeg = CommandFailure(
        .unavailable, "ffmpeg could not make the sample recordings", hint: "install it: apt-get install ffmpeg")

    private static func configurationFiles(_ folder: URL) -> [(name: String, text: String)] {
        let station = """
            station: {id: demo-01, name: 演示采集站, time_zone: Asia/Shanghai}
            state_directory: state
            sources:
              - {name: card, directory: card, collect: spool, settle_seconds: 0.5}
            devices_file: devices.yaml
            item_list_file: item-list.yaml
            targets:
              - {name: nas, directory: {path: nas}}
            """
        let devices = #"""
            profiles:
              - name: body-camera
                patterns:
                  - {name: serial-officer-time, pattern: '^(?<device>K\d{4})_(?<officer>\d{6})_(?<time>\d{14})'}
            """#
        let items = """
            version: "2026-01"
            items:
              - {id: onsite-inspection, name: 现场检查, stages: [{id: arrival, name: 进入场所}]}
              - {id: hearing, name: 听证, stages: []}
              - {id: evidence-preservation, name: 证据保全, stages: []}
            rules:
              - {id: inspections, item: onsite-inspection, folder: '/100INSP$', confidence: 0.9}
              - {id: hearings, item: hearing, folder: 'HEARING', confidence: 0.8}
              - {id: evidence, item: evidence-preservation, folder: '/101EVID$', confidence: 0.7}
            """
        return [("capture-agent.yaml", station), ("devices.yaml", devices), ("item-list.yaml", items)]
    }
}
