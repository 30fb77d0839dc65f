import EvidenceModel
import FileAccess
import Glibc
import MediaIndex

/// Runs the office's programs when devices are plugged in (`on_attach`).
///
/// A program gets no descriptor of the agent but the one its output goes to, and nothing of its environment. Whatever
/// comes of it, collecting goes on.
struct AttachHooks: Sendable {
    /// How a run ended.
    struct Outcome: Sendable, Hashable {
        /// What a person must know, or nothing where the program ended with exit status 0.
        var trouble: String?
        /// The last 4 KiB that it wrote to standard output and standard error, without control characters.
        var output: String
    }

    private static let outputBytes = 4 << 10
    /// Between two looks whether the run was cancelled.
    private static let turnMilliseconds: Int32 = 100
    /// Programs are found and messages are plain; nothing else is known to them.
    private static let environment = [
        RawPath("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"), RawPath("LANG=C.UTF-8"),
    ]

    private let nursery: ProcessNursery
    private let unreaped = UnreapedChildren()

    /// To be made before the first device is opened (`ProcessNursery`).
    init() throws(FileAccessError) {
        nursery = try ProcessNursery()
    }

    /// Runs the hook and waits for its end, at most its timeout and two seconds; a cancelled task ends it at once.
    ///
    /// - Parameters:
    ///   - values: what its arguments name.
    ///   - lane: where it is waited for.
    func run(
        _ hook: AttachHook, _ values: [AttachHook.Placeholder: RawPath], on lane: IOLane
    ) async -> Outcome {
        guard let command = hook.command(values) else {
            return Outcome(
                trouble: "on_attach was not run: a value that the device gave begins with \"-\", which"
                    + " \(hook.program) could take for an option. Write it behind a text, as in --serial={serial}.",
                output: "")
        }
        let order = ProcessOrder(command: command, environment: Self.environment, descriptorNumbers: [1, 2])
        return await lane.run { runNow(order, hook) }
    }

    private func runNow(_ order: ProcessOrder, _ hook: AttachHook) -> Outcome {
        do throws(FileAccessError) {
            var run = try start(order)
            let wait = run.wait(seconds: hook.timeoutSeconds)
            let ending = run.end()
            return Outcome(trouble: Self.trouble(hook, wait, ending), output: run.shownOutput)
        } catch {
            return Outcome(
                trouble:
                    "on_attach could not start \(hook.program): \(error). Is it there, and executable for the agent?",
                output: "")
        }
    }

    private func start(_ order: ProcessOrder) throws(FileAccessError) -> Run {
        var ends: [Int32] = [-1, -1]
        let name = RawPath("output of on_attach")
        guard pipe(&ends) == 0 else { throw FileAccessError(call: "pipe", path: name, code: errno) }
        let output = OwnedDescriptor(adopting: ends[0], path: name)
        let far = OwnedDescriptor(adopting: ends[1], path: name)
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        // Reading must not wait; the program's writing may.
        guard fcntl(output.number, F_SETFL, O_NONBLOCK) == 0 else { throw output.failure("fcntl") }
        return Run(process: try nursery.start(order, handing: far.number, unreaped: unreaped), output: output)
    }

    private static func trouble(_ hook: AttachHook, _ wait: Wait, _ ending: ChildProcess.Ending?) -> String? {
        switch (wait, ending) {
        case (.ended, .exited(status: 0)?): nil
        case (.ended, let ending?): "on_attach: \(hook.program) ended with \(ending)"
        case (.cancelled, _): "on_attach: \(hook.program) was ended before it was through: its device or the agent goes"
        case (.ended, nil), (.timeOver, _):
            "on_attach: \(hook.program) did not end within \(Text.duration(seconds: hook.timeoutSeconds)) and was killed"
        }
    }

    private enum Wait { case ended, timeOver, cancelled }

    /// A program that runs.
    private struct Run: ~Copyable {
        var process: ChildProcess
        let output: OwnedDescriptor
        private var written: [UInt8] = []

        init(process: consuming ChildProcess, output: consuming OwnedDescriptor) {
            self.process = process
            self.output = output
        }

        /// Reads what it writes until it has ended, the time is over, or the task is cancelled.
        mutating func wait(seconds: Double) -> Wait {
            let clock = ContinuousClock()
            let deadline = clock.now.advanced(by: .seconds(seconds))
            guard let ended = process.endDescriptor else { return .timeOver }
            while clock.now < deadline {
                if Task.isCancelled { return .cancelled }
                var polled = [
                    pollfd(fd: ended.number, events: Int16(POLLIN), revents: 0),
                    pollfd(fd: output.number, events: Int16(POLLIN), revents: 0),
                ]
                // A closed output is at an end for good: the process alone is waited for.
                _ = poll(&polled, isOutputOpen ? 2 : 1, AttachHooks.turnMilliseconds)
                if isOutputOpen { read() }
                if polled[0].revents != 0 { return .ended }
            }
            return .timeOver
        }

        private var isOutputOpen = true

        /// Takes what is there, at most a pipe full: a program that writes without end must not keep this from its time.
        private mutating func read() {
            var chunk = [UInt8](repeating: 0, count: 64 << 10)
            let count = Glibc.read(output.number, &chunk, chunk.count)
            if count == 0 { isOutputOpen = false }
            guard count > 0 else { return }
            written = Array((written + chunk.prefix(count)).suffix(AttachHooks.outputBytes))
        }

        /// Kills what is left of its group, and takes the rest of the output.
        mutating func end() -> ChildProcess.Ending? {
            let ending = process.end()
            read()
            return ending
        }

        var shownOutput: String {
            String(decoding: written, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
                .map { Text.printable(String($0)) }.joined(separator: "\n")
        }
    }
}
