import EvidenceModel
import Foundation
import GRDB
import StationTesting
import Synchronization
import Testing

@testable import CaptureAgent

struct GroupWriterTests {
    /// A database with a table, a writer on it, and a door before it: writes that come while it is shut wait together.
    private struct Desk {
        let folder: TemporaryDirectory
        let pool: DatabasePool
        let group: GroupWriter
        let commits: CommitCount
        private let door = DispatchSemaphore(value: 0)

        init() throws {
            folder = try TemporaryDirectory()
            pool = try DatabasePool(path: folder.path.appending("database").display)
            try pool.write { try $0.execute(sql: "CREATE TABLE word(text TEXT NOT NULL) STRICT") }
            group = GroupWriter(pool)
            commits = CommitCount()
            pool.add(transactionObserver: commits, extent: .observerLifetime)
        }

        /// What `writes` came to, in their order: all of them wait when the first one begins.
        func together(_ writes: [@Sendable (Database) throws -> Void]) async -> [Bool] {
            pool.asyncWriteWithoutTransaction { [door] _ in door.wait() }
            return await withTaskGroup(of: (Int, Bool).self) { tasks in
                for (number, body) in writes.enumerated() {
                    let group = group
                    tasks.addTask {
                        let written: Void? = try? await group.write(durable: number % 2 == 0, body)
                        return (number, written != nil)
                    }
                    while group.waitingCount < number + 1 { await Task.yield() }
                }
                door.signal()
                return await tasks.reduce(into: [Bool](repeating: false, count: writes.count)) { $0[$1.0] = $1.1 }
            }
        }

        func words() throws -> [String] {
            try pool.read { try String.fetchAll($0, sql: "SELECT text FROM word ORDER BY text") }
        }
    }

    private final class CommitCount: TransactionObserver, Sendable {
        private let count = Mutex(0)
        var value: Int { count.withLock { $0 } }
        func observes(eventsOfKind eventKind: DatabaseEventKind) -> Bool { true }
        func databaseDidChange(with event: DatabaseEvent) {}
        func databaseDidCommit(_ database: Database) { count.withLock { $0 += 1 } }
        func databaseDidRollback(_ database: Database) {}
    }

    private static func insert(_ word: String) -> @Sendable (Database) throws -> Void {
        { try $0.execute(sql: "INSERT INTO word VALUES(?)", arguments: [word]) }
    }

    private struct Refused: Error {}

    @Test func whatWaitsTogetherIsOneTransaction() async throws {
        let desk = try Desk()
        let words = (100..<200).map { "\($0)" }
        #expect(await desk.together(words.map(Self.insert)).allSatisfy { $0 })
        #expect(try desk.words() == words)
        #expect(desk.commits.value == 1)
    }

    @Test func whoThrowsIsUndoneAlone() async throws {
        let desk = try Desk()
        let refused: @Sendable (Database) throws -> Void = { database in
            try Self.insert("b")(database)
            throw Refused()
        }
        #expect(await desk.together([Self.insert("a"), refused, Self.insert("c")]) == [true, false, true])
        #expect(try desk.words() == ["a", "c"])
    }

    /// SQLite ends a whole transaction on its own when the disk is full: nobody is told that something was written that
    /// was not.
    @Test func aFullDiskTellsEverybody() async throws {
        let desk = try Desk()
        let long = String(repeating: "x", count: 100_000)
        try await desk.pool.writeWithoutTransaction { database in
            let pages = try Int.fetchOne(database, sql: "PRAGMA page_count") ?? 0
            try database.execute(sql: "PRAGMA max_page_count = \(pages + 8)")
        }
        let told = await desk.together([Self.insert("a"), Self.insert(long), Self.insert("c")])
        let written = try desk.words()
        #expect(told[1] == false)
        #expect(told == ["a", long, "c"].map(written.contains))
        try await desk.pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA max_page_count = 100000") }
        #expect(await desk.together([Self.insert("d")]) == [true])
        #expect(try desk.words().contains("d"))
    }
}
