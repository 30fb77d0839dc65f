import CLinux
package import EvidenceModel
import Glibc
import Synchronization

/// What is to be started.
package struct ProcessOrder: Sendable, Hashable {
    /// The absolute path of an executable file, then its arguments. No shell reads them.
    package var command: [RawPath]
    /// `NAME=value`; nothing of the agent's own environment is handed on.
    package var environment: [RawPath]
    /// Under which numbers the child has the descriptor that it is handed.
    package var descriptorNumbers: [Int32]

    package init(command: [RawPath], environment: [RawPath] = [], descriptorNumbers: [Int32]) {
        self.command = command
        self.environment = environment
        self.descriptorNumbers = descriptorNumbers
    }

    /// For the nursery's thread: texts ended by NUL.
    fileprivate var message: [UInt8] {
        let numbers = descriptorNumbers.map(String.init).joined(separator: ",")
        let texts = [RawPath(numbers), RawPath(String(command.count))] + command + environment
        return texts.flatMap { $0.bytes + [0] }
    }

    fileprivate init?(message: [UInt8]) {
        let texts = message.split(separator: 0, omittingEmptySubsequences: false).dropLast().map { RawPath(bytes: $0) }
        guard texts.count > 2, let count = Int(texts[1].display), (1...(texts.count - 2)).contains(count) else {
            return nil
        }
        self.init(
            command: Array(texts[2..<(2 + count)]), environment: Array(texts[(2 + count)...]),
            descriptorNumbers: texts[0].display.split(separator: ",").compactMap { Int32($0) })
    }
}

/// Where children are started: a thread with a table of descriptors of its own, in which no device's file is ever open.
///
/// A child process gets a copy of all descriptors and closes those that are not for it, and close(2) of a file on a FUSE
/// file system waits for that file system's process. Were children started among the agent's descriptors, one card that
/// hangs would keep every new one from starting. A child of another user than root has no capabilities either: the agent's
/// unit gives them to the agent as ambient ones, which its thread gives up.
package final class ProcessNursery: Sendable {
    private static let thread = "process nursery"
    /// Of an order: a dozen paths fit.
    private static let messageBytes = 64 << 10

    /// Whether the thread has a table of its own. Where the kernel refuses one (unshare(2), some containers), children
    /// start all the same, and wait for a card that hangs.
    package let isApart: Bool
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
    package init() throws(FileAccessError) {
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
                ProcessNursery.live(Unmanaged<Cradle>.fromOpaque(argument).takeRetainedValue())
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

    /// Starts what is ordered; waits until it runs, or cannot.
    ///
    /// - Parameter descriptor: what the child is handed; the caller keeps its own.
    /// - Throws: `FileAccessError`; EMSGSIZE where the order has more than 64 KiB.
    package func start(
        _ order: ProcessOrder, handing descriptor: Int32, unreaped: UnreapedChildren
    ) throws(FileAccessError) -> ChildProcess {
        unreaped.reap()
        let message = order.message
        guard let executable = order.command.first, message.count <= Self.messageBytes else {
            throw FileAccessError(call: "posix_spawn", path: RawPath(Self.thread), code: EMSGSIZE)
        }
        let numbers = try orders.withLock { orders throws(FileAccessError) -> [Int32] in
            try orders.send(message, descriptor: descriptor)
            guard let answer = try orders.receive(capacity: Self.messageBytes) else {
                throw FileAccessError(call: "recvmsg", path: RawPath(Self.thread), code: EPIPE)
            }
            return Self.numbers(answer.bytes)
        }
        guard numbers.count == 2, numbers[0] == 0 else {
            throw FileAccessError(call: "posix_spawn", path: executable, code: numbers.first ?? EIO)
        }
        return ChildProcess(adopting: numbers[1], unreaped: unreaped)
    }

    /// An answer: errno and process id, 4 bytes each.
    private static func numbers(_ bytes: [UInt8]) -> [Int32] {
        stride(from: 0, to: bytes.count / 4 * 4, by: 4).map { place in
            bytes[place..<(place + 4)].reversed().reduce(0) { $0 << 8 | Int32($1) }
        }
    }

    private static func bytes(_ number: Int32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
    }

    // MARK: On the thread

    private static func live(_ cradle: Cradle) {
        guard let channel = cradle.channel.take() else { return }
        clinux_clear_ambient_capabilities()
        // Copies of what others have open now are closed: among them the agent's end of this channel, which would keep
        // this thread alive for ever.
        let isOwn = clinux_own_descriptors(UInt32(channel.number)) == 0
        guard (try? channel.send([isOwn ? 1 : 0])) != nil else { return }
        while let message = try? channel.receive(capacity: messageBytes) {
            var number: pid_t = 0
            let code = carryOut(message, &number)
            guard (try? channel.send(bytes(code) + bytes(number))) != nil else { return }
        }
    }

    /// What was handed is closed here when this returns; the child has its own.
    private static func carryOut(_ message: consuming DescriptorChannel.Message, _ number: inout pid_t) -> Int32 {
        guard let order = ProcessOrder(message: message.bytes), let handed = message.takeDescriptor() else {
            return EINVAL
        }
        return spawn(&number, order, handed.number)
    }

    /// posix_spawn(3) of an executable file with nothing on standard input and output but what it is handed, the agent's
    /// standard error unless it is handed one, no signal blocked or ignored, and a process group of its own, so that
    /// neither a terminal's Ctrl-C nor a child of it survives or ends it by accident. All other descriptors are closed.
    /// Returns 0, or an errno value.
    private static func spawn(_ number: inout pid_t, _ order: ProcessOrder, _ handed: Int32) -> Int32 {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        if !order.descriptorNumbers.contains(STDOUT_FILENO) {
            posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
        }
        for target in order.descriptorNumbers { posix_spawn_file_actions_adddup2(&actions, handed, target) }
        let last = max(STDERR_FILENO, order.descriptorNumbers.max() ?? STDERR_FILENO)
        clinux_spawn_close_from(&actions, last + 1)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        setSignalsAndGroup(&attributes)
        var arguments = copies(order.command)
        var environment = copies(order.environment)
        defer { for text in arguments + environment { free(text) } }
        guard let executable = arguments[0] else { return ENOMEM }
        return posix_spawn(&number, executable, &actions, &attributes, &arguments, &environment)
    }

    private static func setSignalsAndGroup(_ attributes: inout posix_spawnattr_t) {
        var all = sigset_t()
        sigfillset(&all)
        posix_spawnattr_setsigdefault(&attributes, &all)
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setpgroup(&attributes, 0)
        let flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP
        posix_spawnattr_setflags(&attributes, Int16(flags))
    }

    /// As execve(2) wants them: ended by NUL, and a null pointer at the end. To be freed.
    private static func copies(_ texts: [RawPath]) -> [UnsafeMutablePointer<CChar>?] {
        texts.map { text in text.withCString { strdup($0) } } + [nil]
    }
}
