import EvidenceModel
import FileAccess
import Foundation
import Logging
import MediaProbe
import StationTesting

/// A prober for one test, stopped after it.
enum ProbeBench {
    static func with<Result>(
        worker: String? = nil, workers: Int = 1, timeout: Duration = .seconds(60),
        _ body: (MediaProber) async throws -> Result
    ) async throws -> Result {
        // SwiftPM puts the products of one build into one folder: the test bundle's executable is the agent here.
        let path = try worker.map { RawPath($0) } ?? MediaProber.defaultWorkerPath()
        let prober = try MediaProber(worker: path, workers: workers, timeout: timeout, logger: quiet)
        do {
            let result = try await body(prober)
            await prober.stop()
            return result
        } catch {
            await prober.stop()
            throw error
        }
    }

    static let quiet: Logger = {
        var logger = Logger(label: "tests")
        logger.logLevel = .critical
        return logger
    }()

    static func facts(
        _ prober: MediaProber, _ path: String, name: String? = nil, owner: String? = nil, isDeep: Bool = false
    ) async throws -> MediaFacts {
        let file = try Scratch.open(path)
        return try await prober.facts(of: file, name: RawPath(name ?? path), owner: owner, isDeep: isDeep)
    }

    /// The facts of one file, by a worker of its own.
    static func facts(_ path: String, name: String? = nil, isDeep: Bool = false) async throws -> MediaFacts {
        try await with { try await facts($0, path, name: name, isDeep: isDeep) }
    }

    private static let hello =
        #"{"version":2,"library":"0","protections":{"no_new_privileges":true,"system_call_filter":true,"#
        + #""landlock_version":0}}"#

    /// An executable script in the place of the worker. `$WORKER` is the real one; `once` is true the first time only.
    static func fakeWorker(_ script: String) throws -> String {
        let folder = try Scratch.subfolder()
        let path = folder + "/worker"
        let real = try MediaProber.defaultWorkerPath().display
        let text = """
            #!/bin/sh
            WORKER='\(real)'
            hello() { printf '%s' '\(hello)' >&3; }
            question() { /bin/dd bs=4096 count=1 <&3 >/dev/null 2>&1; }
            once() { /bin/mkdir '\(folder)/once' 2>/dev/null; }
            \(script)
            """
        try Data(text.utf8).write(to: URL(fileURLWithPath: path + ".draft"))
        // Written by another process: a child that another test forks at this moment would hold this one's open file,
        // and execve(2) refuses a program that is open for writing (ETXTBSY).
        try Tool.run("install", "-m", "700", path + ".draft", path)
        return path
    }

    /// Whether a fake worker has come to its `once`.
    static func hasBeenOnce(_ worker: String) -> Bool {
        FileManager.default.fileExists(atPath: (worker as NSString).deletingLastPathComponent + "/once")
    }

    /// Some file that the real worker describes without ffmpeg: 0.1 s of silence at 8 kHz, one channel, 8 bits.
    static func recording() throws -> String {
        func little(_ number: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } }
        let samples = [UInt8](repeating: 128, count: 800)
        let format = little(16) + [1, 0, 1, 0] + little(8000) + little(8000) + [1, 0, 8, 0]
        let body = Array("WAVEfmt ".utf8) + format + Array("data".utf8) + little(800) + samples
        return try Scratch.file(UUID().uuidString, Array("RIFF".utf8) + little(UInt32(body.count)) + body)
    }

    /// A name of its own for the real worker, so that its processes are told from those of other tests.
    static func linkedWorker() throws -> String {
        let path = try Scratch.subfolder() + "/worker"
        try FileManager.default.createSymbolicLink(
            atPath: path, withDestinationPath: MediaProber.defaultWorkerPath().display)
        return path
    }

    /// Living children of this process that were started as `worker`.
    static func children(of worker: String) throws -> [pid_t] {
        try children().filter { number in
            let line = try? Data(contentsOf: URL(fileURLWithPath: "/proc/\(number)/cmdline"))
            return line.map { $0.starts(with: Array(worker.utf8) + [0]) } ?? false
        }
    }

    /// All children of this process, zombies among them: proc(5), the second field behind the name in parentheses. Not
    /// by the threads' own lists, which lose some while threads come and go.
    static func children() throws -> [pid_t] {
        try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { pid_t($0) }.filter { number in
            let line = (try? String(contentsOfFile: "/proc/\(number)/stat", encoding: .utf8)) ?? ""
            let fields = line.split(separator: ")").last?.split(separator: " ") ?? []
            return fields.count > 1 && pid_t(fields[1]) == getpid()
        }
    }

    static func openDescriptors(of process: String = "self") throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/fd").count
    }
}
