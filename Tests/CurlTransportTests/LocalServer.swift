import Foundation
import Synchronization

/// An HTTP/1.1 server on loopback that does with each connection what the test says, byte for byte.
final class LocalServer: Sendable {
    let port: Int
    private let listener: Int32
    private let accepted = Count()

    /// How many connections came.
    var connections: Int { accepted.value }
    var address: String { "http://127.0.0.1:\(port)" }

    /// - Parameter serve: runs on a thread of its own for every connection, which is closed when it returns.
    init(_ serve: @escaping @Sendable (Connection) -> Void) throws {
        let listener = try Self.listen()
        self.listener = listener
        port = Self.port(of: listener)
        Thread { [accepted] in
            while case let descriptor = accept(listener, nil, nil), descriptor >= 0 {
                // A program that another test starts must not keep the connection open when it is closed here.
                _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
                accepted.increase()
                Thread {
                    let connection = Connection(descriptor)
                    serve(connection)
                    connection.close()
                }.start()
            }
            close(listener)
        }.start()
    }

    deinit {
        // Wakes accept(2); the thread then closes it.
        shutdown(listener, Int32(SHUT_RDWR))
    }

    /// A port on which nobody listens.
    static func freePort() throws -> Int {
        let listener = try listen()
        defer { close(listener) }
        return port(of: listener)
    }

    private static func listen() throws -> Int32 {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard listener >= 0, bound == 0, Glibc.listen(listener, 512) == 0 else { throw POSIXError(.EADDRINUSE) }
        return listener
    }

    private static func port(of listener: Int32) -> Int {
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        _ = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(listener, $0, &length) }
        }
        return Int(UInt16(bigEndian: address.sin_port))
    }
}

/// A number that threads count up.
private final class Count: Sendable {
    private let number = Mutex(0)

    var value: Int { number.withLock { $0 } }
    func increase() { number.withLock { $0 += 1 } }
}

/// One connection, used by its thread only.
final class Connection {
    /// The head of a request.
    struct Request: Sendable {
        var line: String
        var headers: [String: String]
        var length: Int { headers["content-length"].flatMap { Int($0) } ?? 0 }
    }

    private let descriptor: Int32
    private var buffer: [UInt8] = []

    init(_ descriptor: Int32) {
        self.descriptor = descriptor
    }

    /// The next request's head, or nothing when the client went.
    func head() -> Request? {
        let end = Array("\r\n\r\n".utf8)
        while true {
            if let cut = buffer.firstRange(of: end) {
                let lines = String(decoding: buffer[..<cut.lowerBound], as: UTF8.self).split(separator: "\r\n")
                buffer.removeSubrange(..<cut.upperBound)
                let fields = lines.dropFirst().map { $0.split(separator: ":", maxSplits: 1).map(String.init) }
                let headers = fields.map { ($0[0].lowercased(), ($0.last ?? "").trimmingCharacters(in: .whitespaces)) }
                return Request(line: String(lines[0]), headers: Dictionary(headers) { $1 })
            }
            if !receive() { return nil }
        }
    }

    /// The next `count` bytes, fewer when the client went.
    func body(_ count: Int) -> [UInt8] {
        while buffer.count < count, receive() {}
        let body = Array(buffer.prefix(count))
        buffer.removeFirst(body.count)
        return body
    }

    /// A whole request, or nothing when the client went.
    func request() -> (Request, [UInt8])? {
        guard let head = head() else { return nil }
        let body = body(head.length)
        return body.count == head.length ? (head, body) : nil
    }

    func answer(_ status: String, _ body: String = "", headers: String = "") {
        send("HTTP/1.1 \(status)\r\nContent-Length: \(body.utf8.count)\r\n\(headers)\r\n\(body)")
    }

    func send(_ text: String) {
        let bytes = Array(text.utf8)
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress.map { $0 + sent }, bytes.count - sent, Int32(MSG_NOSIGNAL))
            }
            if count <= 0 { return }
            sent += count
        }
    }

    /// Ends with a reset when it is closed.
    func breakOff() {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    }

    /// Returns when the client has closed its side.
    func waitForEnd() {
        while receive() { buffer = [] }
    }

    func close() { Glibc.close(descriptor) }

    private func receive() -> Bool {
        var bytes = [UInt8](repeating: 0, count: 64 << 10)
        let count = recv(descriptor, &bytes, bytes.count, 0)
        guard count > 0 else { return false }
        buffer += bytes.prefix(count)
        return true
    }
}
