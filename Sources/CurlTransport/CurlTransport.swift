import CCurl
import Foundation
package import SyncEngine
import Synchronization

/// HTTP/1.1 by libcurl: one thread with one multi handle (curl_multi_poll(3)), which keeps connections open and reuses
/// them. Requests come in from any task and wait in a queue that the thread empties.
package final class CurlTransport: HTTPTransport {
    /// Takes pieces of an answer's body as they come, on the transport's thread: it may not block.
    package typealias Receiver = @Sendable ([UInt8]) -> Void

    private struct Order {
        var number: Int
        var request: HTTPRequest
        var receiver: Receiver?
        var answer: CheckedContinuation<Result<HTTPResponse, TransportFailure>, Never>
    }

    private struct Inbox {
        var orders: [Order] = []
        var cancelled: [Int] = []
        var isClosed = false
        var nextNumber = 0
        /// For curl_multi_wakeup(3), the one call that other threads may make; gone when the thread has ended.
        var multi: MultiHandle?
    }

    /// A multi handle as other threads see it: something to wake.
    private struct MultiHandle: @unchecked Sendable {
        // CURLM is `void`. curl_multi_wakeup(3) is documented as safe from any thread; nothing else is called on it
        // outside the transport's thread.
        let pointer: UnsafeMutableRawPointer
    }

    private let inbox = Mutex(Inbox())
    private let caFile: String?
    private let socket: String?

    /// - Parameters:
    ///   - caFile: PEM certificates to trust instead of the system's.
    ///   - socket: a Unix socket to which every request goes, whatever host its URL names.
    package init(caFile: String? = nil, socket: String? = nil) {
        self.caFile = caFile
        self.socket = socket
        curl_global_init(Int(CURL_GLOBAL_DEFAULT))
        let multi = curl_multi_init().map(MultiHandle.init)
        inbox.withLock { $0.multi = multi }
        guard let multi else { return }
        let thread = Thread { [self] in work(multi.pointer) }
        thread.name = "curl"
        thread.start()
    }

    /// Ends the thread; requests that are under way, and later ones, fail as cancelled.
    package func close() {
        inbox.withLock { inbox in
            inbox.isClosed = true
            if let multi = inbox.multi { curl_multi_wakeup(multi.pointer) }
        }
    }

    package func perform(_ request: HTTPRequest) async throws(TransportFailure) -> HTTPResponse {
        try await perform(request, receiver: nil)
    }

    /// Sends `request` and hands the body of an answer with status 200 to `receiver` as it comes, until the server ends it.
    ///
    /// - Returns: the answer, without the body that `receiver` had.
    package func stream(
        _ request: HTTPRequest, to receiver: @escaping Receiver
    ) async throws(TransportFailure) -> HTTPResponse {
        try await perform(request, receiver: receiver)
    }

    private func perform(
        _ request: HTTPRequest, receiver: Receiver?
    ) async throws(TransportFailure) -> HTTPResponse {
        let number = inbox.withLock { inbox in
            inbox.nextNumber += 1
            return inbox.nextNumber
        }
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { answer in
                enqueue(Order(number: number, request: request, receiver: receiver, answer: answer))
            }
        } onCancel: {
            inbox.withLock { inbox in
                inbox.cancelled.append(number)
                if let multi = inbox.multi { curl_multi_wakeup(multi.pointer) }
            }
        }
        return try result.get()
    }

    private static let cancelled = TransportFailure(kind: .cancelled, sentence: "the request was given up")

    private func enqueue(_ order: Order) {
        let isOpen = inbox.withLock { inbox in
            // A cancellation that came before this lock is seen here; one that comes after it finds the order.
            guard !inbox.isClosed, !Task.isCancelled, let multi = inbox.multi else { return false }
            inbox.orders.append(order)
            curl_multi_wakeup(multi.pointer)
            return true
        }
        if !isOpen { order.answer.resume(returning: .failure(Self.cancelled)) }
    }

    // MARK: The thread

    private static let busyMilliseconds: Int32 = 1000
    private static let idleMilliseconds: Int32 = 60_000

    private typealias Answer = CheckedContinuation<Result<HTTPResponse, TransportFailure>, Never>

    private func work(_ multi: UnsafeMutableRawPointer) {
        ccurl_multi_set_long(multi, CURLMOPT_MAXCONNECTS, 16)
        var running: [Int: (handle: EasyHandle, answer: Answer)] = [:]
        while true {
            let (orders, cancelled, isClosed) = inbox.withLock { inbox in
                defer { (inbox.orders, inbox.cancelled) = ([], []) }
                return (inbox.orders, inbox.cancelled, inbox.isClosed)
            }
            for order in orders { begin(order, multi, &running) }
            for number in isClosed ? Array(running.keys) : cancelled { giveUp(number, multi, &running) }
            if isClosed { break }
            var active: Int32 = 0
            curl_multi_perform(multi, &active)
            finishDone(multi, &running)
            // Woken by a socket, by a new order, or by libcurl's own timers. The time is only for what none of them tells:
            // nothing is waited for where no request runs.
            curl_multi_poll(multi, nil, 0, running.isEmpty ? Self.idleMilliseconds : Self.busyMilliseconds, nil)
        }
        inbox.withLock { $0.multi = nil }
        curl_multi_cleanup(multi)
    }

    private func begin(
        _ order: Order, _ multi: UnsafeMutableRawPointer, _ running: inout [Int: (handle: EasyHandle, answer: Answer)]
    ) {
        guard
            let handle = EasyHandle(
                request: order.request, caFile: caFile, socket: socket, receiver: order.receiver)
        else {
            let failure = TransportFailure(kind: .interrupted, sentence: "libcurl gave no handle: out of memory")
            order.answer.resume(returning: .failure(failure))
            return
        }
        running[order.number] = (handle, order.answer)
        curl_multi_add_handle(multi, handle.easy)
    }

    private func giveUp(
        _ number: Int, _ multi: UnsafeMutableRawPointer, _ running: inout [Int: (handle: EasyHandle, answer: Answer)]
    ) {
        guard let (handle, answer) = running.removeValue(forKey: number) else { return }
        curl_multi_remove_handle(multi, handle.easy)
        answer.resume(returning: .failure(Self.cancelled))
    }

    private func finishDone(
        _ multi: UnsafeMutableRawPointer, _ running: inout [Int: (handle: EasyHandle, answer: Answer)]
    ) {
        var left: Int32 = 0
        while let message = curl_multi_info_read(multi, &left) {
            guard message.pointee.msg == CURLMSG_DONE,
                let done = running.first(where: { $0.value.handle.easy == message.pointee.easy_handle })
            else { continue }
            // The message is libcurl's, and gone with the handle: read it first.
            let code = ccurl_message_result(message)
            curl_multi_remove_handle(multi, done.value.handle.easy)
            running[done.key] = nil
            let outcome = done.value.handle.outcome(code)
            // Whoever hears of the end may take the memory for the next part: it is free by then.
            done.value.handle.releaseBody()
            done.value.answer.resume(returning: outcome)
        }
    }
}
