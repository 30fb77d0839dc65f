import CLinux
import EvidenceModel
import Glibc

/// Whether somebody has a file open for writing, asked of the kernel by a read lease, fcntl(2) F_SETLEASE: it is
/// granted only on a file that no process has open for writing.
package enum WriterPresence: Sendable, Hashable {
    case none
    case writing
    /// Others may write whom this kernel does not see (`OwnedDescriptor.kernelSeesEveryWriter`), or the file system has
    /// no leases, or the file belongs to somebody else: only time can tell.
    case unknown

    /// Asks about `file`, open for reading only. The lease is given back at once; the process must ignore SIGIO
    /// (`StationProcess.ignoreBrokenPipesAndLeases`), which the kernel sends to a holder in whose moment a writer came.
    package static func of(_ file: borrowing OwnedDescriptor) -> WriterPresence {
        guard file.kernelSeesEveryWriter else { return .unknown }
        switch clinux_set_lease(file.number, Int32(F_RDLCK)) {
        case 0:
            _ = clinux_set_lease(file.number, Int32(F_UNLCK))
            return .none
        case EAGAIN: return .writing
        default: return .unknown
        }
    }
}

extension OwnedDescriptor {
    /// File systems that answer EAGAIN also when nobody writes, because the server gave no delegation or oplock, and
    /// whose other writers this kernel does not see: NFS, SMB (CIFS, SMB2), 9P, Ceph, AFS. statfs(2), <linux/magic.h>.
    private static let networkMagics: Set<UInt32> = [
        0x6969, 0x517b, 0xff53_4d42, 0xfe53_4d42, 0x0102_1997, 0x00c3_6400, 0x5346_414f,
    ]
    /// FUSE_SUPER_MAGIC, also of virtiofs.
    private static let fuseMagic: UInt32 = 0x6573_5546

    /// Whether nobody can write to the file system but through this kernel: then leases tell of every writer, and
    /// inotify(7) of every change.
    ///
    /// Not so for network file systems, nor for FUSE without a block device below it (sshfs, MTP): a lease is granted
    /// there whoever writes at the other end. FUSE on a block device is a local driver.
    package var kernelSeesEveryWriter: Bool {
        let magic = clinux_file_system_magic(number)
        if Self.networkMagics.contains(magic) { return false }
        guard magic == Self.fuseMagic else { return true }
        guard let device = try? status().stamp.device else { return false }
        // The major number, as makedev(3) packs it: 0 where there is no block device.
        return (device >> 32) & 0xffff_f000 | (device >> 8) & 0xfff != 0
    }
}
