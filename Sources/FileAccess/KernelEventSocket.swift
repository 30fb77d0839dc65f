import CLinux
import EvidenceModel
import Glibc

/// Owner of a socket that hears what the kernel says of devices that come and go (netlink(7), NETLINK_KOBJECT_UEVENT).
///
/// The kernel's group may be heard by anybody; in a container with a network of its own nothing is ever said.
package struct KernelEventSocket: ~Copyable, Sendable {
    /// What was received.
    package enum Received: Sendable, Hashable {
        /// The kernel's message, unread.
        case message([UInt8])
        /// Messages were lost, or this one was too long: there may be anything new.
        case lost
        /// Somebody else's message: anybody may send to a socket.
        case foreign
        /// No more for now.
        case none
    }

    /// The kernel's messages have at most 2 KiB (UEVENT_BUFFER_SIZE, <linux/kobject.h>).
    private static let messageBytes = 16 << 10

    private let socket: OwnedDescriptor

    /// - Throws: `FileAccessError` where the kernel or a filter of system calls refuses: EAFNOSUPPORT, EPERM.
    package init() throws(FileAccessError) {
        let name = RawPath("kernel events")
        let number = clinux_open_kernel_events()
        guard number >= 0 else { throw FileAccessError(call: "socket", path: name, code: -number) }
        socket = OwnedDescriptor(adopting: number, path: name)
    }

    /// The descriptor's number, for poll(2); valid while this value lives.
    package var number: Int32 { socket.number }

    /// The next message, without waiting for one.
    package func receive() -> Received {
        var length = 0
        var isKernel: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: Self.messageBytes) { buffer, count in
            repeat {
                length = clinux_receive_kernel_event(number, buffer.baseAddress, buffer.count, &isKernel)
            } while length == -Int(EINTR)
            count = max(0, length)
        }
        switch length {
        case 0...: return isKernel == 1 ? .message(bytes) : .foreign
        case -Int(EAGAIN): return .none
        case -Int(ENOBUFS), -Int(EMSGSIZE): return .lost
        default: return .none
        }
    }
}
