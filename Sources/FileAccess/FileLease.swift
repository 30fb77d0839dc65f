import CLinux
import Glibc

/// Whether somebody has a file open for writing, asked of the kernel by a read lease, fcntl(2) F_SETLEASE: it is
/// granted only on a file that no process has open for writing.
package enum WriterPresence: Sendable, Hashable {
    case none
    case writing
    /// The file system has no leases, or has them only at its server's pleasure (`networkMagics`), or the file belongs
    /// to somebody else: only time can tell.
    case unknown

    /// File systems that answer EAGAIN also when nobody writes, because the server gave no delegation or oplock, and
    /// whose other writers this kernel does not see: NFS, SMB (CIFS, SMB2), 9P, Ceph, AFS. statfs(2), <linux/magic.h>.
    static let networkMagics: Set<UInt32> = [
        0x6969, 0x517b, 0xff53_4d42, 0xfe53_4d42, 0x0102_1997, 0x00c3_6400, 0x5346_414f,
    ]

    /// Asks about `file`, open for reading only. The lease is given back at once; the process must ignore SIGIO
    /// (`StationProcess.ignoreBrokenPipesAndLeases`), which the kernel sends to a holder in whose moment a writer came.
    package static func of(_ file: borrowing OwnedDescriptor) -> WriterPresence {
        if networkMagics.contains(clinux_file_system_magic(file.number)) { return .unknown }
        switch clinux_set_lease(file.number, Int32(F_RDLCK)) {
        case 0:
            _ = clinux_set_lease(file.number, Int32(F_UNLCK))
            return .none
        case EAGAIN: return .writing
        default: return .unknown
        }
    }
}
