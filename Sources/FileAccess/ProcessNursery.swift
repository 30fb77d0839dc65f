import CLinux
import EvidenceModel
import FileAccess
import Glibc
import Synchronization

/// Where workers are started: a thread with a table of descriptors of its own, in which no device's file is ever open.
///
/// A child process gets a copy of all descriptors and closes those that are not for it, and close(2) of a file on a FUSE
/// file system waits for that file system's process. Were workers started among the agent's descriptors, one card that
/// hangs would keep every new worker from starting.
final class WorkerNursery: Sendable {
    /// A worker and the agent's end of the socket to it.
    struct Newborn: ~Copyable {
        var process: ChildProcess
        let channel: DescriptorChannel
    }

    private static let thread = "worker nursery"
    /// A path is not longer, nor is an answer: errno and process id, 4 bytes each.
    private static let messageBytes = 4096

    /// Whether the thread has a table of its own. Where the kernel refuses one (unshare(2), some containers), workers start
    /// all the same, and wait for a card that hangs.
    let isApart: Bool
    /// To the thread; one question at a time.
    private let orders: Mutex<DescriptorChannel>

    /// What the thread is handed when it begins.
    private final class Cradle {
        var channel: DescriptorChannel?

        init(channel: consuming DescriptorChannel) {
            self.channel = consume channel
        }
    }

    /// Starts the thread, which ends with this object. To be made before the first device is opened: copies of what is
    /// open now are closed by the thread.
    init() throws(FileAccessError) {
        var cradle: Unmanaged<Cradle>?
        var far: Int32 = -1
        let pair = try DescriptorChannel.pair()
        let channel = pair.takeNear { end in
            far = end.number
            // The thread takes over the reference, and releases it when it ends.
            cradle = .passRetained(Cradle(channel: end))
        }
        var thread = pthread_t()
        let code = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                WorkerNursery.live(Unmanaged<Cradle>.fromOpaque(argument).takeRetainedValue())
                return nil
            }, cradle?.toOpaque())
        guard code == 0 else {
            cradle?.release()
            throw FileAccessError(call: "pthread_create", path: RawPath(Self.thread), code: code)
        }
        pthread_detach(thread)
        guard let ready = try channel.receive(capacity: Self.messageBytes) else {
            throw FileAccessError(call: "recvmsg", path: RawPath(Self.thread), code: EPIPE)
        }
        // Open in two tables from now on; this is the agent's copy of it. Where the table is still one, it is the thread's.
        isApart = ready.bytes == [1]
        if isApart { close(far) }
        orders = Mutex(channel)
    }

    /// Starts `executable`; waits until it runs, or cannot.
    func start(_ executable: RawPath, unreaped: UnreapedChildren) throws(FileAccessError) -> Newborn {
        unreaped.reap()
        let answer = try orders.withLock { orders throws(FileAccessError) -> Answer in
            try orders.send(executable.bytes)
            guard let message = try orders.receive(capacity: Self.messageBytes) else {
                throw FileAccessError(call: "recvmsg", path: RawPath(Self.thread), code: EPIPE)
            }
            return Answer(message)
        }
        return try answer.newborn(executable, unreaped)
    }

    /// What the thread answered: errno and process id, with the agent's end of a new socket.
    private struct Answer: ~Copyable {
        let numbers: [Int32]
        let socket: OwnedDescriptor?

        init(_ message: consuming DescriptorChannel.Message) {
            let bytes = message.bytes
            numbers = stride(from: 0, to: bytes.count / 4 * 4, by: 4).map { place in
                bytes[place..<(place + 4)].reversed().reduce(0) { $0 << 8 | Int32($1) }
            }
            socket = message.takeDescriptor()
        }

        consuming func newborn(
            _ executable: RawPath, _ unreaped: UnreapedChildren
        ) throws(FileAccessError) -> Newborn {
            guard numbers.count == 2, numbers[0] == 0, let socket else {
                throw FileAccessError(call: "posix_spawn", path: executable, code: numbers.first ?? EIO)
            }
            return Newborn(
                process: ChildProcess(adopting: numbers[1], unreaped: unreaped),
                channel: DescriptorChannel(adopting: socket))
        }
    }

    // MARK: On the thread

    private static func live(_ cradle: Cradle) {
        guard let channel = cradle.channel.take() else { return }
        // Copies of what others have open now are closed: among them the agent's end of this channel, which would keep
        // this thread alive for ever.
        let isOwn = clinux_own_descriptors(UInt32(channel.number)) == 0
        guard (try? channel.send([isOwn ? 1 : 0])) != nil else { return }
        while let message = try? channel.receive(capacity: messageBytes) {
            guard deliver(RawPath(bytes: message.bytes), to: channel) else { return }
        }
    }

    /// Whether the agent got its answer.
    private static func deliver(_ executable: RawPath, to agent: borrowing DescriptorChannel) -> Bool {
        do throws(FileAccessError) {
            let pair = try DescriptorChannel.pair()
            var number: pid_t = 0
            let code = spawn(&number, executable, pair.far.number)
            try agent.send(bytes(code) + bytes(number), descriptor: pair.near.number)
            return true
        } catch {
            return (try? agent.send(bytes(error.code) + bytes(0))) != nil
        }
    }

    private static func bytes(_ number: Int32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
    }

    /// posix_spawn(3) of an executable file with `socket` as descriptor 3, nothing on standard input and output, the
    /// agent's standard error, no environment, no signal blocked or ignored, and a process group of its own, so that
    /// neither a terminal's Ctrl-C nor a child of it survives or ends it by accident. All other descriptors are closed.
    /// Returns 0, or an errno value.
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
