import CLinux
package import EvidenceModel
import Glibc

/// An open file descriptor with one owner, closed when the owner lets go of it. Every descriptor is close-on-exec.
///
/// Reading and writing take the offset as an argument (pread(2), pwrite(2)), so that a descriptor has no hidden state.
package struct OwnedDescriptor: ~Copyable, Sendable {
    /// The number, valid while this value lives.
    package let number: Int32
    /// What it was opened as, for messages.
    package let path: RawPath
    private let lane: IOLane?

    /// Takes over `number`, which nobody else may close.
    ///
    /// - Parameter lane: where it is closed, when that thread is free: close(2) of a file on a FUSE file system waits for
    ///   its process, and may wait for ever. None where the owner may wait itself.
    package init(adopting number: Int32, path: RawPath, closingOn lane: IOLane? = nil) {
        self.number = number
        self.path = path
        self.lane = lane
    }

    deinit {
        if let lane { lane.closeLater(number) } else { close(number) }
    }

    /// openat(2) of one name below this directory; never follows a symbolic link (O_NOFOLLOW) and never waits for
    /// the other side of a FIFO (O_NONBLOCK).
    package borrowing func open(
        _ name: RawPath, flags: Int32, mode: UInt32 = 0
    ) throws(FileAccessError) -> OwnedDescriptor {
        let whole = path.appending(name)
        let opened = name.withCString { Glibc.openat(number, $0, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, mode) }
        guard opened >= 0 else { throw FileAccessError(call: "openat", path: whole, code: errno) }
        return OwnedDescriptor(adopting: opened, path: whole)
    }

    /// open(2) of an absolute path; symbolic links on the way are followed: for places the administrator chose, never
    /// for names from a device.
    package static func open(
        absolute path: RawPath, flags: Int32, mode: UInt32 = 0
    ) throws(FileAccessError) -> OwnedDescriptor {
        let opened = path.withCString { Glibc.open($0, flags | O_CLOEXEC, mode) }
        guard opened >= 0 else { throw FileAccessError(call: "open", path: path, code: errno) }
        return OwnedDescriptor(adopting: opened, path: path)
    }

    /// fstat(2).
    package borrowing func status() throws(FileAccessError) -> FileStatus {
        var status = stat()
        guard fstat(number, &status) == 0 else { throw failure("fstat") }
        return FileStatus(status)
    }

    /// pread(2) until `buffer` is full or the file ends; the bytes read, fewer only at the end of the file.
    package borrowing func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: Int64
    ) throws(FileAccessError) -> Int {
        var filled = 0
        while filled < buffer.count, let base = buffer.baseAddress {
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

    /// pwrite(2) of all of `bytes`. After a throw some of them may be written.
    package borrowing func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(FileAccessError) {
        var written = 0
        while written < bytes.count, let base = bytes.baseAddress {
            let count = pwrite(number, base + written, bytes.count - written, off_t(offset) + written)
            if count < 0 {
                if errno == EINTR { continue }
                throw failure("write")
            }
            written += count
        }
    }

    /// fsync(2): content and metadata are on the medium when it returns.
    package borrowing func synchronize() throws(FileAccessError) {
        guard fsync(number) == 0 else { throw failure("fsync") }
    }

    /// fdatasync(2): content, and the metadata needed to read it, are on the medium when it returns.
    package borrowing func synchronizeData() throws(FileAccessError) {
        guard fdatasync(number) == 0 else { throw failure("fdatasync") }
    }

    /// posix_fadvise(2), a hint: the whole file will be read once, in order.
    package borrowing func adviseSequential() {
        _ = posix_fadvise(number, 0, 0, Int32(POSIX_FADV_SEQUENTIAL))
    }

    /// posix_fadvise(2), a hint: these bytes will not be wanted again, so that they do not push others out of memory.
    package borrowing func adviseDone(_ span: ByteSpan) {
        _ = posix_fadvise(number, off_t(span.offset), off_t(span.length), Int32(POSIX_FADV_DONTNEED))
    }

    /// sync_file_range(2) with SYNC_FILE_RANGE_WRITE, a hint: these bytes begin to go to the medium. Promises nothing; a
    /// later `synchronize` has less to wait for.
    package borrowing func beginWriteBack(_ span: ByteSpan) {
        clinux_begin_write_back(number, span.offset, span.length)
    }

    /// ftruncate(2).
    package borrowing func truncate(to bytes: Int64) throws(FileAccessError) {
        guard ftruncate(number, off_t(bytes)) == 0 else { throw failure("ftruncate") }
    }

    /// What `call` on this descriptor failed with; errno as the call left it, unless a code is given.
    package borrowing func failure(_ call: String, code: Int32 = errno) -> FileAccessError {
        FileAccessError(call: call, path: path, code: code)
    }
}

/// What fstat(2) or fstatat(2) says, as far as the agent asks.
package struct FileStatus: Sendable, Hashable {
    package enum Kind: Sendable, Hashable {
        case regular, directory, symbolicLink, other
    }

    package var kind: Kind
    package var stamp: FileStamp
    /// Permission bits.
    package var mode: UInt32

    init(_ status: stat) {
        kind =
            switch status.st_mode & S_IFMT {
            case S_IFREG: .regular
            case S_IFDIR: .directory
            case S_IFLNK: .symbolicLink
            default: .other
            }
        mode = status.st_mode & 0o7777
        stamp = FileStamp(
            device: UInt64(status.st_dev), inode: UInt64(status.st_ino), size: Int64(status.st_size),
            modifiedNanoseconds: Self.nanoseconds(status.st_mtim), changedNanoseconds: Self.nanoseconds(status.st_ctim))
    }

    private static func nanoseconds(_ time: timespec) -> Int64 {
        // A corrupt card can hold any number; multiplication that overflows would end the agent.
        Int64(time.tv_sec).multipliedReportingOverflow(by: 1_000_000_000).partialValue &+ Int64(time.tv_nsec)
    }
}

extension OwnedDescriptor {
    /// The bytes of `span`, fewer where the file ends before.
    package borrowing func readBytes(_ span: ByteSpan) throws(FileAccessError) -> [UInt8] {
        var failure: FileAccessError?
        let bytes = [UInt8](unsafeUninitializedCapacity: Int(span.length)) { buffer, count in
            do throws(FileAccessError) {
                count = try read(into: UnsafeMutableRawBufferPointer(buffer), at: span.offset)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return bytes
    }

    /// pwrite(2) of all of `bytes`.
    package borrowing func write(_ bytes: [UInt8], at offset: Int64) throws(FileAccessError) {
        let result: Result<Void, FileAccessError> = bytes.withUnsafeBytes { buffer in
            do throws(FileAccessError) { return .success(try write(buffer, at: offset)) } catch {
                return .failure(error)
            }
        }
        try result.get()
    }
}
