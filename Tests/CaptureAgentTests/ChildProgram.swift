import Foundation
import Glibc
import StationTesting
import Synchronization

/// A program that runs beside the test: its lines come as events, it can be killed, and its end can be waited for.
final class ChildProgram: Sendable {
    /// One line of standard output or standard error.
    enum Line: Sendable {
        case output(String)
        case errors(String)
    }

    private struct State {
        var lines: [Line] = []
        var waiters: [(matches: @Sendable (Line) -> Bool, continuation: CheckedContinuation<Line?, Never>)] = []
        /// Streams that have not ended.
        var open = 2
        var status: Int32?
        var enders: [CheckedContinuation<Int32, Never>] = []
    }

    let process: pid_t
    private let input: FileHandle
    private let state = Mutex(State())

    /// Starts `command`, whose first word is an absolute path.
    init(_ command: [String], environment: [String: String] = ProcessInfo.processInfo.environment) throws {
        let (input, output, errors) = (try Self.pipe(), try Self.pipe(), try Self.pipe())
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, input.reading.fileDescriptor, 0)
        posix_spawn_file_actions_adddup2(&actions, output.writing.fileDescriptor, 1)
        posix_spawn_file_actions_adddup2(&actions, errors.writing.fileDescriptor, 2)
        var arguments = command.map { strdup($0) } + [nil]
        var variables = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for pointer in arguments + variables { free(pointer) } }
        var process = pid_t()
        let code = posix_spawn(&process, command[0], &actions, nil, &arguments, &variables)
        guard code == 0 else { throw POSIXError(POSIXErrorCode(rawValue: code) ?? .EIO) }
        self.process = process
        self.input = input.writing
        for handle in [input.reading, output.writing, errors.writing] { try? handle.close() }
        read(output.reading) { .output($0) }
        read(errors.reading) { .errors($0) }
        Thread.detachNewThread { [self] in reap() }
    }

    /// A connection that is close-on-exec from its first moment, which pipe(2) is not: a program that another test
    /// starts just now must not keep our program's output open.
    private static func pipe() throws -> (reading: FileHandle, writing: FileHandle) {
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else { throw POSIXError(.EMFILE) }
        return (
            FileHandle(fileDescriptor: ends[0], closeOnDealloc: true),
            FileHandle(fileDescriptor: ends[1], closeOnDealloc: true)
        )
    }

    private func read(_ handle: FileHandle, as line: @escaping @Sendable (String) -> Line) {
        Thread.detachNewThread { [self] in
            var rest: [UInt8] = []
            var block = [UInt8](repeating: 0, count: 64 << 10)
            // read(2) gives what is there; Foundation's reading waits until the block is full.
            while case let count = Glibc.read(handle.fileDescriptor, &block, block.count), count > 0 {
                rest += block[..<count]
                while let end = rest.firstIndex(of: 10) {
                    arrived(line(String(decoding: rest[..<end], as: UTF8.self)))
                    rest.removeFirst(end + 1)
                }
            }
            if !rest.isEmpty { arrived(line(String(decoding: rest, as: UTF8.self))) }
            let waiters = state.withLock { state in
                state.open -= 1
                defer { if state.open == 0 { state.waiters = [] } }
                return state.open == 0 ? state.waiters : []
            }
            for waiter in waiters { waiter.continuation.resume(returning: nil) }
        }
    }

    private func arrived(_ line: Line) {
        let waiters = state.withLock { state in
            state.lines.append(line)
            let hit = state.waiters.filter { $0.matches(line) }
            state.waiters.removeAll { $0.matches(line) }
            return hit
        }
        for waiter in waiters { waiter.continuation.resume(returning: line) }
    }

    private func reap() {
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
        let code = status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + status & 0x7f
        let enders = state.withLock { state in
            state.status = code
            defer { state.enders = [] }
            return state.enders
        }
        for ender in enders { ender.resume(returning: code) }
    }

    /// Waits for a line, of those that came and those to come; nothing when the program's output ends without one.
    @discardableResult
    func line(where matches: @escaping @Sendable (Line) -> Bool) async -> Line? {
        await withCheckedContinuation { continuation in
            let known: Line?? = state.withLock { state in
                if let line = state.lines.first(where: matches) { return .some(line) }
                if state.open == 0 { return .some(nil) }
                state.waiters.append((matches, continuation))
                return nil
            }
            if let known { continuation.resume(returning: known) }
        }
    }

    /// Waits for a line of standard error that contains `text`.
    func said(_ text: String) async -> Bool {
        await line { if case .errors(let line) = $0 { line.contains(text) } else { false } } != nil
    }

    /// Waits for the end; the exit status, or 128 and the signal.
    func ended() async -> Int32 {
        await withCheckedContinuation { continuation in
            let status = state.withLock { state in
                if state.status == nil { state.enders.append(continuation) }
                return state.status
            }
            if let status { continuation.resume(returning: status) }
        }
    }

    /// The lines of one of the streams so far.
    var output: String { text { if case .output(let line) = $0 { line } else { nil } } }
    var errors: String { text { if case .errors(let line) = $0 { line } else { nil } } }

    private func text(_ pick: (Line) -> String?) -> String {
        state.withLock { $0.lines.compactMap(pick).joined(separator: "\n") }
    }

    func send(_ line: String) throws { try input.write(contentsOf: Data((line + "\n").utf8)) }
    func closeInput() { try? input.close() }
    func signal(_ signal: Int32) { kill(process, signal) }
}
