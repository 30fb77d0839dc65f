import CLinux
import Glibc

/// Whether somebody has a file open for writing, asked of the kernel by a read lease, fcntl(2) F_SETLEASE: it is
/// granted only on a file that no process has open for writing.
package enum WriterPresence: Sendable, Hashable {
    case none
    case writing
    /// The file system has no leases (FUSE, NFS), or the file belongs to somebody else: only time can tell.
    case unknown

    /// Asks about `file`, open for reading only. The lease is given back at once; the process must ignore SIGIO
    /// (`StationProcess.ignoreBrokenPipesAndLeases`), which the kernel sends to a holder in whose moment a writer came.
    package static func of(_ file: borrowing OwnedDescriptor) -> WriterPresence {
        switch clinux_set_lease(file.number, Int32(F_RDLCK)) {
        case 0:
            _ = clinux_set_lease(file.number, Int32(F_UNLCK))
            return .none
        case EAGAIN: return .writing
        default: return .unknown
        }
    }
}

/// Settings of the whole process that the owners of this module rely on.
package enum StationProcess {
    /// SIGPIPE and SIGIO are ignored: a closed socket is an error of the call, and a broken lease is no event.
    package static func ignoreBrokenPipesAndLeases() {
        signal(SIGPIPE, SIG_IGN)
        signal(SIGIO, SIG_IGN)
    }
}
