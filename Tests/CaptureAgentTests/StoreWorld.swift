import EvidenceModel
import Foundation
import StationTesting
import Synchronization

/// A real S3 server, a relay before it that tells of every request that ended, and a witness that asks the server itself.
final class StoreWorld: Sendable {
    struct Request: Decodable, Sendable {
        var method: String
        var target: String
        var status: Int?
    }

    let bucket: String
    /// Where the station thinks the store is.
    let endpoint: String
    let environment: [String: String]
    private let witness: ChildProgram
    private let questions = Atomic(0)
    private let relay: Companion
    private let requests: LineFeed
    private let folder: TemporaryDirectory

    init(bucket: String) async throws {
        let server = try S3Server.shared.get()
        self.bucket = bucket
        environment = ["AWS_ACCESS_KEY_ID": server.accessKeyID, "AWS_SECRET_ACCESS_KEY": server.secretAccessKey]
        folder = try TemporaryDirectory()
        let log = folder.path.appending("requests").display
        requests = try LineFeed(path: log)
        relay = try Companion(
            "python3", Repository.path("Scripts/s3/relay.py"), "--to",
            String(server.endpoint.dropFirst("http://".count)), "--log", log, "--stdin", beginsWith: "listening ")
        endpoint = "http://127.0.0.1:\(relay.greeting.split(separator: " ").last ?? "")"
        let variables = environment.merging(
            ["AWS_ENDPOINT_URL": server.endpoint, "AWS_DEFAULT_REGION": server.region, "PATH": "/usr/bin:/bin"]
        ) { $1 }
        witness = try ChildProgram(
            [Repository.path(".build/test-tools/bin/python"), Repository.path("Scripts/s3/witness.py")],
            environment: variables)
    }

    deinit {
        witness.closeInput()
        witness.signal(SIGKILL)
    }

    /// YAML of the list `targets`.
    var target: String {
        "  - {name: cloud, s3: {endpoint: \"\(endpoint)\", region: us-east-1, bucket: \(bucket), path_style: true}}"
    }

    func tell(_ command: String) throws { try relay.tell(command) }

    /// What an ended agent had given to its sockets has reached the server, and the server has answered.
    func settle() async throws {
        try await withCheckedThrowingContinuation { done in
            DispatchQueue.global().async { [self] in done.resume(with: Result { try tell("settled") }) }
        }
    }

    /// What the server itself says; the answers come in the order of the questions.
    func ask(_ command: String) async throws -> JSONValue {
        let number = questions.add(1, ordering: .relaxed).newValue
        try witness.send("\(command) \(bucket)")
        let answer = await witness.line {
            if case .output(let line) = $0 { line.hasPrefix("\(number) ") } else { false }
        }
        guard case .output(let line)? = answer else {
            throw JSONValue.Missing(what: "the witness's answer: \(witness.errors)")
        }
        return try JSONValue(String(line.drop { $0 != " " }))
    }

    /// The requests that end from now on, until `agent` ends.
    func watch(_ agent: ChildProgram) -> Task<Void, Never> {
        requests.begin()
        return Task { [requests] in
            _ = await agent.ended()
            requests.end()
        }
    }

    /// Waits for the next request to end; nothing when the watched agent ended first.
    func nextRequest() async -> Request? {
        guard let line = await requests.next() else { return nil }
        return try? JSONDecoder().decode(Request.self, from: Data(line.utf8))
    }

    /// Every request that ended so far.
    var all: [Request] {
        requests.all.compactMap { try? JSONDecoder().decode(Request.self, from: Data($0.utf8)) }
    }
}

/// The lines that others write into a FIFO.
final class LineFeed: Sendable {
    private struct State {
        var lines: [String] = []
        var taken = 0
        var isEnded = false
        var waiter: CheckedContinuation<String?, Never>?
    }

    private let state = Mutex(State())

    init(path: String) throws {
        guard mkfifo(path, 0o600) == 0 else { throw POSIXError(.EEXIST) }
        // For reading and writing: neither waits for a writer, nor ends when one goes.
        let descriptor = open(path, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { throw POSIXError(.EIO) }
        Thread.detachNewThread { [weak self] in
            defer { close(descriptor) }
            var rest: [UInt8] = []
            var block = [UInt8](repeating: 0, count: 64 << 10)
            while case let count = read(descriptor, &block, block.count), count > 0 {
                rest += block[..<count]
                while let end = rest.firstIndex(of: 10) {
                    guard let self else { return }
                    self.arrived(String(decoding: rest[..<end], as: UTF8.self))
                    rest.removeFirst(end + 1)
                }
            }
        }
    }

    private func arrived(_ line: String) {
        state.withLock { state in
            state.lines.append(line)
            guard let waiter = state.waiter else { return }
            state.waiter = nil
            state.taken = state.lines.count
            waiter.resume(returning: line)
        }
    }

    /// The next line that nobody has had, once it is there; nothing after `end`.
    func next() async -> String? {
        await withCheckedContinuation { continuation in
            state.withLock { state in
                if state.taken < state.lines.count {
                    state.taken += 1
                    continuation.resume(returning: state.lines[state.taken - 1])
                } else if state.isEnded {
                    continuation.resume(returning: nil)
                } else {
                    state.waiter = continuation
                }
            }
        }
    }

    /// Lines that came before do not count; those that come are waited for.
    func begin() {
        state.withLock { ($0.isEnded, $0.taken) = (false, $0.lines.count) }
    }

    /// Who waits, now or later, gets nothing.
    func end() {
        state.withLock { state in
            state.isEnded = true
            state.waiter?.resume(returning: nil)
            state.waiter = nil
        }
    }

    var all: [String] { state.withLock { $0.lines } }
}
