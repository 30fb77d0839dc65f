import CAVFormat
import EvidenceModel
import FileAccess
import Glibc

/// The file that is being probed, as libavformat's callbacks read it: through the descriptor alone, at a position of
/// its own, until the time is over. A class, because the callbacks need an address that stays.
final class ProbeSource {
    let size: Int64
    /// The first read that failed: where, and how.
    private(set) var failure: (offset: Int64, error: FileAccessError)?
    private let file: OwnedDescriptor
    private var position: Int64 = 0
    private let isOver: () -> Bool

    /// - Parameter isOver: whether the time for this file is used up.
    init(file: consuming OwnedDescriptor, size: Int64, isOver: @escaping () -> Bool) {
        self.file = file
        self.size = size
        self.isOver = isOver
    }

    var isTimeOver: Bool { isOver() }

    /// The first `FileHead.byteCount` bytes, without moving the position.
    func head() throws(FileAccessError) -> FileHead {
        var bytes = [UInt8](repeating: 0, count: FileHead.byteCount)
        let outcome = bytes.withUnsafeMutableBytes { buffer -> Result<Int, FileAccessError> in
            do throws(FileAccessError) { return .success(try file.read(into: buffer, at: 0)) } catch {
                return .failure(error)
            }
        }
        let count = try outcome.get()
        return FileHead(bytes: [UInt8](bytes.prefix(count)))
    }

    /// As avio_alloc_context's `read_packet` wants it: the number of bytes, or a negative error.
    func read(into buffer: UnsafeMutableRawBufferPointer) -> Int32 {
        if isOver() { return cavformat_exit() }
        do throws(FileAccessError) {
            let count = try file.read(into: buffer, at: position)
            position += Int64(count)
            return count == 0 ? cavformat_end_of_file() : Int32(count)
        } catch {
            if failure == nil { failure = (position, error) }
            return cavformat_error(error.code)
        }
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
