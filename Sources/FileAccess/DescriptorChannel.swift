import CLinux
import EvidenceModel
import Glibc

/// One end of a connected pair of SOCK_SEQPACKET sockets (unix(7)): messages of bytes, each with at most one open
/// descriptor. Messages are whole: never joined, never cut.
package struct DescriptorChannel: ~Copyable, Sendable {
    private let socket: OwnedDescriptor

    /// Takes over one end.
    package init(adopting socket: consuming OwnedDescriptor) {
        self.socket = socket
    }

    /// The descriptor's number, valid while the channel lives: for handing the end to a child process.
    package var number: Int32 { socket.number }

    /// Both ends of one connection.
    package struct Pair: ~Copyable {
        package let near: DescriptorChannel
        package let far: DescriptorChannel

        package consuming func takeNear() -> DescriptorChannel { near }

        /// The near end; `body` gets the far one.
        package consuming func takeNear(
            handingFar body: (consuming DescriptorChannel) -> Void
        ) -> DescriptorChannel {
            body(far)
            return near
        }
    }

    /// A connected pair, socketpair(2). Both ends are close-on-exec.
    package static func pair() throws(FileAccessError) -> Pair {
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_SEQPACKET.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else {
            throw FileAccessError(call: "socketpair", path: RawPath("probe worker"), code: errno)
        }
        let name = RawPath("probe channel")
        return Pair(
            near: DescriptorChannel(adopting: OwnedDescriptor(adopting: ends[0], path: name)),
            far: DescriptorChannel(adopting: OwnedDescriptor(adopting: ends[1], path: name)))
    }

    /// Sends one message, with a duplicate of `descriptor` where one is given; the sender keeps its own.
    package func send(_ bytes: [UInt8], descriptor: Int32? = nil) throws(FileAccessError) {
        let code = bytes.withUnsafeBytes {
            clinux_send_message(socket.number, $0.baseAddress, $0.count, descriptor ?? -1)
        }
        guard code == 0 else { throw FileAccessError(call: "sendmsg", path: socket.path, code: code) }
    }

    /// A message and the number of the descriptor that came with it, which the receiver must adopt; nothing at the end
    /// of the connection.
    package struct Message: ~Copyable {
        package let bytes: [UInt8]
        package let descriptor: OwnedDescriptor?

        package consuming func takeDescriptor() -> OwnedDescriptor? { descriptor }
    }

    /// Waits for one message of at most `capacity` bytes.
    ///
    /// - Throws: `FileAccessError`; EMSGSIZE when it was longer, EAGAIN when `timeoutMilliseconds` passed without one.
    package func receive(
        capacity: Int, timeoutMilliseconds: Int32 = -1
    ) throws(FileAccessError) -> Message? {
        try waitForMessage(timeoutMilliseconds)
        var bytes = [UInt8](repeating: 0, count: capacity)
        var length = 0
        var number: Int32 = -1
        let code = bytes.withUnsafeMutableBytes {
            clinux_receive_message(socket.number, $0.baseAddress, capacity, &length, &number)
        }
        guard code == 0 else { throw FileAccessError(call: "recvmsg", path: socket.path, code: code) }
        let descriptor = number >= 0 ? OwnedDescriptor(adopting: number, path: RawPath("descriptor \(number)")) : nil
        if length == 0 { return nil }
        bytes.removeLast(capacity - length)
        return Message(bytes: bytes, descriptor: descriptor)
    }

    private func waitForMessage(_ timeoutMilliseconds: Int32) throws(FileAccessError) {
        var poll = pollfd(fd: socket.number, events: Int16(POLLIN), revents: 0)
        var ready: Int32
        // A signal begins the wait anew: going on to recvmsg(2) would wait without an end.
        repeat { ready = Glibc.poll(&poll, 1, timeoutMilliseconds) } while ready < 0 && errno == EINTR
        guard ready >= 0 else { throw socket.failure("poll") }
        guard ready > 0 else { throw FileAccessError(call: "poll", path: socket.path, code: EAGAIN) }
    }
}
