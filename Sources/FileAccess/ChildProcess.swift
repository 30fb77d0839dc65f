import CLinux
import EvidenceModel
import Glibc
import Synchronization

/// Owner of one child process of the agent and the group it leads: ended and reaped when the owner lets go of it.
package struct ChildProcess: ~Copyable, Sendable {
    /// How long a killed process may take to end before it is left to be reaped later, milliseconds: one that waits for
    /// a dead card in the kernel ends only when the kernel gives the card up.
    private static let patienceMilliseconds: Int32 = 2000

    /// How a process ended, wait(2).
    package enum Ending: Sendable, Hashable, CustomStringConvertible {
        case exited(status: Int32)
        case signalled(Int32)

        /// As `WIFSIGNALED` and `WEXITSTATUS` read it.
        fileprivate init(_ status: Int32) {
            let signal = status & 0x7F
            self = signal == 0 ? .exited(status: status >> 8 & 0xFF) : .signalled(signal)
        }

        package var description: String {
            switch self {
            case .exited(let status): "exit status \(status)"
            case .signalled(let signal): "signal \(signal)"
            }
        }
    }

    /// Its process id. None once it was reaped or left to `unreaped`.
    package private(set) var number: Int32?
    private let unreaped: UnreapedChildren

    /// Takes over a child of this process that leads a group, and that nobody else may wait for.
    package init(adopting number: Int32, unreaped: UnreapedChildren) {
        self.number = number
        self.unreaped = unreaped
    }

    deinit {
        if let number { _ = Self.end(number, unreaped) }
    }

    /// Its memory now, bytes: proc(5), the second number of `statm`, in pages. Asked of the kernel, not of the process;
    /// 0 where it has ended. Not `ru_maxrss`: that begins with what the parent had when it started the process.
    package var bytes: Int {
        guard let number,
            let file = try? OwnedDescriptor.open(absolute: RawPath("/proc/\(number)/statm"), flags: O_RDONLY),
            let text = try? file.readBytes(ByteSpan(offset: 0, length: 128))
        else { return 0 }
        let numbers = String(decoding: text, as: UTF8.self).split(separator: " ")
        return numbers.count > 1 ? (Int(numbers[1]) ?? 0) * sysconf(Int32(_SC_PAGESIZE)) : 0
    }

    /// A descriptor that poll(2) finds readable when the process has ended; none where it is reaped, or the kernel refuses.
    package var endDescriptor: OwnedDescriptor? {
        number.flatMap(Self.endDescriptor)
    }

    private static func endDescriptor(of number: pid_t) -> OwnedDescriptor? {
        let handle = clinux_open_process(number)
        return handle >= 0 ? OwnedDescriptor(adopting: handle, path: RawPath("child process")) : nil
    }

    /// SIGKILL to its group and wait; how it ended, if it had ended by itself or could be reaped.
    package mutating func end() -> Ending? {
        guard let number = number.take() else { return nil }
        return Self.end(number, unreaped)
    }

    private static func end(_ number: pid_t, _ unreaped: UnreapedChildren) -> Ending? {
        // The number is ours until waitpid reaps it, so it can mean nobody else.
        kill(-number, SIGKILL)
        if let ended = endDescriptor(of: number) {
            var poll = pollfd(fd: ended.number, events: Int16(POLLIN), revents: 0)
            while Glibc.poll(&poll, 1, patienceMilliseconds) < 0 && errno == EINTR {}
        }
        var status: Int32 = 0
        if waitpid(number, &status, WNOHANG) == number { return Ending(status) }
        unreaped.add(number)
        return nil
    }
}

/// Killed children that had not ended when their owner's patience had: reaped when the next one is started, and at the
/// end.
package final class UnreapedChildren: Sendable {
    private let numbers = Mutex<[pid_t]>([])

    package init() {}

    func add(_ number: pid_t) {
        numbers.withLock { $0.append(number) }
    }

    /// waitpid(2) without waiting.
    package func reap() {
        numbers.withLock { $0.removeAll { waitpid($0, nil, WNOHANG) != 0 } }
    }
}
