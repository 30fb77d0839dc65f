package import EvidenceModel
import Synchronization

/// What was moved for one share to one target since the last look.
package struct TransferCount: Sendable, Hashable {
    /// Bytes of bodies that left the station, whatever came of them.
    package var bytesSent: Int64 = 0
    /// Bytes that the target acknowledged.
    package var bytesDurable: Int64 = 0
    /// Bytes of requests that came to nothing: they were sent for nothing, and are sent again.
    package var bytesResent: Int64 = 0
    /// Parts and whole objects that failed, by reason: the server's code, else the kind of failure.
    package var retries: [String: Int] = [:]

    package init() {}
}

/// How far one upload is.
package struct UploadProgress: Sendable, Hashable {
    package var recording: RecordingID
    package var target: String
    package var bytesTotal: Int64
    /// What the target has acknowledged, also in earlier runs.
    package var bytesDurable: Int64
    /// What left the station in this run.
    package var bytesSent: Int64
}

/// Counts what uploads move, in memory: who saves the counts takes them now and then, so that no part costs a write.
///
/// Bounded: an entry for each upload that runs, for each share and target that moved anything since the last look, and
/// of reasons and news at most so many.
package final class TransferBoard: Sendable {
    private struct Lane: Hashable {
        var target: String
        var share: String
    }

    private struct Running {
        var progress: UploadProgress
        var lane: Lane
        /// Acknowledged in this run.
        var taken: Int64 = 0
    }

    private struct State {
        var counts: [Lane: TransferCount] = [:]
        var running: [String: Running] = [:]
        /// By upload, what nobody has been told yet.
        var news: [String: UploadProgress] = [:]
        var listener: (@Sendable () -> Void)?
    }

    /// Reasons that are told apart for each share.
    private static let mostReasons = 16
    private static let mostReasonBytes = 64
    private static let mostNews = 256

    private let state = Mutex(State())

    package init() {}

    /// Calls `listener` whenever there is news.
    package func listen(_ listener: @escaping @Sendable () -> Void) {
        state.withLock { $0.listener = listener }
    }

    package func began(_ upload: JournaledUpload) {
        let plan = upload.plan
        let layout = plan.content.layout
        let durable = upload.tags.keys.filter { (1...max(1, layout.count)).contains($0) && layout.count > 0 }
            .reduce(Int64(0)) { $0 + layout.span(ofPart: $1).length }
        let progress = UploadProgress(
            recording: plan.recording, target: plan.target, bytesTotal: plan.content.size, bytesDurable: durable,
            bytesSent: 0)
        let lane = Lane(target: plan.target, share: upload.turn.share)
        state.withLock { $0.running[plan.upload] = Running(progress: progress, lane: lane) }
    }

    package func ended(_ upload: String) {
        state.withLock { $0.running[upload] = nil }
    }

    /// A request of the upload is over, and so many bytes of its body had left.
    package func sent(_ bytes: Int64, cameToNothing: Bool, of upload: String) {
        change(upload) { running, count in
            running.progress.bytesSent += bytes
            count.bytesSent += bytes
            if cameToNothing { count.bytesResent += bytes }
        }
    }

    /// The target has acknowledged so many bytes of the upload.
    package func acknowledged(_ bytes: Int64, of upload: String) {
        change(upload) { running, count in
            running.taken += bytes
            running.progress.bytesDurable = min(running.progress.bytesTotal, running.progress.bytesDurable + bytes)
            count.bytesDurable += bytes
            // A target without requests, a directory, was given what it took.
            let missing = max(0, running.taken - running.progress.bytesSent)
            running.progress.bytesSent += missing
            count.bytesSent += missing
        }
    }

    /// A part, or the whole object, was not taken.
    package func failed(_ failure: TargetFailure, of upload: String) {
        guard failure.kind != .cancelled else { return }
        change(upload) { _, count in
            var reason = String(decoding: Self.reason(failure).utf8.prefix(Self.mostReasonBytes), as: UTF8.self)
            if count.retries[reason] == nil, count.retries.count >= Self.mostReasons { reason = "other" }
            count.retries[reason, default: 0] += 1
        }
    }

    private func change(_ upload: String, _ body: (inout Running, inout TransferCount) -> Void) {
        let listener = state.withLock { state -> (@Sendable () -> Void)? in
            guard var running = state.running[upload] else { return nil }
            body(&running, &state.counts[running.lane, default: TransferCount()])
            state.running[upload] = running
            guard state.news[upload] != nil || state.news.count < Self.mostNews else { return nil }
            state.news[upload] = running.progress
            return state.listener
        }
        listener?()
    }

    /// The server's code, else the kind in snake case: `SlowDown`, `503`, `source_changed`.
    static func reason(_ failure: TargetFailure) -> String {
        if !failure.code.isEmpty { return failure.code }
        return "\(failure.kind)".prefix { $0 != "(" }.reduce(into: "") { text, character in
            text += character.isUppercase ? "_\(character.lowercased())" : String(character)
        }
    }

    /// What was moved to `target` since the last call, by share.
    package func take(target: String) -> [String: TransferCount] {
        state.withLock { state in
            let lanes = state.counts.filter { $0.key.target == target }
            for lane in lanes.keys { state.counts[lane] = nil }
            return Dictionary(lanes.map { ($0.key.share, $0.value) }) { $1 }
        }
    }

    /// Uploads that moved since the last call.
    package func takeNews() -> [UploadProgress] {
        state.withLock { state in
            defer { state.news = [:] }
            return state.news.sorted { $0.key < $1.key }.map(\.value)
        }
    }
}

/// The upload that a task works for, so that its requests are counted as that upload's. Child tasks inherit it.
package struct UploadMeter: Sendable {
    @TaskLocal package static var current: UploadMeter?

    let board: TransferBoard
    let upload: String

    package init(board: TransferBoard, upload: String) {
        self.board = board
        self.upload = upload
    }
}

/// Counts what left the station with each request.
package struct MeteredTransport: HTTPTransport {
    private let transport: any HTTPTransport

    package init(_ transport: any HTTPTransport) {
        self.transport = transport
    }

    package func perform(_ request: HTTPRequest) async throws(TransportFailure) -> HTTPResponse {
        do throws(TransportFailure) {
            let response = try await transport.perform(request)
            count(response.sentBytes, cameToNothing: response.status >= 300)
            return response
        } catch {
            count(error.sentBytes, cameToNothing: true)
            throw error
        }
    }

    private func count(_ bytes: Int64, cameToNothing: Bool) {
        guard bytes > 0, let meter = UploadMeter.current else { return }
        meter.board.sent(bytes, cameToNothing: cameToNothing, of: meter.upload)
    }
}
