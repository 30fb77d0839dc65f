import CLinux
import Glibc

/// Settings of the whole process that the owners of this module rely on.
package enum StationProcess {
    /// SIGPIPE and SIGIO are ignored: a closed socket is an error of the call, and a broken lease (`WriterPresence`) is
    /// no event.
    package static func ignoreBrokenPipesAndLeases() {
        signal(SIGPIPE, SIG_IGN)
        signal(SIGIO, SIG_IGN)
    }

    /// Parts of recordings go back to the kernel when they were sent. Without this glibc keeps freed megabytes in the
    /// heap of every thread that ever held one.
    package static func boundMemory() {
        clinux_bound_heap(256 << 10, 4)
    }

    /// adjtimex(2): whether something keeps the system's clock right; none where the kernel does not say.
    package static var isClockSynchronised: Bool? {
        switch clinux_clock_is_synchronised() {
        case 0: false
        case 1: true
        default: nil
        }
    }
}
