import CAVFormat
import EvidenceModel
import FileAccess
import Glibc
import MediaForms

/// The file that is being probed, as libavformat's callbacks and the walks over its form read it: through the descriptor
/// alone, at a position of its own, until the time is over or enough is read. A class, because the callbacks need an
/// address that stays.
final class ProbeSource {
    let size: Int64
    /// The first read that failed: where, and how.
    private(set) var failure: (offset: Int64, error: FileAccessError)?
    /// A read was refused, because `mostBytes` had been read: what follows from it is not the file's fault.
    private(set) var isSpent = false
    private let file: OwnedDescriptor
    private var position: Int64 = 0
    private var bytesLeft: Int64
    private let isOver: () -> Bool

    /// - Parameters:
    ///   - mostBytes: so many bytes are read at most, those that are read twice counted twice.
    ///   - isOver: whether the time for this file is used up.
    init(file: consuming OwnedDescriptor, size: Int64, mostBytes: Int64 = .max, isOver: @escaping () -> Bool) {
        self.file = file
        self.size = size
        self.isOver = isOver
        bytesLeft = mostBytes
    }

    var isTimeOver: Bool { isOver() }

    /// Whether nothing stopped the reading: what was not found is not there.
    var isUnhindered: Bool { failure == nil && !isSpent && !isTimeOver }

    /// Whether all of the file can still be read once.
    var canReadAll: Bool { bytesLeft > size }

    /// The file as walks over its form read it.
    var bytes: ByteSource { ByteSource(size: size) { self.read($0) } }

    /// The first `FileHead.byteCount` bytes, without moving the position.
    func head() -> FileHead { FileHead(bytes: bytes.bytes(ByteSpan(offset: 0, length: Int64(FileHead.byteCount)))) }

    private func read(_ span: ByteSpan) -> [UInt8] {
        let wanted = Int(min(span.length, 64 << 20))
        guard !isOver(), take(Int64(wanted)) else { return [] }
        return [UInt8](unsafeUninitializedCapacity: wanted) { buffer, count in
            count = fill(UnsafeMutableRawBufferPointer(buffer), at: span.offset) ?? 0
        }
    }

    /// Whether `count` more bytes may be read.
    private func take(_ count: Int64) -> Bool {
        guard count <= bytesLeft else {
            isSpent = true
            return false
        }
        bytesLeft -= count
        return true
    }

    /// The bytes read, nothing where reading failed.
    private func fill(_ buffer: UnsafeMutableRawBufferPointer, at offset: Int64) -> Int? {
        do throws(FileAccessError) {
            return try file.read(into: buffer, at: offset)
        } catch {
            if failure == nil { failure = (offset, error) }
            return nil
        }
    }

    /// As avio_alloc_context's `read_packet` wants it: the number of bytes, or a negative error.
    func read(into buffer: UnsafeMutableRawBufferPointer) -> Int32 {
        if isOver() || !take(Int64(buffer.count)) { return cavformat_exit() }
        guard let count = fill(buffer, at: position) else { return cavformat_error(failure?.error.code ?? EIO) }
        position += Int64(count)
        return count == 0 ? cavformat_end_of_file() : Int32(count)
    }

    /// As avio_alloc_context's `seek` wants it: the new position, the size for AVSEEK_SIZE, or a negative error.
    func seek(to offset: Int64, whence: Int32) -> Int64 {
        let target: (partialValue: Int64, overflow: Bool)
        switch whence & ~AVSEEK_FORCE {
        case AVSEEK_SIZE: return size
        case SEEK_SET: target = (offset, false)
        case SEEK_CUR: target = position.addingReportingOverflow(offset)
        case SEEK_END: target = size.addingReportingOverflow(offset)
        default: return Int64(cavformat_error(EINVAL))
        }
        guard !target.overflow, target.partialValue >= 0 else { return Int64(cavformat_error(EINVAL)) }
        position = target.partialValue
        return position
    }
}
