package import EvidenceModel
import Foundation
import Glibc
import Synchronization

/// A client of a Unix socket that sends just the bytes it is told to, well-formed or not.
package final class SocketClient: Sendable {
    private let descriptor: Int32
    private let received = Mutex("")

    /// - Throws: `POSIXError` where nobody listens at `path`.
    package init(_ path: RawPath) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.bytes.prefix($0.count - 1)) }
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let answer = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, size) }
        }
        // The instance is whole: it is deinitialized when this throws.
        guard answer == 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
    }

    deinit { Glibc.close(descriptor) }

    /// Connects as soon as somebody listens; gives up after many tries. On a thread of its own: connect(2) waits while
    /// nobody accepts, and the few threads that all tests run on must not wait with it.
    package static func connecting(to path: RawPath) async throws -> SocketClient {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread {
                for _ in 0..<60_000 {
                    if let client = try? SocketClient(path) { return continuation.resume(returning: client) }
                    usleep(1000)
                }
                continuation.resume(with: Result { try SocketClient(path) })
            }
        }
    }

    /// Sends all of `text`, or what the other end takes.
    package func send(_ text: String) {
        let bytes = Array(text.utf8)
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress?.advanced(by: sent), bytes.count - sent, Int32(MSG_NOSIGNAL))
            }
            if count <= 0 { return }
            sent += count
        }
    }

    /// Reads until what came is as wanted, the other end closes, or nothing comes for half a minute; all that came.
    package func read(until isEnough: @escaping @Sendable (String) -> Bool = { _ in false }) async -> String {
        await withCheckedContinuation { continuation in
            Thread.detachNewThread { [self] in
                while !isEnough(received.withLock({ $0 })), let piece = nextPiece() {
                    received.withLock { $0 += piece }
                }
                continuation.resume(returning: received.withLock { $0 })
            }
        }
    }

    private func nextPiece() -> String? {
        var wait = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&wait, 1, 30_000) > 0 else { return nil }
        var block = [UInt8](repeating: 0, count: 64 << 10)
        let count = Glibc.read(descriptor, &block, block.count)
        return count > 0 ? String(decoding: block[..<count], as: UTF8.self) : nil
    }
}
