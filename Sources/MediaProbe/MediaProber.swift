package import EvidenceModel
package import FileAccess
import Glibc
package import Logging

/// Tells what files contain, through `capture-probe` workers that are started when first needed, kept, and replaced
/// when a file breaks them. A file that is waited for holds up no file of another worker, and no thread of the rest of
/// the agent.
package final class MediaProber: Sendable {
    private let lanes: [ProbeLane]
    private let turns: LaneTurns

    /// - Parameters:
    ///   - worker: absolute path of `capture-probe`; started only when a file is asked about.
    ///   - workers: how many files are looked into at once, at least 1.
    ///   - timeout: how long a file may take, and a worker to start; at most 13 hours.
    package init(worker: RawPath, workers: Int = 1, timeout: Duration = .seconds(20), logger: Logger) {
        let milliseconds = timeout.components.seconds * 1000 + timeout.components.attoseconds / 1_000_000_000_000_000
        let settings = ProbeSettings(
            executable: worker, timeoutMilliseconds: Int32(min(max(milliseconds, 1), 13 * 3_600_000)), logger: logger)
        lanes = (0..<max(1, workers)).map { ProbeLane(number: $0, settings: settings) }
        turns = LaneTurns(lanes: max(1, workers))
    }

    /// `capture-probe` in the folder of the agent's own executable, readlink(2) of `/proc/self/exe`.
    package static func defaultWorkerPath() throws(MediaProbeError) -> RawPath {
        var bytes = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let length = bytes.withUnsafeMutableBytes { buffer in
            buffer.withMemoryRebound(to: CChar.self) { text in
                // An array of PATH_MAX bytes has a base address.
                text.baseAddress.map { readlink("/proc/self/exe", $0, text.count) } ?? -1
            }
        }
        guard length > 0, length < bytes.count else {
            throw MediaProbeError(
                code: .workerUnavailable,
                sentence: "The agent's own place cannot be told, so capture-probe beside it is not found: is /proc"
                    + " mounted?",
                cause: FileAccessError(call: "readlink", path: RawPath("/proc/self/exe"), code: errno))
        }
        return RawPath(bytes: bytes.prefix(length)).parent.appending("capture-probe")
    }

    /// What the file contains; never changed, and read only by the worker.
    ///
    /// A file that crashes the worker, lets it hang or makes it answer nonsense is `unknown` and `unreadable` with the
    /// reason, like one that is no recording. Waits at most twice the timeout once it is the file's turn.
    ///
    /// - Parameters:
    ///   - file: open for reading; borrowed until this returns, so its number means the same file all the time.
    ///   - name: only its extension counts, and only for sidecars.
    package func facts(of file: borrowing OwnedDescriptor, name: RawPath) async throws(MediaProbeError) -> MediaFacts {
        let number = file.number
        let lane = await turns.take()
        defer { turns.giveBack(lane) }
        return try await lanes[lane].facts(of: number, name: name)
    }

    /// Ends and reaps the workers when they are through with the files they have, which takes at most the timeout.
    /// Files asked about later throw `.stopped`.
    package func stop() async {
        for lane in lanes { await lane.stop() }
    }
}
