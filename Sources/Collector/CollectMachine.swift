package import EvidenceModel

/// Which file of one watched root is read next, and what becomes of each.
///
///     settled ─▶ queued ─▶ reading ─┬▶ collected | known | vanished | changed (it settles again later)
///                  ▲                ├▶ unreadable: queued again behind all others, to be salvaged
///                  │                │     salvaging ─┬▶ damaged
///                  │                │                ▼
///                  │                ├▶ failed ── retryDue ─┐
///                  │                └▶ no room ─ roomFound ┤
///                  └───────────────────────────────────────┘
///
/// Read first is what is important or small, then the oldest; what is to be salvaged comes when nothing else is queued.
///
/// Invariants, asserted by `check`:
/// - at most one file is being read, and while there is no room none is;
/// - every file that settled is queued, being read, failed, damaged or done: none is forgotten, each is counted once,
///   by its path: one that is read again is not two;
/// - a path stands at most once in the queue, with its latest stamp;
/// - nothing is salvaged while a file that nobody found unreadable is queued before it.
package struct CollectMachine: Sendable {
    /// A settled file that is to be collected.
    package struct Candidate: Sendable, Hashable {
        package var file: SettledFile
        /// Somebody marked it: it goes before others.
        package var isImportant: Bool

        package init(_ file: SettledFile, isImportant: Bool = false) {
            self.file = file
            self.isImportant = isImportant
        }
    }

    /// What the caller is to do now.
    package enum Action: Sendable, Hashable {
        /// Read this file; answer with one of the events below.
        case read(SettledFile, ReadingMode)
        /// Look for this many free bytes in the spool from time to time; answer with `roomFound`.
        case waitForRoom(bytes: Int64)
        /// Call `retryDue` after so many seconds.
        case retry(afterSeconds: Double)
    }

    /// A file that could not be read so far.
    package struct Failure: Sendable, Hashable {
        package var file: SettledFile
        package var reason: String
        package var attempts: Int
        /// How it is read at the next try.
        package var mode: ReadingMode
        fileprivate var isImportant: Bool

        fileprivate var job: Job { Job(file: file, isImportant: isImportant, mode: mode) }
    }

    private var queue = ReadingQueue()
    private var current: Job?
    package private(set) var failures: [RawPath: Failure] = [:]
    /// Files of which only a part could be read, by path.
    private var damaged: [RawPath: SettledFile] = [:]
    /// Bytes of the files that are collected, by path.
    private var collected: [RawPath: Int64] = [:]
    private var isRetryAhead = false
    /// Bytes that the file which found no room needs.
    package private(set) var missingRoom: Int64?

    package private(set) var filesTotal = 0
    package var filesCollected: Int { collected.count }
    /// Bytes are counted with wrapping sums: a damaged card can claim sizes that have none.
    package private(set) var bytesTotal: Int64 = 0
    package private(set) var bytesCollected: Int64 = 0
    /// Bytes of the files that are damaged, the readable ones among them.
    package private(set) var bytesDamaged: Int64 = 0

    package init() {}

    package var reading: SettledFile? { current?.file }
    /// How `reading` is read.
    package var readingMode: ReadingMode? { current?.mode }
    /// Files that were salvaged: kept as far as they could be read, and not collected.
    package var filesDamaged: Int { damaged.count }

    /// Whether everything that settled is collected.
    package var isDone: Bool { isIdle && failures.isEmpty && damaged.isEmpty }

    /// Whether nothing is queued or being read: what is left has failed and waits, or is damaged.
    package var isIdle: Bool { current == nil && queue.isEmpty }

    /// These are to be collected, also those that were collected before: they count as not collected again.
    package mutating func filesSettled(_ candidates: [Candidate]) -> [Action] {
        for candidate in candidates {
            let path = candidate.file.path
            let waiting = queue.remove(path)
            // A failed file that is queued or read again is counted there.
            if let failed = failures.removeValue(forKey: path), waiting == nil, reading != failed.file {
                uncount(failed.file)
            }
            if let waiting { uncount(waiting.file) }
            restore(path)
            filesTotal += 1
            bytesTotal &+= candidate.file.stamp.size
            queue.insert(Job(file: candidate.file, isImportant: candidate.isImportant, mode: .whole))
        }
        return proceed()
    }

    /// The file being read is now a recording, or its content was known already. One that has settled anew in the
    /// meantime counts no more.
    package mutating func fileCollected() -> [Action] {
        guard let file = reading else { return [] }
        failures[file.path] = nil
        if queue.holds(file.path) {
            uncount(file)
        } else {
            collected[file.path] = file.stamp.size
            bytesCollected &+= file.stamp.size
        }
        return finishReading()
    }

    /// The file being read is now a damaged recording: some of its bytes could not be read. One that has settled anew in
    /// the meantime counts no more.
    package mutating func fileSalvaged() -> [Action] {
        guard let file = reading else { return [] }
        failures[file.path] = nil
        if queue.holds(file.path) {
            uncount(file)
        } else {
            damaged[file.path] = file
            bytesDamaged &+= file.stamp.size
        }
        return finishReading()
    }

    /// The file being read changed or vanished: it counts no more, and settles again if it is still there.
    package mutating func fileChanged() -> [Action] {
        if let file = reading {
            failures[file.path] = nil
            uncount(file)
        }
        return finishReading()
    }

    /// The medium does not give the file being read. That is not believed at once: the first time it goes behind all
    /// others, and what can be read of it is read then. When that fails too it is a failure like any other, and the next
    /// try salvages again.
    ///
    /// - Parameter jitter: 0 to 1, drawn by the caller.
    package mutating func fileUnreadable(_ reason: String, jitter: Double) -> [Action] {
        guard var job = current, job.mode == .whole, !queue.holds(job.file.path) else {
            return fileFailed(reason, jitter: jitter)
        }
        job.mode = .salvage
        failures[job.file.path] = nil
        queue.insert(job)
        return finishReading()
    }

    /// The file being read cannot be read now. It is tried again, later each time, for as long as it is there; one that
    /// has settled anew in the meantime counts no more.
    ///
    /// - Parameter jitter: 0 to 1, drawn by the caller.
    package mutating func fileFailed(_ reason: String, jitter: Double) -> [Action] {
        guard let job = current else { return [] }
        let file = job.file
        if queue.holds(file.path) {
            uncount(file)
            return finishReading()
        }
        let attempts = min((failures[file.path]?.attempts ?? 0) + 1, 20)
        failures[file.path] = Failure(
            file: file, reason: reason, attempts: attempts, mode: job.mode, isImportant: job.isImportant)
        let ceiling = min(Self.longestRetrySeconds, Double(1 << attempts))
        let proceeding = finishReading()
        // One timer for all that failed: each of its rings tries them all.
        if isRetryAhead { return proceeding }
        isRetryAhead = true
        return [.retry(afterSeconds: ceiling * (0.5 + jitter / 2))] + proceeding
    }

    private static let longestRetrySeconds = 300.0

    /// The spool has no room for the file being read. Nothing is read until there is.
    package mutating func spoolFilled(needing bytes: Int64) -> [Action] {
        guard let job = current else { return [] }
        current = nil
        // Back to its place, unless it settled anew meanwhile.
        if queue.holds(job.file.path) { uncount(job.file) } else { queue.insert(job) }
        missingRoom = bytes
        return [.waitForRoom(bytes: bytes)]
    }

    package mutating func roomFound() -> [Action] {
        missingRoom = nil
        return proceed()
    }

    /// Time to try what failed once more.
    package mutating func retryDue() -> [Action] {
        isRetryAhead = false
        for failure in failures.values where !queue.holds(failure.file.path) && reading != failure.file {
            queue.insert(failure.job)
        }
        return proceed()
    }

    private mutating func uncount(_ file: SettledFile) { uncount(bytes: file.stamp.size) }

    private mutating func uncount(bytes: Int64) {
        filesTotal -= 1
        bytesTotal &-= bytes
    }

    /// A file that was collected or damaged settles again: it is that no longer, and counted by its new reading.
    private mutating func restore(_ path: RawPath) {
        if let bytes = collected.removeValue(forKey: path) {
            bytesCollected &-= bytes
            uncount(bytes: bytes)
        }
        guard let file = damaged.removeValue(forKey: path) else { return }
        bytesDamaged &-= file.stamp.size
        uncount(file)
    }

    private mutating func finishReading() -> [Action] {
        current = nil
        return proceed()
    }

    private mutating func proceed() -> [Action] {
        guard current == nil, missingRoom == nil, let job = queue.takeFirst() else { return [] }
        current = job
        return [.read(job.file, job.mode)]
    }

    /// What is broken among the invariants; empty when all hold.
    package func check() -> [String] {
        var broken = queue.check()
        if current != nil && missingRoom != nil { broken.append("reads without room") }
        if !failures.isEmpty && isIdle && !isRetryAhead { broken.append("what failed is not tried again") }
        let failed = failures.values.map(\.file).filter { !queue.holds($0.path) && $0 != reading }
        let left = queue.files + failed + (reading.map { [$0] } ?? [])
        if filesTotal - filesCollected - filesDamaged != left.count {
            broken.append("a file is counted twice or not at all")
        }
        func sum(_ files: some Sequence<SettledFile>) -> Int64 { files.reduce(0) { $0 &+ $1.stamp.size } }
        if bytesTotal &- bytesCollected &- bytesDamaged != sum(left) || bytesDamaged != sum(damaged.values)
            || bytesCollected != collected.values.reduce(0, &+)
        {
            broken.append("bytes are counted twice or not at all")
        }
        func isLeft(_ path: RawPath) -> Bool { queue.holds(path) || failures[path] != nil || reading?.path == path }
        if damaged.keys.contains(where: isLeft) || collected.keys.contains(where: isLeft) {
            broken.append("a file is done and still to be read")
        }
        return broken
    }
}
