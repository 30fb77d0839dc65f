import Foundation
import Synchronization

/// A program that runs beside a test: it tells when it is ready, takes lines and answers each with one. It is killed
/// when it is ended, and when the last reference goes; its standard input ends with the test's process.
package final class Companion: Sendable {
    /// The line it began with.
    package let greeting: String
    private let process: pid_t
    private let isRunning = Mutex(true)
    private let pipes: Mutex<(input: FileHandle, output: FileHandle)>

    /// - Parameter prefix: lines before the one that begins so are not looked at.
    package convenience init(_ program: String, _ arguments: String..., beginsWith prefix: String) throws {
        try self.init(program, arguments, beginsWith: prefix)
    }

    package init(_ program: String, _ arguments: [String], beginsWith prefix: String) throws {
        guard let path = Tool.path(of: program) else {
            throw Tool.Failure(command: program, status: 127, message: "not installed")
        }
        let (input, output) = (try Self.makePipe(), try Self.makePipe())
        process = try Self.spawn([path] + arguments, input: input.reading, output: output.writing)
        try input.reading.close()
        try output.writing.close()
        var line = ""
        repeat {
            guard let next = Self.line(output.reading) else {
                throw Tool.Failure(command: program, status: 1, message: "ended before it was ready")
            }
            line = next
        } while !line.hasPrefix(prefix)
        greeting = line
        pipes = Mutex((input.writing, output.reading))
    }

    deinit {
        end()
    }

    package func end() {
        isRunning.withLock { isRunning in
            guard isRunning else { return }
            isRunning = false
            kill(process, SIGKILL)
            var status: Int32 = 0
            while waitpid(process, &status, 0) < 0, errno == EINTR {}
        }
    }

    /// Gives it one line; the line it answers with.
    @discardableResult
    package func tell(_ command: String) throws -> String {
        try pipes.withLock { pipes in
            try pipes.input.write(contentsOf: Data("\(command)\n".utf8))
            guard let answer = Self.line(pipes.output) else {
                throw Tool.Failure(command: command, status: 1, message: "no answer")
            }
            return answer
        }
    }

    private static func line(_ reader: FileHandle) -> String? {
        var line: [UInt8] = []
        while let byte = try? reader.read(upToCount: 1)?.first {
            if byte == UInt8(ascii: "\n") { return String(decoding: line, as: UTF8.self) }
            line.append(byte)
        }
        return nil
    }

    private static func makePipe() throws -> (reading: FileHandle, writing: FileHandle) {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        return (
            FileHandle(fileDescriptor: ends[0], closeOnDealloc: true),
            FileHandle(fileDescriptor: ends[1], closeOnDealloc: true)
        )
    }

    private static func spawn(_ command: [String], input: FileHandle, output: FileHandle) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, input.fileDescriptor, 0)
        posix_spawn_file_actions_adddup2(&actions, output.fileDescriptor, 1)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        var arguments = command.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var process = pid_t()
        let code = posix_spawn(&process, command[0], &actions, nil, &arguments, environ)
        guard code == 0 else { throw POSIXError(POSIXErrorCode(rawValue: code) ?? .EIO) }
        return process
    }
}
