import CLinux
package import EvidenceModel
import Glibc

extension OwnedDescriptor {
    /// fcntl(2) F_SETFL with O_DIRECT: from here on reads go past the page cache, in aligned pieces.
    ///
    /// - Throws: `FileAccessError`, EINVAL where the file system has no such reading.
    package borrowing func setDirect(_ isDirect: Bool) throws(FileAccessError) {
        let code = clinux_set_direct(number, isDirect ? 1 : 0)
        guard code == 0 else { throw failure("fcntl", code: code) }
    }

    /// What statx(2) with STATX_DIOALIGN says of reading with O_DIRECT.
    package enum DirectAlignment: Sendable, Hashable {
        /// Memory and offsets must be multiples of so many bytes.
        case bytes(Int)
        /// Reads would go through the page cache all the same.
        case impossible
        /// The file system, or a kernel before 6.1, does not say.
        case unknown
    }

    package borrowing func directAlignment() -> DirectAlignment {
        var (memory, offset) = (UInt32.max, UInt32.max)
        clinux_direct_alignment(number, &memory, &offset)
        if memory == .max || offset == .max { return .unknown }
        return memory == 0 || offset == 0 ? .impossible : .bytes(Int(max(memory, offset)))
    }

    /// How many pages of `span` are in the page cache: cachestat(2), or mincore(2) before Linux 6.5.
    ///
    /// - Throws: `FileAccessError`; EPERM where the kernel does not tell this user.
    package borrowing func cachedPages(in span: ByteSpan) throws(FileAccessError) -> UInt64 {
        guard span.length > 0 else { return 0 }
        var pages: UInt64 = 0
        var code = clinux_cached_pages(number, UInt64(span.offset), UInt64(span.length), &pages)
        if code == 0 { return pages }
        if code == ENOSYS || code == EPERM || code == EOPNOTSUPP {
            // A mapping begins at a page.
            let start = span.offset & ~Int64(sysconf(Int32(_SC_PAGESIZE)) - 1)
            code = clinux_mapped_pages(number, UInt64(start), UInt64(span.end - start), &pages)
        }
        guard code == 0 else { throw failure("cachestat", code: code) }
        return pages
    }

    /// posix_fadvise(2), a hint: single pieces will be read, so that nothing is read ahead.
    package borrowing func adviseRandom() {
        _ = posix_fadvise(number, 0, 0, Int32(POSIX_FADV_RANDOM))
    }

    /// posix_fadvise(2), a hint: nothing of the file need stay in memory.
    package borrowing func adviseDone() {
        _ = posix_fadvise(number, 0, 0, Int32(POSIX_FADV_DONTNEED))
    }

    /// lseek(2) to the end: the bytes of a file, or of a block device, which fstat(2) has no size of.
    package borrowing func endOffset() throws(FileAccessError) -> Int64 {
        let end = lseek(number, 0, SEEK_END)
        guard end >= 0 else { throw failure("lseek") }
        return Int64(end)
    }

    /// ioctl(2) BLKFLSBUF: what the kernel keeps of this block device is written back and forgotten.
    ///
    /// - Throws: `FileAccessError`; EACCES without CAP_SYS_ADMIN, ENOTTY on what is no block device.
    package borrowing func flushBlockDevice() throws(FileAccessError) {
        let code = clinux_flush_block_device(number)
        guard code == 0 else { throw failure("ioctl", code: code) }
    }

    /// syncfs(2): all of the file system that this is on is on the medium when it returns.
    package borrowing func synchronizeFileSystem() throws(FileAccessError) {
        let code = clinux_sync_file_system(number)
        guard code == 0 else { throw failure("syncfs", code: code) }
    }

    /// pread(2) until at least `least` bytes are in `buffer` or the file ends; the bytes read. With O_DIRECT a read behind
    /// an unaligned end would be an error.
    package borrowing func read(
        into buffer: UnsafeMutableRawBufferPointer, atLeast least: Int, at offset: Int64
    ) throws(FileAccessError) -> Int {
        var filled = 0
        while filled < least, let base = buffer.baseAddress {
            let count = pread(number, base + filled, buffer.count - filled, off_t(offset) + filled)
            if count == 0 { break }
            if count < 0 {
                if errno == EINTR { continue }
                throw failure("read")
            }
            filled += count
        }
        return filled
    }
}
