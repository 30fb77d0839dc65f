import DockWatch
import EvidenceModel
import FileAccess
import Testing

/// A root watcher at work, and what it tells, in order.
final class WatchRun: Sendable {
    private let task: Task<Void, Never>
    private let events: AsyncStream<RootEvent>

    init(_ watcher: RootWatcher) {
        let (events, continuation) = AsyncStream.makeStream(of: RootEvent.self)
        task = Task {
            await watcher.run { continuation.yield($0) }
            continuation.finish()
        }
        self.events = events
    }

    deinit {
        task.cancel()
    }

    func next() async throws -> RootEvent {
        var iterator = events.makeAsyncIterator()
        let event = await iterator.next()
        return try #require(event)
    }

    /// The summary of the next pass; everything else on the way is dropped.
    func nextPass() async throws -> ScanSummary {
        while true {
            if case .scanned(let summary) = try await next() { return summary }
        }
    }

    /// The paths of the next files that settle; everything else on the way is dropped.
    func nextSettled() async throws -> [String] {
        while true {
            if case .settled(let files) = try await next() { return files.map(\.path.display).sorted() }
        }
    }

    func nextUnreachable() async throws -> FileAccessError {
        while true {
            if case .unreachable(let error) = try await next() { return error }
        }
    }

    /// Cancels it and waits until it has ended.
    func end() async {
        task.cancel()
        await task.value
    }
}
