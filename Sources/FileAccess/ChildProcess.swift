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
    private(set) var number: pid_t?
    private let unreaped: UnreapedChildren

    /// Takes over a child of this process, which nobody else may wait for.
    init(adopting number: pid_t, unreaped: UnreapedChildren) {
        self.number = number
        self.unreaped = unreaped
    }

    deinit {
        if let number { _ = Self.end(number, unreaped) }
    }

    /// Its memory now, bytes: proc(5), the second number of `statm`, in pages. Asked of the kernel, not of the process;
    /// 0 where it has ended. Not `ru_maxrss`: that begins with what the parent had when it started the process.
    var bytes: Int {
        guard let number,
            let file = try? OwnedDescriptor.open(absolute: RawPath("/proc/\(number)/statm"), flags: O_RDONLY),
            let text = try? file.readBytes(ByteSpan(offset: 0, length: 128))
        else { return 0 }
        let numbers = String(decoding: text, as: UTF8.self).split(separator: " ")
        return numbers.count > 1 ? (Int(numbers[1]) ?? 0) * sysconf(Int32(_SC_PAGESIZE)) : 0
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
