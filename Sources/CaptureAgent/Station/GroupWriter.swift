import GRDB
import Synchronization

/// Carries what many tasks write into one transaction: what comes while a transaction is on its way to the disk waits, and
/// goes with the next one. So a durable write costs its task one wait for the disk, and the disk one for all of them
/// (group commit: DeWitt et al., "Implementation Techniques for Main Memory Database Systems", 1984).
///
/// Each write is all or nothing for itself: one that throws is taken back to its savepoint, and the others stand.
final class GroupWriter: Sendable {
    private struct Job: Sendable {
        var isDurable: Bool
        /// Writes, and gives what tells the task once that is committed.
        var write: @Sendable (Database) throws -> @Sendable () -> Void
        var fail: @Sendable (any Error) -> Void
    }

    private struct Waiting {
        var jobs: [Job] = []
        var isWorking = false
    }

    /// More wait for the next transaction: one that never ended would make nobody's write durable.
    private static let mostTogether = 256

    private let writer: any DatabaseWriter
    private let waiting = Mutex(Waiting())

    init(_ writer: any DatabaseWriter) {
        self.writer = writer
    }

    /// How many wait for a transaction that has not begun.
    var waitingCount: Int { waiting.withLock { $0.jobs.count } }

    /// All of `body`, or nothing.
    ///
    /// - Parameter durable: it has survived a power cut when this returns; else it may be undone by one, whole.
    /// - Throws: what `body` throws, with nothing written; an error of the commit, with nothing written as far as SQLite can
    ///   tell.
    func write<Value: Sendable>(
        durable: Bool, _ body: @Sendable @escaping (Database) throws -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { (done: CheckedContinuation<Value, any Error>) in
            let job = Job(isDurable: durable) { database in
                let value = try body(database)
                return { done.resume(returning: value) }
            } fail: { error in
                done.resume(throwing: error)
            }
            let isFirst = waiting.withLock { waiting in
                waiting.jobs.append(job)
                defer { waiting.isWorking = true }
                return !waiting.isWorking
            }
            if isFirst { writer.asyncWriteWithoutTransaction { [self] in work($0) } }
        }
    }

    /// On the writer's thread, until nobody waits.
    private func work(_ database: Database) {
        while let jobs = take() { commit(jobs, database) }
    }

    private func take() -> [Job]? {
        waiting.withLock { waiting in
            guard !waiting.jobs.isEmpty else {
                waiting.isWorking = false
                return nil
            }
            defer { waiting.jobs.removeFirst(min(Self.mostTogether, waiting.jobs.count)) }
            return Array(waiting.jobs.prefix(Self.mostTogether))
        }
    }

    private func commit(_ jobs: [Job], _ database: Database) {
        var told: [@Sendable () -> Void] = []
        var left = jobs[...]
        do {
            let isDurable = jobs.contains(where: \.isDurable)
            if isDurable { try database.execute(sql: "PRAGMA synchronous = FULL") }
            defer { if isDurable { try? database.execute(sql: "PRAGMA synchronous = NORMAL") } }
            var refused: [(Job, any Error)] = []
            try database.inTransaction {
                for job in jobs {
                    do { told.append(try Self.apart(job, database)) } catch { refused.append((job, error)) }
                    // A full or broken disk ends the whole transaction: what came before is gone too.
                    if let (_, error) = refused.last, !database.isInsideTransaction { throw error }
                }
                return .commit
            }
            left = []
            for (job, error) in refused { job.fail(error) }
            for tell in told { tell() }
        } catch {
            for job in left { job.fail(error) }
        }
    }

    /// One job's changes, which alone are undone where it throws.
    private static func apart(_ job: Job, _ database: Database) throws -> @Sendable () -> Void {
        var tell: (@Sendable () -> Void)?
        try database.inSavepoint {
            tell = try job.write(database)
            return .commit
        }
        guard let tell else { preconditionFailure("a released savepoint has its word") }
        return tell
    }
}
