import CurlTransport
import Foundation
import StationTesting
import SyncEngine
import Testing

@Suite("HTTP by libcurl", .timeLimit(.minutes(1)))
final class CurlTransportTests {
    private let transport = CurlTransport()

    deinit {
        transport.close()
    }

    private func failure(_ request: HTTPRequest, by other: CurlTransport? = nil) async -> TransportFailure? {
        do throws(TransportFailure) {
            let response = try await (other ?? transport).perform(request)
            Issue.record("answered with \(response.status)")
            return nil
        } catch { return error }
    }

    /// Answers every request with what `answer` says, on connections that are kept.
    private func echo(_ answer: @escaping @Sendable (Connection.Request, [UInt8]) -> String) throws -> LocalServer {
        try LocalServer { connection in
            while let (head, body) = connection.request() { connection.answer("200 OK", answer(head, body)) }
        }
    }

    /// 96 KiB at 64 KiB/s: what libcurl sends before it first looks at the clock is at most a buffer of 16 KiB.
    @Test func aBodyGoesAtTheSpeedThatIsAllowed() async throws {
        let server = try echo { _, body in String(body.count) }
        let request = SendSpeed.$bytesPerSecond.withValue(64 << 10) {
            HTTPRequest(method: "PUT", url: server.address, body: [UInt8](repeating: 1, count: 96 << 10))
        }
        let begun = ContinuousClock.now
        let response = try await transport.perform(request)
        #expect(response.body == Array("98304".utf8))
        #expect(ContinuousClock.now - begun >= .seconds(1))
    }

    @Test func aRequestArrivesAsItWasGiven() async throws {
        let server = try echo { head, body in
            ([head.line] + head.headers.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
                + [String(decoding: body, as: UTF8.self)]).joined(separator: "\n")
        }
        let response = try await transport.perform(
            HTTPRequest(
                method: "PUT", url: "\(server.address)/b/%E3%81%82%2F+%25?a=&b=1%202",
                headers: [(name: "x-amz-date", value: "now"), (name: "x-amz-meta-a", value: "b:c")],
                body: Array("body".utf8)))
        #expect(response.status == 200)
        #expect(
            String(decoding: response.body, as: UTF8.self) == """
                PUT /b/%E3%81%82%2F+%25?a=&b=1%202 HTTP/1.1
                content-length: 4
                content-type: application/octet-stream
                host: 127.0.0.1:\(server.port)
                x-amz-date: now
                x-amz-meta-a: b:c
                body
                """)
    }

    @Test func oneConnectionServesManyRequests() async throws {
        let server = try echo { _, body in String(body.count) }
        for count in [0, 1, 300_000, 5] {
            for method in ["PUT", "GET", "DELETE"] {
                let body = method == "PUT" ? [UInt8](repeating: 7, count: count) : []
                let response = try await transport.perform(
                    HTTPRequest(method: method, url: server.address, body: body))
                #expect(String(decoding: response.body, as: UTF8.self) == String(body.count))
            }
        }
        #expect(server.connections == 1)
    }

    @Test func aHeadHasNoBodyAndItsHeaders() async throws {
        let server = try LocalServer { connection in
            while connection.request() != nil {
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 12345\r\nETag: \"aB\"\r\nX-A: 1\r\nx-a:  2\r\n\r\n")
            }
        }
        for _ in 0..<2 {
            let response = try await transport.perform(HTTPRequest(method: "HEAD", url: server.address))
            #expect(response.headers["content-length"] == "12345")
            #expect(response.headers["etag"] == "\"aB\"")
            #expect(response.headers["x-a"] == "2")
            #expect(response.body == [])
        }
        #expect(server.connections == 1)
    }

    @Test func onlyTheLastAnswerCounts() async throws {
        let server = try LocalServer { connection in
            while connection.request() != nil {
                connection.send(
                    "HTTP/1.1 102 Processing\r\nX-Early: 1\r\nETag: no\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n")
                connection.answer("201 Created", "ok", headers: "ETag: yes\r\n")
            }
        }
        let response = try await transport.perform(HTTPRequest(method: "PUT", url: server.address, body: [1]))
        #expect(response.status == 201)
        #expect(response.headers["etag"] == "yes")
        #expect(response.headers["x-early"] == nil)
        #expect(response.body == Array("ok".utf8))
    }

    @Test func aRedirectIsNotFollowed() async throws {
        let server = try LocalServer { connection in
            while connection.request() != nil { connection.answer("307 Elsewhere", headers: "Location: /b\r\n") }
        }
        #expect(try await transport.perform(HTTPRequest(method: "GET", url: server.address)).status == 307)
    }

    @Test func anAnswerInTheMiddleOfABodyIsHeard() async throws {
        let server = try LocalServer { connection in
            guard connection.head() != nil else { return }
            connection.answer("503 Slow Down", "<Error><Code>SlowDown</Code></Error>", headers: "Connection: close\r\n")
            connection.waitForEnd()
        }
        let response = try await transport.perform(
            HTTPRequest(method: "PUT", url: server.address, body: [UInt8](repeating: 1, count: 32 << 20)))
        #expect(response.status == 503)
        #expect(String(decoding: response.body, as: UTF8.self) == "<Error><Code>SlowDown</Code></Error>")
    }

    @Test func aResetInTheMiddleOfABodyIsInterrupted() async throws {
        let server = try LocalServer { connection in
            guard connection.head() != nil else { return }
            _ = connection.body(100_000)
            connection.breakOff()
        }
        let request = HTTPRequest(method: "PUT", url: server.address, body: [UInt8](repeating: 1, count: 32 << 20))
        #expect(await failure(request)?.kind == .interrupted)
    }

    @Test(arguments: ["", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", "HTTP/1.1 2", "nonsense\r\n\r\n"])
    func anAnswerThatIsCutOffIsInterrupted(_ answer: String) async throws {
        let server = try LocalServer { connection in
            guard connection.request() != nil else { return }
            connection.send(answer)
        }
        #expect(await failure(HTTPRequest(method: "GET", url: server.address))?.kind == .interrupted)
    }

    /// A kept connection that the server closed meanwhile is replaced, and the body sent from its first byte.
    @Test func aConnectionThatDiedWhileKeptIsReplaced() async throws {
        let server = try LocalServer { connection in
            guard let (_, body) = connection.request() else { return }
            connection.answer("200 OK", String(body.count))
            // Takes the next request whole, and goes without an answer: a break while it is sent is the callers to try again.
            _ = connection.request()
            connection.breakOff()
        }
        for size in [200_000, 10] {
            let response = try await transport.perform(
                HTTPRequest(method: "PUT", url: server.address, body: [UInt8](repeating: 1, count: size)))
            #expect(String(decoding: response.body, as: UTF8.self) == String(size))
        }
        #expect(server.connections == 2)
    }

    /// What creates or completes is asked for once: whether it was carried out is for the caller to find out.
    @Test func aPostIsNeverSentAgainUnasked() async throws {
        let (seen, see) = AsyncStream.makeStream(of: String.self)
        let server = try LocalServer { connection in
            while let (head, _) = connection.request() {
                see.yield(head.line)
                if head.line.hasPrefix("POST") { return connection.breakOff() }
                connection.answer("200 OK")
            }
        }
        for method in ["PUT", "POST", "POST", "PUT"] {
            let request = HTTPRequest(method: method, url: "\(server.address)/", body: [1])
            if method == "PUT" {
                #expect(try await transport.perform(request).status == 200)
            } else {
                #expect(await failure(request)?.kind == .interrupted)
            }
        }
        see.finish()
        let methods = await seen.reduce(into: []) { $0.append($1.prefix(4)) }
        #expect(methods == ["PUT ", "POST", "POST", "PUT "])
    }

    @Test func nobodyThereIsUnreachable() async throws {
        let port = try LocalServer.freePort()
        #expect(await failure(HTTPRequest(method: "GET", url: "http://127.0.0.1:\(port)/"))?.kind == .unreachable)
        #expect(await failure(HTTPRequest(method: "GET", url: "http://name.invalid/"))?.kind == .unreachable)
    }

    @Test(arguments: ["file:///etc/passwd", "ftp://127.0.0.1/", "no address"])
    func onlyHTTPIsSpoken(_ url: String) async throws {
        #expect(await failure(HTTPRequest(method: "GET", url: url))?.kind == .unreachable)
    }

    @Test func anAnswerThatIsTooLongIsGivenUp() async throws {
        let server = try echo { _, _ in String(repeating: "x", count: 1001) }
        var request = HTTPRequest(method: "GET", url: server.address, answerLimit: 1000)
        #expect(await failure(request)?.sentence == "the answer is longer than 1000 bytes")
        request.answerLimit = 1001
        #expect(try await transport.perform(request).body.count == 1001)
    }

    @Test func aServerThatThinksTooLongIsInterrupted() async throws {
        let server = try LocalServer { connection in
            _ = connection.request()
            connection.waitForEnd()
        }
        let request = HTTPRequest(method: "POST", url: server.address, body: [1], patience: .seconds(1))
        #expect(await failure(request)?.kind == .interrupted)
    }

    @Test func aCancelledTaskGivesItsRequestUp() async throws {
        let (arrived, arrival) = AsyncStream.makeStream(of: Void.self)
        let (ended, end) = AsyncStream.makeStream(of: Void.self)
        let server = try LocalServer { connection in
            guard connection.head() != nil else { return }
            _ = connection.body(1000)
            arrival.yield()
            connection.waitForEnd()
            end.yield()
        }
        let request = HTTPRequest(method: "PUT", url: server.address, body: [UInt8](repeating: 1, count: 64 << 20))
        let task = Task { [transport] in try await transport.perform(request) }
        for await _ in arrived { break }
        task.cancel()
        await #expect(throws: TransportFailure.self) { try await task.result.get() }
        // The server sees it, too.
        for await _ in ended { break }
    }

    @Test func aTaskThatWasCancelledBeforeAsksNothing() async throws {
        let server = try echo { _, _ in "" }
        let task = Task { [transport] in
            withUnsafeCurrentTask { $0?.cancel() }
            return try await transport.perform(HTTPRequest(method: "GET", url: server.address))
        }
        await #expect(throws: TransportFailure.self) { try await task.result.get() }
        #expect(server.connections == 0)
    }

    @Test func twoHundredRequestsAtOnce() async throws {
        let server = try echo { _, body in String(body.reduce(0) { $0 &+ Int($1) }) }
        let wrong = try await withThrowingTaskGroup(of: Bool.self) { group in
            for number in 0..<200 {
                group.addTask { [transport] in
                    let body = [UInt8](repeating: UInt8(number), count: 1000)
                    let response = try await transport.perform(
                        HTTPRequest(method: "PUT", url: server.address, body: body))
                    return String(decoding: response.body, as: UTF8.self) != String(number * 1000)
                }
            }
            return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(wrong == 0)
    }

    @Test func manyCancellationsAtRandomLoseNoAnswer() async throws {
        let server = try echo { _, _ in "ok" }
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<300 {
                group.addTask { [transport] in
                    let task = Task { try await transport.perform(HTTPRequest(method: "GET", url: server.address)) }
                    if number.isMultiple(of: 2) { task.cancel() }
                    _ = await task.result
                }
            }
        }
        #expect(try await transport.perform(HTTPRequest(method: "GET", url: server.address)).status == 200)
    }

    @Test func closeEndsEveryRequest() async throws {
        let (arrived, arrival) = AsyncStream.makeStream(of: Void.self)
        let server = try LocalServer { connection in
            _ = connection.request()
            arrival.yield()
            connection.waitForEnd()
        }
        let closing = CurlTransport()
        let tasks = (0..<5).map { _ in
            Task { try await closing.perform(HTTPRequest(method: "GET", url: server.address)) }
        }
        var count = 0
        for await _ in arrived {
            count += 1
            if count == tasks.count { break }
        }
        closing.close()
        for task in tasks {
            let error = await #expect(throws: TransportFailure.self) { try await task.result.get() }
            #expect(error?.kind == .cancelled)
        }
        #expect(await failure(HTTPRequest(method: "GET", url: server.address), by: closing)?.kind == .cancelled)
        closing.close()
    }
}
