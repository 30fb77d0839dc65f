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
    private let limits: ProbeLimits
    /// Whether workers start however a card hangs (`ProcessNursery`).
    package let startsApart: Bool

    /// - Parameters:
    ///   - worker: absolute path of `capture-probe`; started only when a file is asked about.
    ///   - workers: how many files are looked into at once, at least 1.
    ///   - timeout: how long a file may take, and a worker to start; at most 13 hours.
    ///
    /// To be made before the first device is opened (`ProcessNursery`).
    package init(
        worker: RawPath, workers: Int = 1, timeout: Duration = .seconds(20), logger: Logger
    ) throws(MediaProbeError) {
        let milliseconds = timeout.components.seconds * 1000 + timeout.components.attoseconds / 1_000_000_000_000_000
        limits = ProbeLimits(timeoutMilliseconds: milliseconds)
        let nursery: ProcessNursery
        do throws(FileAccessError) { nursery = try ProcessNursery() } catch {
            throw MediaProbeError(
                code: .workerUnavailable, sentence: "Recordings cannot be looked into: no thread can be started.",
                cause: error)
        }
        startsApart = nursery.isApart
        let settings = ProbeSettings(
            executable: worker, startMilliseconds: limits.timeoutMilliseconds, nursery: nursery, logger: logger)
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
    ///   - owner: the device whose bytes they are; of one owner one file at a time is looked into. None is nobody's.
    ///   - isDeep: everything is decoded, for as long as that takes: at most 13 hours.
    package func facts(
        of file: borrowing OwnedDescriptor, name: RawPath, owner: String? = nil, isDeep: Bool = false
    ) async throws(MediaProbeError) -> MediaFacts {
        try await look(at: file, name: name, owner: owner, isDeep: isDeep).facts
    }

    /// The same, and whether it may have been a moment that hindered the look.
    package func look(
        at file: borrowing OwnedDescriptor, name: RawPath, owner: String? = nil, isDeep: Bool = false
    ) async throws(MediaProbeError) -> Look {
        let limits = isDeep ? ProbeLimits.deep(size: (try? file.status().stamp.size) ?? 0) : limits
        switch try await ask(isDeep ? .deep : .describe, about: file.number, owner, limits) {
        case .told(let answer):
            let mayPass = [.tooSlow, .readFailed].contains(answer.reply.outcome)
            return Look(facts: SidecarRule.facts(answer.reply, name: name), mayPass: mayPass)
        case .blamed(let sentence):
            return Look(
                facts: MediaFacts(kind: .unknown, health: .unreadable, healthDetails: [sentence]), mayPass: true)
        }
    }

    /// What a look came to.
    package struct Look: Sendable {
        package var facts: MediaFacts
        /// The file may not be to blame: a card may hang, a machine be busy, a worker be killed. Another look later may
        /// come to something else.
        package var mayPass: Bool
    }

    /// A small JPEG that stands for the file: of a video or photo a picture, of a sound its waveform, no side longer than
    /// `ProbeProtocol.pictureSide`. Nothing where none can be made. Parameters as above.
    package func picture(
        of file: borrowing OwnedDescriptor, owner: String? = nil
    ) async throws(MediaProbeError) -> [UInt8]? {
        guard case .told(let answer) = try await ask(.picture, about: file.number, owner, limits) else { return nil }
        return answer.picture
    }

    /// - Parameter file: number of a descriptor that stays open until this returns.
    private func ask(
        _ task: ProbeTask, about file: Int32, _ owner: String?, _ limits: ProbeLimits
    ) async throws(MediaProbeError) -> ProbeLane.Answer {
        let lane = await turns.take(for: owner)
        defer { turns.giveBack(lane, of: owner) }
        return try await lanes[lane].ask(task, about: file, limits: limits)
    }

    /// What a worker says of itself: its library, and what this kernel keeps it from.
    package func hello() async throws(MediaProbeError) -> ProbeHello {
        let lane = await turns.take(for: nil)
        defer { turns.giveBack(lane, of: nil) }
        return try await lanes[lane].hello()
    }

    /// Ends the workers now, whatever they have: files under way throw `.stopped`, and so do those asked about later. For an
    /// agent that is to end although a card hangs.
    package func interrupt() {
        for lane in lanes { lane.interruption.interrupt() }
    }

    /// Ends and reaps the workers when they are through with the files they have, which takes at most the timeout.
    /// Files asked about later throw `.stopped`.
    package func stop() async {
        for lane in lanes { await lane.stop() }
    }
}
