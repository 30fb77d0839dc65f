package import EvidenceModel
package import FileAccess
import Glibc
import Synchronization

/// Reads the mount table anew whenever it changes: poll(2) of /proc/self/mountinfo reports POLLPRI then (proc(5)).
///
/// Owns the descriptor and the thread that waits. Reading the table asks nothing of the mounted file systems, so one
/// that hangs does not hold it up.
package final class MountWatcher: Sendable {
    /// The table as it is at first and after each change; a reader that is slow gets the newest alone.
    package let tables: AsyncStream<MountTable>
    private let thread: WaitingThread

    /// Opens `path` and begins to watch.
    ///
    /// - Throws: `FileAccessError` where the table cannot be opened, or there is no thread to be had.
    package init(path: RawPath = RawPath("/proc/self/mountinfo")) throws(FileAccessError) {
        let (tables, continuation) = AsyncStream.makeStream(of: MountTable.self, bufferingPolicy: .bufferingNewest(1))
        let table = TableDescriptor(try OwnedDescriptor.open(absolute: path, flags: O_RDONLY))
        continuation.yield(MountTable.parse(try table.read()))
        guard let thread = WaitingThread({ Self.watch(table, continuation, stopDescriptor: $0) }) else {
            throw FileAccessError(call: "pthread_create", path: path, code: errno)
        }
        self.tables = tables
        self.thread = thread
    }

    /// Ends the stream, and returns when the thread has ended; again does nothing.
    package func stop() {
        thread.stop()
    }

    private static func watch(
        _ table: TableDescriptor, _ continuation: AsyncStream<MountTable>.Continuation, stopDescriptor: Int32
    ) {
        while WaitingThread.wait(for: table.number, events: POLLPRI, stopDescriptor: stopDescriptor) == .ready {
            // A table that cannot be read now is read at the next change; seq_file's own failure is lack of memory.
            guard let bytes = try? table.read() else { continue }
            continuation.yield(MountTable.parse(bytes))
        }
        continuation.finish()
    }
}

/// The open mount table; a class, because two closures cannot share what cannot be copied.
private final class TableDescriptor: Sendable {
    private static let chunkBytes = 64 << 10
    /// How often a table that changes while it is read is read again before the reading is taken as it is.
    private static let mostReadings = 16

    private let descriptor: OwnedDescriptor

    init(_ descriptor: consuming OwnedDescriptor) {
        self.descriptor = descriptor
    }

    var number: Int32 { descriptor.number }

    /// The whole table. One that does not fit one read(2) can change in between, which poll(2) then tells: it is read
    /// again, so that no half reading looks like a detached device.
    func read() throws(FileAccessError) -> [UInt8] {
        var bytes = try readOnce()
        for _ in 1..<Self.mostReadings {
            var changed = pollfd(fd: number, events: Int16(POLLPRI), revents: 0)
            guard poll(&changed, 1, 0) > 0 else { break }
            bytes = try readOnce()
        }
        return bytes
    }

    private func readOnce() throws(FileAccessError) -> [UInt8] {
        var bytes: [UInt8] = []
        while true {
            let offset = bytes.count
            bytes += [UInt8](repeating: 0, count: Self.chunkBytes)
            let outcome = bytes.withUnsafeMutableBytes { buffer -> Result<Int, FileAccessError> in
                let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[offset...])
                do throws(FileAccessError) {
                    return .success(try descriptor.read(into: rest, at: Int64(offset)))
                } catch { return .failure(error) }
            }
            let count = try outcome.get()
            bytes.removeLast(Self.chunkBytes - count)
            if count < Self.chunkBytes { return bytes }
        }
    }
}
