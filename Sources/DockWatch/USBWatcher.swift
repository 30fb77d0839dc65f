import EvidenceModel
package import FileAccess
import Glibc

/// Lists the USB devices anew whenever the kernel says that one came or went.
///
/// Owns the socket on which the kernel tells, and the thread that waits. What the kernel tells is a hint alone: the list
/// is read from sysfs, so that a message that was lost, or that somebody made up, changes nothing that is not so.
package final class USBWatcher: Sendable {
    /// The devices as they are at first and after each change; a reader that is slow gets the newest alone.
    package let lists: AsyncStream<[USBDevice]>
    private let thread: WaitingThread

    /// Begins to watch.
    ///
    /// - Throws: `FileAccessError` where the socket is refused (a unit without AF_NETLINK in RestrictAddressFamilies, a
    ///   container) or no thread is to be had. Then `DeviceTree.usbDevices` still tells what is there at one moment: at
    ///   the start, and at each change of the mount table.
    package convenience init(devices: DeviceTree = DeviceTree()) throws(FileAccessError) {
        try self.init(devices: devices) { $0.concernsUSBDevice }
    }

    /// - Parameter isHint: which events are worth a new list.
    init(devices: DeviceTree, isHint: @escaping @Sendable (KernelEvent) -> Bool) throws(FileAccessError) {
        let (lists, continuation) = AsyncStream.makeStream(of: [USBDevice].self, bufferingPolicy: .bufferingNewest(1))
        // Before the first list: what comes in between is then told.
        let events = EventSocket(try KernelEventSocket())
        continuation.yield(devices.usbDevices())
        let thread = WaitingThread { stopDescriptor in
            while WaitingThread.wait(for: events.number, events: POLLIN, stopDescriptor: stopDescriptor) == .ready {
                if events.drain(isHint) { continuation.yield(devices.usbDevices()) }
            }
            continuation.finish()
        }
        guard let thread else {
            throw FileAccessError(call: "pthread_create", path: RawPath("kernel events"), code: errno)
        }
        self.lists = lists
        self.thread = thread
    }

    /// Ends the stream, and returns when the thread has ended; again does nothing.
    package func stop() {
        thread.stop()
    }
}

/// The socket; a class, because two closures cannot share what cannot be copied.
private final class EventSocket: Sendable {
    private let socket: KernelEventSocket

    init(_ socket: consuming KernelEventSocket) {
        self.socket = socket
    }

    var number: Int32 { socket.number }

    /// Takes every waiting message; whether one of them is a hint.
    func drain(_ isHint: (KernelEvent) -> Bool) -> Bool {
        var isNews = false
        while true {
            switch socket.receive() {
            case .message(let bytes): isNews = isNews || KernelEvent(message: bytes).map(isHint) ?? false
            case .lost: isNews = true
            case .foreign: continue
            case .none: return isNews
            }
        }
    }
}
