import EvidenceModel
import FileAccess
import Foundation
import Logging
import MediaProbe
import ProbeWorker

/// Describing recordings: by a kept worker, in this process without any protection, and by programs that are started for
/// each file; and what an hour of recording costs.
struct ProbeBenchmark {
    /// The four take turns after so many files, so that a busy moment of the machine meets all of them.
    private static let turn = 50

    private let folder: String
    private let files: [RawPath]

    init(folder: String, sizes: Sizes) throws {
        self.folder = folder
        let sample = folder + "/sample.mp4"
        _ = try Peer.output(
            of: "ffmpeg",
            [
                "-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25:duration=4", "-f",
                "lavfi",
                "-i", "sine=duration=4", "-c:v", "libx264", "-b:v", "500k", "-pix_fmt", "yuv420p", "-c:a", "aac",
                sample,
            ])
        let content = try Data(contentsOf: URL(filePath: sample))
        files = try (0..<sizes.probedFiles).map { number in
            let path = folder + "/\(number).mp4"
            try content.write(to: URL(filePath: path))
            return RawPath(path)
        }
    }

    private struct Total {
        var wall = 0.0
        var processor = 0.0

        mutating func add(_ cost: Cost) {
            wall += cost.wallSeconds
            processor += cost.processorSeconds
        }
    }

    func run() async throws -> [Result] {
        let worker = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().appending(
            path: "capture-probe")
        let prober = try MediaProber(worker: RawPath(worker.path), logger: Logger(label: "benchmark"))
        _ = try await prober.facts(of: open(files[0]), name: files[0])
        var (kept, inProcess, ffprobe, mediainfo) = (Total(), Total(), Total(), Total())
        for start in stride(from: 0, to: files.count, by: Self.turn) {
            let some = files[start..<min(start + Self.turn, files.count)]
            kept.add(try await keptCost(prober, some))
            inProcess.add(
                try Measure.cost {
                    for file in some { _ = FileProbe.look(at: try open(file), task: .describe, isOver: { false }) }
                })
            ffprobe.add(
                try peer(some, "ffprobe", ["-v", "error", "-show_format", "-show_streams", "-of", "json"]))
            mediainfo.add(try peer(some, "mediainfo", ["--Output=JSON"]))
        }
        let peak = Self.children().map { Self.peakMebibytes(of: $0) }.max() ?? 0
        await prober.stop()
        return [
            result(
                "probe by a kept worker (peak \(peak) MiB)", kept,
                [("ffprobe", ffprobe), ("mediainfo", mediainfo), ("in-process", inProcess)]),
            result("probe in-process, unprotected", inProcess, []),
            result("ffprobe, a process each", ffprobe, []), result("mediainfo, a process each", mediainfo, []),
        ] + (try hour())
    }

    /// What the files cost this process and its worker together.
    private func keptCost(_ prober: MediaProber, _ some: ArraySlice<RawPath>) async throws -> Cost {
        let worker = Self.children()
        let before = worker.reduce(0) { $0 + Self.processorSeconds(of: $1) }
        let clock = ContinuousClock()
        let (start, own) = (clock.now, Measure.ownProcessorSeconds)
        for file in some { _ = try await prober.facts(of: open(file), name: file) }
        let wall = start.duration(to: clock.now) / .seconds(1)
        let after = worker.reduce(0) { $0 + Self.processorSeconds(of: $1) }
        return Cost(wallSeconds: wall, processorSeconds: after - before + Measure.ownProcessorSeconds - own)
    }

    private func peer(_ some: ArraySlice<RawPath>, _ program: String, _ arguments: [String]) throws -> Cost {
        try Measure.cost(of: .childProcess) {
            for file in some { _ = try Peer.output(of: program, arguments + [file.display]) }
        }
    }

    private func open(_ file: RawPath) throws -> OwnedDescriptor {
        try OwnedDescriptor.open(absolute: file, flags: O_RDONLY)
    }

    private func result(_ subject: String, _ own: Total, _ peers: [(String, Total)]) -> Result {
        let count = Double(files.count)
        return Result(
            subject: subject,
            amount:
                "\(Report.decimal(count / own.wall, 0)) files/s, \(Report.decimal(own.processor / count * 1000, 2)) CPU ms/file",
            ratios: peers.flatMap { name, peer in
                [
                    (peer: name, ratio: peer.wall / own.wall),
                    (peer: "\(name) by CPU", ratio: peer.processor / own.processor),
                ]
            })
    }

    // MARK: An hour

    /// The verdict on an ordinary clip of an hour, 1080p at 25 pictures a second: bytes read and processor time.
    private func hour() throws -> [Result] {
        let (minute, hour) = (folder + "/minute.mp4", folder + "/hour.")
        _ = try Peer.output(
            of: "ffmpeg",
            [
                "-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=1920x1080:rate=25:duration=12", "-f",
                "lavfi", "-i", "sine=duration=12", "-c:v", "libx264", "-preset", "ultrafast", "-b:v", "2M", "-g", "25",
                "-pix_fmt", "yuv420p", "-c:a", "aac", minute,
            ])
        return try [("mp4", ["-movflags", "+faststart"]), ("ts", []), ("mkv", [])].map { ending, more in
            let path = hour + ending
            _ = try Peer.output(
                of: "ffmpeg",
                ["-nostdin", "-v", "error", "-stream_loop", "299", "-i", minute, "-c", "copy"] + more + [path])
            defer { try? FileManager.default.removeItem(atPath: path) }
            var costs: [Double] = []
            let before = Self.bytesRead
            for _ in 0..<Sizes.runs {
                costs.append(
                    try Measure.cost {
                        _ = FileProbe.look(at: try open(RawPath(path)), task: .describe, isOver: { false })
                    }.processorSeconds)
            }
            let read = Double(Self.bytesRead - before) / Double(Sizes.runs) / Double(1 << 20)
            return Result(
                subject: "verdict on an hour of 1080p, \(ending)",
                amount: "\(Report.decimal(Measure.median(costs) * 1000, 0)) CPU ms, \(Report.decimal(read, 1)) MiB read"
            )
        }
    }

    // MARK: /proc, proc(5)

    /// `rchar` of this process.
    private static var bytesRead: Int64 {
        let text = (try? String(contentsOfFile: "/proc/self/io", encoding: .utf8)) ?? ""
        return text.split(separator: "\n").first.flatMap { Int64($0.dropFirst("rchar: ".count)) } ?? 0
    }

    private static func children() -> [pid_t] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { pid_t($0) }.filter { stat(of: $0).map { pid_t($0[1]) == getpid() } ?? false }
    }

    /// What stands behind the name in parentheses: state, parent, …
    private static func stat(of process: pid_t) -> [Substring]? {
        let line = (try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)) ?? ""
        let fields = line.split(separator: ")").last?.split(separator: " ")
        return fields.flatMap { $0.count > 13 ? $0 : nil }
    }

    private static func processorSeconds(of process: pid_t) -> Double {
        guard let fields = stat(of: process), let user = Double(fields[11]), let system = Double(fields[12]) else {
            return 0
        }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    private static func peakMebibytes(of process: pid_t) -> Int {
        let text = (try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
        return (line.flatMap { Int($0.filter(\.isNumber)) } ?? 0) / 1024
    }
}
