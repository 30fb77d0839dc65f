package import EvidenceModel
package import FileAccess
import Glibc
import Synchronization

/// Tells when it is worth looking into a tree again, by inotify(7).
///
/// Only hints: a queue that overflowed, a watch that could not be added because the user's limit is reached, a file
/// system that reports nothing (a share that others write to) all mean that the next scan finds what there is. Owns the
/// inotify descriptor and the thread that waits. A watch holds no file of the device open, so the device can be
/// unmounted; the kernel then drops its watches, which is a hint as well.
package final class DirectoryHints: Sendable {
    /// A file was written and closed, came by rename, was made; a folder was made or went away. Not IN_MODIFY: a
    /// recorder that writes all day would hint all day, and a growing file is looked at again anyway.
    private static let events =
        UInt32(IN_CLOSE_WRITE) | UInt32(IN_MOVED_TO) | UInt32(IN_CREATE) | UInt32(IN_DELETE_SELF)
        | UInt32(IN_MOVE_SELF) | UInt32(IN_ONLYDIR) | UInt32(IN_DONT_FOLLOW)

    private let queue: EventQueue
    private let thread: WaitingThread

    /// Begins to wait.
    ///
    /// - Parameter hint: called on the waiting thread, once for any number of events that came together.
    /// - Throws: `FileAccessError` where the user has no inotify instance or thread left.
    package init(hint: @escaping @Sendable () -> Void) throws(FileAccessError) {
        let name = RawPath("inotify")
        let number = inotify_init1(Int32(IN_CLOEXEC) | Int32(IN_NONBLOCK))
        guard number >= 0 else { throw FileAccessError(call: "inotify_init1", path: name, code: errno) }
        let queue = EventQueue(OwnedDescriptor(adopting: number, path: name))
        let body: @Sendable (Int32) -> Void = { stopDescriptor in
            while WaitingThread.wait(for: queue.number, events: POLLIN, stopDescriptor: stopDescriptor) == .ready {
                queue.drain()
                hint()
            }
        }
        guard let thread = WaitingThread(body) else {
            throw FileAccessError(call: "pthread_create", path: name, code: errno)
        }
        self.queue = queue
        self.thread = thread
    }

    /// Watches the folder at the absolute path `directory`, which `taken` calls `folder`; what is watched already stays
    /// so. A failure is left to the next full scan.
    package func watch(_ directory: RawPath, as folder: RawPath) {
        let watch = directory.withCString { inotify_add_watch(queue.number, $0, Self.events) }
        if watch >= 0 { queue.name(watch, folder) }
    }

    /// The folders that something was heard of since this was asked last.
    package func take() -> FolderHints { queue.take() }

    /// Returns when the thread has ended: no hint comes after it; again does nothing.
    package func stop() {
        thread.stop()
    }
}

/// The inotify descriptor; a class, because two closures cannot share what cannot be copied.
private final class EventQueue: Sendable {
    private struct State {
        /// By watch descriptor.
        var folders: [Int32: RawPath] = [:]
        var hints = FolderHints()
    }

    private let descriptor: OwnedDescriptor
    private let state = Mutex(State())

    init(_ descriptor: consuming OwnedDescriptor) {
        self.descriptor = descriptor
    }

    var number: Int32 { descriptor.number }

    func name(_ watch: Int32, _ folder: RawPath) {
        state.withLock { $0.folders[watch] = folder }
    }

    func take() -> FolderHints {
        state.withLock { state in
            defer { state.hints = FolderHints() }
            return state.hints
        }
    }

    /// Takes every waiting event and notes its folder: which file it was, the scan finds out.
    func drain() {
        withUnsafeTemporaryAllocation(byteCount: 16 << 10, alignment: 8) { buffer in
            while true {
                let count = read(descriptor.number, buffer.baseAddress, buffer.count)
                guard count > 0 else { return }
                state.withLock { Self.note(UnsafeRawBufferPointer(rebasing: buffer[..<count]), in: &$0) }
            }
        }
    }

    /// `struct inotify_event`, inotify(7): watch, mask, cookie and the length of the name that follows, 4 bytes each.
    private static func note(_ events: UnsafeRawBufferPointer, in state: inout State) {
        let head = 16
        var offset = 0
        while offset + head <= events.count {
            let watch = events.loadUnaligned(fromByteOffset: offset, as: Int32.self)
            let mask = events.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self)
            offset += head + Int(events.loadUnaligned(fromByteOffset: offset + 12, as: UInt32.self))
            if mask & UInt32(IN_Q_OVERFLOW) != 0 { state.hints.isAnything = true }
            if let folder = state.folders[watch] { state.hints.folders.insert(folder) }
            // The watch has gone with its folder or its file system; its number may be given again.
            if mask & UInt32(IN_IGNORED) != 0 { state.folders[watch] = nil }
        }
    }
}
