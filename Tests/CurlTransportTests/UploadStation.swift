import EvidenceModel
import Logging
import StationTesting
import SyncEngine
import Synchronization

/// A station with recordings to copy: its journal and its recordings in memory, a clock that is set by hand.
final class UploadStation: UploadStore, ContentSource {
    struct Contents: Sendable {
        var uploads: [JournaledUpload] = []
        var verified: Set<String> = []
        var parked: [String: TargetFailure] = [:]
        var written: [JournalEntry] = []
        /// Every status that was shown, the last one last.
        var shown: [TargetStatus] = []
        var changed: Set<RecordingID> = []
        var isJournalFull = false

        var isDone: Bool { uploads.allSatisfy { verified.contains($0.plan.upload) || parked[$0.plan.upload] != nil } }
        var isWaiting: Bool { shown.last?.state == "waiting" }
    }

    private struct Watcher {
        var condition: @Sendable (Contents) -> Bool
        var continuation: CheckedContinuation<Void, Never>
    }

    private struct State {
        var contents = Contents()
        var watchers: [Int: Watcher] = [:]
        var lastKey = 0
    }

    let clock = ManualClock()
    private let state = Mutex(State())
    private let samples: [RecordingID: SampleRecording]

    init(_ samples: [SampleRecording]) {
        self.samples = Dictionary(samples.map { ($0.id, $0) }) { $1 }
        state.withLock { $0.contents.uploads = samples.map { JournaledUpload(plan: $0.plan()) } }
    }

    var contents: Contents { state.withLock(\.contents) }

    func change(_ body: (inout Contents) -> Void) {
        let satisfied = state.withLock { state -> [Watcher] in
            body(&state.contents)
            let contents = state.contents
            let satisfied = state.watchers.filter { $0.value.condition(contents) }
            for key in satisfied.keys { state.watchers[key] = nil }
            return Array(satisfied.values)
        }
        for watcher in satisfied { watcher.continuation.resume() }
    }

    /// Returns when `condition` holds, or when the task is cancelled (a time limit).
    func until(_ condition: @escaping @Sendable (Contents) -> Bool) async {
        let key = state.withLock { state in
            state.lastKey += 1
            return state.lastKey
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isNow = state.withLock { state in
                    if Task.isCancelled || condition(state.contents) { return true }
                    state.watchers[key] = Watcher(condition: condition, continuation: continuation)
                    return false
                }
                if isNow { continuation.resume() }
            }
        } onCancel: {
            let watcher = state.withLock { $0.watchers.removeValue(forKey: key) }
            watcher?.continuation.resume()
        }
    }

    // MARK: A dispatcher at work

    /// Runs a dispatcher while `body` does; ended, and waited for, when that returns.
    func dispatching(to target: any StorageTarget, _ body: () async throws -> Void) async throws {
        let dispatcher = UploadDispatcher(
            target: target,
            surroundings: UploadDispatcher.Surroundings(
                source: self, store: self, memory: Budget(64 << 20), clock: clock,
                now: { WallTime(millisecondsSince1970: 1_800_000_000_000) }, luck: { 0.5 },
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }))
        let task = Task { await dispatcher.run() }
        defer { task.cancel() }
        try await body()
        task.cancel()
        await task.value
    }

    /// Lets a minute pass whenever something besides the dispatcher's tick waits for time, until `condition` holds.
    func passTime(until condition: @escaping @Sendable (Contents) -> Bool) async {
        let clock = clock
        let time = Task {
            while !Task.isCancelled {
                await clock.sleepers(atLeast: 2)
                clock.advance(by: .seconds(60))
            }
        }
        await until(condition)
        time.cancel()
        await time.value
    }

    // MARK: UploadStore

    struct JournalIsFull: Error {}

    func due(target: String, except running: Set<String>, ofEachShare limit: Int) async throws -> [JournaledUpload] {
        let contents = contents
        return Array(
            contents.uploads.filter {
                let upload = $0.plan.upload
                return !running.contains(upload) && !contents.verified.contains(upload)
                    && contents.parked[upload] == nil
            }.prefix(limit))
    }

    func write(_ entry: JournalEntry, for plan: UploadPlan) async throws {
        if contents.isJournalFull { throw JournalIsFull() }
        change { contents in
            contents.written.append(entry)
            guard let index = contents.uploads.firstIndex(where: { $0.plan.upload == plan.upload }) else { return }
            switch entry {
            case .creating: contents.uploads[index].progress = .creating
            case .opened(let token): contents.uploads[index].progress = .open(token: token)
            case .acknowledged(let part, let tag): contents.uploads[index].tags[part] = tag
            case .forgotten(let parts): for part in parts { contents.uploads[index].tags[part] = nil }
            case .sealed:
                if case .open(let token) = contents.uploads[index].progress {
                    contents.uploads[index].progress = .sealed(token: token)
                }
            case .completed(let tag): contents.uploads[index].progress = .completed(tag: tag)
            case .lost: contents.uploads[index] = JournaledUpload(plan: plan)
            case .verified: contents.verified.insert(plan.upload)
            case .parked(let failure): contents.parked[plan.upload] = failure
            }
        }
    }

    func show(_ status: TargetStatus) async {
        change { $0.shown.append(status) }
    }

    // MARK: ContentSource

    func read(_ recording: RecordingID, _ span: ByteSpan) async throws(TargetFailure) -> PartBytes {
        guard let sample = samples[recording] else {
            throw TargetFailure(kind: .sourceUnavailable, sentence: "not docked")
        }
        var bytes = sample.bytes(span)
        if contents.changed.contains(recording), !bytes.isEmpty { bytes[0] ^= 1 }
        return PartBytes(bytes)
    }
}
