import Foundation

/// A program of the system that a test needs: run, waited for, its output read.
package enum Tool {
    package struct Failure: Error, CustomStringConvertible {
        package var command: String
        package var status: Int32
        /// What it wrote to standard error.
        package var message: String

        package var description: String { "\(command): exit \(status): \(message)" }
    }

    private static let folders = ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/bin"]

    /// The program's path, or nothing where it is not installed.
    package static func path(of program: String) -> String? {
        folders.map { "\($0)/\(program)" }.first { FileManager.default.isExecutableFile(atPath: $0) }
    }

    /// Runs `program` to its end; what it wrote to standard output.
    ///
    /// Output goes through files: a program that leaves a daemon behind would keep a pipe open.
    @discardableResult
    package static func run(_ program: String, _ arguments: String...) throws -> String {
        try run(program, arguments)
    }

    package static func run(_ program: String, _ arguments: [String]) throws -> String {
        let command = ([program] + arguments).joined(separator: " ")
        guard let path = path(of: program) else {
            throw Failure(command: command, status: 127, message: "not installed")
        }
        let (output, errors) = (try temporaryFile(), try temporaryFile())
        let status = try spawn([path] + arguments, output: output, errors: errors)
        guard status == 0 else { throw Failure(command: command, status: status, message: try text(of: errors)) }
        return try text(of: output)
    }

    /// posix_spawn(3) and waitpid(2). Not Foundation's `Process`: that waits for the end of a socket which a daemon
    /// left behind, as every FUSE file system is, keeps open.
    private static func spawn(_ command: [String], output: FileHandle, errors: FileHandle) throws -> Int32 {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, output.fileDescriptor, 1)
        posix_spawn_file_actions_adddup2(&actions, errors.fileDescriptor, 2)
        var arguments = command.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var process = pid_t()
        let code = posix_spawn(&process, command[0], &actions, nil, &arguments, environ)
        guard code == 0 else { throw POSIXError(POSIXErrorCode(rawValue: code) ?? .EIO) }
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
        // wait(2): the low seven bits are the signal that ended it, the next byte its exit status.
        return status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + status & 0x7f
    }

    private static func temporaryFile() throws -> FileHandle {
        var template = Array("/tmp/station-tool-XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        guard descriptor >= 0 else { throw CocoaError(.fileWriteUnknown) }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        unlink(template)
        return FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    }

    private static func text(of file: FileHandle) throws -> String {
        try file.seek(toOffset: 0)
        return String(decoding: try file.readToEnd() ?? Data(), as: UTF8.self)
    }
}
