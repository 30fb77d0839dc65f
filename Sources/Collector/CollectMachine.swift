package import EvidenceModel

/// Which file of one watched root is read next, and what becomes of each.
///
///     settled ─▶ queued ─▶ reading ─┬▶ collected | known | vanished | changed (it settles again later)
///                  ▲                ├▶ failed ── retryDue ─┐
///                  │                └▶ no room ─ roomFound ┤
///                  └───────────────────────────────────────┘
///
/// Invariants, asserted by `check`:
/// - at most one file is being read, and while there is no room none is;
/// - every file that settled is queued, being read, failed, or done: none is forgotten, and each is counted once;
/// - a path stands at most once in the queue, with its latest stamp.
package struct CollectMachine: Sendable {
    /// What the caller is to do now.
    package enum Action: Sendable, Hashable {
        /// Read this file; answer with one of the events below.
        case read(SettledFile)
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
    }

    /// Paths in the order in which they are read; those that are not in `queued` any more are passed over.
    private var order: [RawPath] = []
    private var next = 0
    private var queued: [RawPath: SettledFile] = [:]
    package private(set) var reading: SettledFile?
    package private(set) var failures: [RawPath: Failure] = [:]
    private var isRetryAhead = false
    /// Bytes that the file which found no room needs.
    package private(set) var missingRoom: Int64?

    package private(set) var filesTotal = 0
    package private(set) var filesCollected = 0
    /// Bytes are counted with wrapping sums: a damaged card can claim sizes that have none.
    package private(set) var bytesTotal: Int64 = 0
    package private(set) var bytesCollected: Int64 = 0

    package init() {}

    /// Whether nothing is queued, being read, or waiting for another try.
    package var isDone: Bool { isIdle && failures.isEmpty }

    /// Whether nothing is queued or being read: what is left has failed and waits.
    package var isIdle: Bool { reading == nil && queued.isEmpty }

    package mutating func filesSettled(_ files: [SettledFile]) -> [Action] {
        for file in files {
            let waiting = queued[file.path]
            // A failed file that is queued or read again is counted there.
            if let failed = failures.removeValue(forKey: file.path), waiting == nil, reading != failed.file {
                uncount(failed.file)
            }
            filesTotal += 1
            bytesTotal &+= file.stamp.size
            if let waiting { uncount(waiting) } else { order.append(file.path) }
            queued[file.path] = file
        }
        return proceed()
    }

    /// The file being read is now a recording, or its content was known already.
    package mutating func fileCollected() -> [Action] {
        if let file = reading {
            failures[file.path] = nil
            filesCollected += 1
            bytesCollected &+= file.stamp.size
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

    /// The file being read cannot be read now. It is tried again, later each time, for as long as it is there; one that
    /// has settled anew in the meantime counts no more.
    ///
    /// - Parameter jitter: 0 to 1, drawn by the caller.
    package mutating func fileFailed(_ reason: String, jitter: Double) -> [Action] {
        guard let file = reading else { return [] }
        if queued[file.path] != nil {
            uncount(file)
            return finishReading()
        }
        let attempts = min((failures[file.path]?.attempts ?? 0) + 1, 20)
        failures[file.path] = Failure(file: file, reason: reason, attempts: attempts)
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
        guard let file = reading else { return [] }
        reading = nil
        // First again, unless it settled anew meanwhile.
        if queued[file.path] == nil {
            order.insert(file.path, at: next)
            queued[file.path] = file
        } else {
            uncount(file)
        }
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
        let waiting = failures.values.map(\.file).sorted { $0.path < $1.path }
        for file in waiting where queued[file.path] == nil && reading != file {
            order.append(file.path)
            queued[file.path] = file
        }
        return proceed()
    }

    private mutating func uncount(_ file: SettledFile) {
        filesTotal -= 1
        bytesTotal &-= file.stamp.size
    }

    private mutating func finishReading() -> [Action] {
        reading = nil
        return proceed()
    }

    private mutating func proceed() -> [Action] {
        guard reading == nil, missingRoom == nil else { return [] }
        while next < order.count {
            let path = order[next]
            next += 1
            // What is read leaves the list now and then, so that it does not grow for ever.
            if next >= 1024 && next * 2 >= order.count {
                order.removeFirst(next)
                next = 0
            }
            guard let file = queued.removeValue(forKey: path) else { continue }
            reading = file
            return [.read(file)]
        }
        return []
    }

    /// What is broken among the invariants; empty when all hold.
    package func check() -> [String] {
        var broken: [String] = []
        if reading != nil && missingRoom != nil { broken.append("reads without room") }
        if !failures.isEmpty && isIdle && !isRetryAhead { broken.append("what failed is not tried again") }
        if !Set(order[next...]).isSuperset(of: queued.keys) { broken.append("a queued path has no turn") }
        let failed = failures.values.map(\.file).filter { queued[$0.path] == nil && $0 != reading }
        let left = Array(queued.values) + failed + (reading.map { [$0] } ?? [])
        if filesTotal - filesCollected != left.count { broken.append("a file is counted twice or not at all") }
        let bytesLeft = left.reduce(Int64(0)) { $0 &+ $1.stamp.size }
        if bytesTotal &- bytesCollected != bytesLeft { broken.append("bytes are counted twice or not at all") }
        return broken
    }
}
