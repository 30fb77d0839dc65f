import Glibc
import Synchronization

/// A thread that waits for the kernel in poll(2) and ends when it is told to: kernel waits must not hold up the threads
/// that tasks run on.
final class WaitingThread: Sendable {
    /// What a turn of waiting ended with.
    enum Wake { case ready, stopped }

    /// The two ends of a pipe that is only ever closed: poll(2) reports POLLHUP to the waiting end.
    private struct Handle {
        var thread: pthread_t
        var stopEnd: Int32
    }

    private final class Body {
        let run: @Sendable (_ stopDescriptor: Int32) -> Void
        let waitEnd: Int32

        init(waitEnd: Int32, run: @escaping @Sendable (Int32) -> Void) {
            self.waitEnd = waitEnd
            self.run = run
        }
    }

    private let handle: Mutex<Handle?>

    /// Starts `body` on a thread of its own; `body` gets a descriptor to hand to `wait` and returns when that says
    /// `.stopped`. Nothing where the kernel has no descriptor or thread left: errno tells.
    init?(_ body: @escaping @Sendable (_ stopDescriptor: Int32) -> Void) {
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else { return nil }
        // The thread takes over the reference, and releases it when it ends.
        let retained = Unmanaged.passRetained(Body(waitEnd: ends[0], run: body))
        var thread = pthread_t()
        let code = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                let body = Unmanaged<Body>.fromOpaque(argument).takeRetainedValue()
                body.run(body.waitEnd)
                close(body.waitEnd)
                return nil
            }, retained.toOpaque())
        guard code == 0 else {
            retained.release()
            close(ends[0])
            close(ends[1])
            errno = code
            return nil
        }
        handle = Mutex(Handle(thread: thread, stopEnd: ends[1]))
    }

    deinit {
        stop()
    }

    /// Ends the wait and returns when the thread has ended; again does nothing. Not to be called on the thread itself.
    func stop() {
        let handle = handle.withLock { handle in
            defer { handle = nil }
            return handle
        }
        guard let handle else { return }
        close(handle.stopEnd)
        pthread_join(handle.thread, nil)
    }

    /// Waits until `descriptor` has one of `events`, or the thread is to stop; a wait that fails stops it too.
    static func wait(for descriptor: Int32, events: Int32, stopDescriptor: Int32) -> Wake {
        var polled = [
            pollfd(fd: descriptor, events: Int16(events), revents: 0),
            pollfd(fd: stopDescriptor, events: Int16(POLLIN), revents: 0),
        ]
        while poll(&polled, 2, -1) < 0 {
            guard errno == EINTR else { return .stopped }
        }
        return polled[1].revents == 0 ? .ready : .stopped
    }
}
