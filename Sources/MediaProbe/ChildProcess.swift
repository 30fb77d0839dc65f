import CLinux
import EvidenceModel
import FileAccess
import Glibc
import Synchronization

/// Owner of one child process of the agent: ended and reaped when the owner lets go of it.
struct ChildProcess: ~Copyable, Sendable {
    /// How long a killed process may take to end before it is left to be reaped later, milliseconds: one that waits for
    /// a dead card in the kernel ends only when the kernel gives the card up.
    private static let patienceMilliseconds: Int32 = 2000

    /// None once it was reaped or left to `unreaped`.
    private var number: pid_t?
    private let unreaped: UnreapedChildren

    /// posix_spawn(3) of an executable file with `socket` as descriptor 3, nothing on standard input and output, the
    /// agent's standard error, no environment, no signal blocked or ignored, and a process group of its own, so that
    /// neither a terminal's Ctrl-C nor a child of it survives or ends it by accident. All other descriptors are closed.
    init(executable: RawPath, socket: Int32, unreaped: UnreapedChildren) throws(FileAccessError) {
        unreaped.reap()
        var number: pid_t = 0
        let code = Self.spawn(&number, executable, socket)
        guard code == 0 else { throw FileAccessError(call: "posix_spawn", path: executable, code: code) }
        self.number = number
        self.unreaped = unreaped
    }

    deinit {
        if let number { _ = Self.end(number, unreaped) }
    }

    /// SIGKILL to its group and wait; how it ended, if it had ended by itself or could be reaped.
    mutating func end() -> String? {
        guard let number = number.take() else { return nil }
        return Self.end(number, unreaped)
    }

    private static func end(_ number: pid_t, _ unreaped: UnreapedChildren) -> String? {
        // The number is ours until waitpid reaps it, so it can mean nobody else.
        kill(-number, SIGKILL)
        let handle = clinux_open_process(number)
        if handle >= 0 {
            let ended = OwnedDescriptor(adopting: handle, path: RawPath("probe worker"))
            var poll = pollfd(fd: ended.number, events: Int16(POLLIN), revents: 0)
            while Glibc.poll(&poll, 1, patienceMilliseconds) < 0 && errno == EINTR {}
        }
        var status: Int32 = 0
        if waitpid(number, &status, WNOHANG) == number { return sentence(status) }
        unreaped.add(number)
        return nil
    }

    /// As `WIFSIGNALED` and `WEXITSTATUS` read it, wait(2).
    private static func sentence(_ status: Int32) -> String {
        let signal = status & 0x7F
        return signal == 0 ? "exit status \(status >> 8 & 0xFF)" : "signal \(signal)"
    }

    private static func spawn(_ number: inout pid_t, _ executable: RawPath, _ socket: Int32) -> Int32 {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, socket, ProbeProtocol.socketNumber)
        clinux_spawn_close_from(&actions, ProbeProtocol.socketNumber + 1)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var all = sigset_t()
        sigfillset(&all)
        posix_spawnattr_setsigdefault(&attributes, &all)
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setpgroup(&attributes, 0)
        let flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP
        posix_spawnattr_setflags(&attributes, Int16(flags))
        return executable.withCString { path in
            var arguments: [UnsafeMutablePointer<CChar>?] = [UnsafeMutablePointer(mutating: path), nil]
            var environment: [UnsafeMutablePointer<CChar>?] = [nil]
            return posix_spawn(&number, path, &actions, &attributes, &arguments, &environment)
        }
    }
}

/// Killed children that had not ended when their owner's patience had: reaped when the next one is started, and at the
/// end.
final class UnreapedChildren: Sendable {
    private let numbers = Mutex<[pid_t]>([])

    func add(_ number: pid_t) {
        numbers.withLock { $0.append(number) }
    }

    /// waitpid(2) without waiting.
    func reap() {
        numbers.withLock { $0.removeAll { waitpid($0, nil, WNOHANG) != 0 } }
    }
}
