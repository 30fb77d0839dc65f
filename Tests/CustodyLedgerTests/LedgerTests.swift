import CustodyLedger
import EvidenceModel
import Foundation
import GRDB
import StationTesting
import Testing

private let recording = RecordingID(time: WallTime(millisecondsSince1970: 0), random: (0, 0))
private let start = WallTime(millisecondsSince1970: 1_700_000_000_123)

private func event(_ kind: LedgerEventKind = .collected, _ details: [String: LedgerEvent.Detail] = [:]) -> LedgerEvent {
    LedgerEvent(kind: kind, at: start, station: "s", recording: recording, details: details)
}

@Suite("Ledger codec")
struct LedgerCodecTests {
    private func text(_ event: LedgerEvent) throws -> String {
        String(decoding: try #require(LedgerCodec.encode(event)), as: UTF8.self)
    }

    @Test func anEntryIsCanonical() throws {
        let digest = try #require(ContentDigest(hex: String(repeating: "0a", count: 32)))
        var full = event(
            .uploaded, ["zebra": .number(-5), "Key": .text("k"), "key": .text("宝鸡"), "a_b": .number(.max)])
        full.digest = digest
        #expect(
            try text(full)
                == "{\"Key\":\"k\",\"a_b\":9223372036854775807,\"at\":\"2023-11-14T22:13:20.123Z\",\"key\":\"宝鸡\","
                + "\"recording\":\"\(recording)\",\"sha256\":\"\(digest)\",\"station\":\"s\",\"type\":\"uploaded\","
                + "\"v\":1,\"zebra\":-5}")
        let bare = LedgerEvent(kind: .stationStarted, at: start, station: "s")
        #expect(
            try text(bare)
                == "{\"at\":\"2023-11-14T22:13:20.123Z\",\"station\":\"s\",\"type\":\"station_started\",\"v\":1}")
    }

    @Test func escapesAsLittleAsRFC8785() throws {
        let all = String(String.UnicodeScalarView((0...0x2FF).compactMap { Unicode.Scalar($0) })) + "\u{2028}😀\u{FFFF}"
        let written = try text(event(.tagged, ["text": .text(all)]))
        #expect(
            written.contains("\\u0000\\u0001\\u0002\\u0003\\u0004\\u0005\\u0006\\u0007\\b\\t\\n\\u000b\\f\\r\\u000e"))
        #expect(written.contains("\\u001f !\\\"#$%&'()*+,-./0"))
        #expect(written.contains("[\\\\]^_`"))
        #expect(written.contains("~\u{7F}\u{80}"))
        let read = try JSONSerialization.jsonObject(with: Data(written.utf8)) as? [String: Any]
        #expect((read?["text"] as? String)?.unicodeScalars.elementsEqual(all.unicodeScalars) == true)
    }

    @Test func aDetailCannotPassForAFact() throws {
        let details = Dictionary(
            uniqueKeysWithValues: ["v", "type", "at", "station", "recording", "sha256"].map {
                ($0, LedgerEvent.Detail.text("forged"))
            })
        let bare = LedgerEvent(kind: .docked, at: start, station: "s", details: details)
        #expect(try !text(bare).contains("forged"))
    }

    @Test func anEntryHasAtMostSixteenBitsOfLength() throws {
        let overhead = try text(event(.tagged, ["x": .text("")])).utf8.count
        let most = String(repeating: "x", count: LedgerCodec.mostBytes - overhead)
        #expect(LedgerCodec.encode(event(.tagged, ["x": .text(most)]))?.count == 65_535)
        #expect(LedgerCodec.encode(event(.tagged, ["x": .text(most + "x")])) == nil)
    }
}

@Suite("Ledger")
struct LedgerTests {
    private let database: DatabaseQueue
    private let ledger = Ledger()

    init() throws {
        database = try DatabaseQueue()
        var migrator = DatabaseMigrator()
        Ledger.registerMigrations(in: &migrator)
        try migrator.migrate(database)
    }

    private func append(_ count: Int) throws {
        try database.write { database in
            for number in 0..<count {
                try ledger.append(event(.collected, ["n": .number(Int64(number))]), in: database)
            }
        }
    }

    private func refuses(_ sql: String) -> Bool {
        (try? database.write { try $0.execute(sql: sql) }) == nil
    }

    @Test func entriesCountFromZeroWithoutAGap() throws {
        #expect(try database.write { try ledger.append(event(), in: $0) } == 0)
        #expect(try database.write { try ledger.append(event(.verified), in: $0) } == 1)
        let other = LedgerEvent(kind: .stationStarted, at: start, station: "s")
        #expect(try database.write { try ledger.append(other, in: $0) } == 2)
        #expect(try database.read { try ledger.size(in: $0) } == 3)
        #expect(try database.read { try ledger.indexes(of: recording, in: $0) } == [0, 1])
        let bodies = try database.read { try ledger.entries(of: recording, in: $0).map(\.body) }
        #expect(bodies == [LedgerCodec.encode(event()), LedgerCodec.encode(event(.verified))])
    }

    @Test func theCheckpointIsThatOfTheDefinition() throws {
        #expect(try database.read { try ledger.checkpoint(in: $0) } == TreeEdge())
        try append(37)
        let bodies = try database.read { try ledger.entries(of: recording, in: $0).map(\.body) }
        let edge = try database.read { try ledger.checkpoint(in: $0) }
        #expect(edge.size == 37)
        #expect(edge.head.bytes == recursiveHead(bodies[...]))
    }

    @Test(arguments: [
        "UPDATE ledger_entry SET body = x'7b7d' WHERE entry_index = 1", "UPDATE ledger_entry SET recording = NULL",
        "UPDATE OR REPLACE ledger_entry SET entry_index = 0 WHERE entry_index = 2",
        "DELETE FROM ledger_entry WHERE entry_index = 2", "DELETE FROM ledger_entry",
        "INSERT INTO ledger_entry VALUES(4, x'7b7d', zeroblob(32), NULL)",
        "INSERT INTO ledger_entry VALUES(2, x'7b7d', zeroblob(32), NULL)",
        "INSERT OR REPLACE INTO ledger_entry VALUES(1, x'7b7d', zeroblob(32), NULL)",
        "REPLACE INTO ledger_entry VALUES(2, x'7b7d', zeroblob(32), NULL)",
        "INSERT INTO ledger_entry VALUES(2, x'7b7d', zeroblob(32), NULL) ON CONFLICT DO UPDATE SET body = x'7b7d'",
        "INSERT INTO ledger_entry VALUES(-1, x'7b7d', zeroblob(32), NULL)",
        "INSERT INTO ledger_entry VALUES(NULL, x'7b7d', zeroblob(32), NULL)",
        "INSERT INTO ledger_entry VALUES(3, x'7b', zeroblob(32), NULL)",
        "INSERT INTO ledger_entry VALUES(3, zeroblob(65536), zeroblob(32), NULL)",
        "INSERT INTO ledger_entry VALUES(3, x'7b7d', zeroblob(31), NULL)",
        "INSERT INTO ledger_entry VALUES(3, 'text', zeroblob(32), NULL)",
    ])
    func nothingButAppendingIsPossible(_ sql: String) throws {
        try append(3)
        let before = try database.read { try ledger.checkpoint(in: $0) }
        #expect(refuses(sql))
        #expect(try database.read { try ledger.checkpoint(in: $0) } == before)
    }

    @Test(arguments: [
        ("UPDATE ledger_entry SET body = x'7b7d' WHERE entry_index = 3", 3),
        ("UPDATE ledger_entry SET leaf_sha256 = zeroblob(32) WHERE entry_index = 0", 0),
        ("DELETE FROM ledger_entry WHERE entry_index = 4", 5),
    ])
    func tamperingBehindTheTriggersIsFound(_ sql: String, _ index: Int64) throws {
        try append(9)
        try database.write { database in
            try database.execute(sql: "DROP TRIGGER ledger_entry_never_changes; DROP TRIGGER ledger_entry_never_goes")
            try database.execute(sql: sql)
        }
        #expect(throws: LedgerError.entryChanged(index: index)) {
            _ = try database.read { try ledger.checkpoint(in: $0) }
        }
    }

    @Test func aCarefulForgeryChangesTheHead() throws {
        try append(9)
        let before = try database.read { try ledger.checkpoint(in: $0) }
        let body = Array("{}".utf8)
        try database.write { database in
            try database.execute(sql: "DROP TRIGGER ledger_entry_never_changes")
            try database.execute(
                sql: "UPDATE ledger_entry SET body = ?, leaf_sha256 = ? WHERE entry_index = 4",
                arguments: [Data(body), Data(MerkleHash.leaf(body).bytes)])
        }
        let after = try database.read { try ledger.checkpoint(in: $0) }
        #expect(after.size == before.size)
        #expect(after.head != before.head)
    }

    @Test func anEntryStandsOrFallsWithItsTransaction() throws {
        struct PowerCut: Error {}
        try append(2)
        #expect(throws: PowerCut.self) {
            try database.write { database in
                try ledger.append(event(.wiped), in: database)
                throw PowerCut()
            }
        }
        #expect(try database.read { try ledger.size(in: $0) } == 2)
        #expect(try database.write { try ledger.append(event(), in: $0) } == 2)
    }

    @Test func anEntryThatIsTooLargeIsRefusedAndLeavesNothing() throws {
        let large = event(.tagged, ["x": .text(String(repeating: "\u{1}", count: 11_000))])
        #expect(throws: LedgerError.entryTooLarge(.tagged)) {
            try database.write { _ = try ledger.append(large, in: $0) }
        }
        #expect(try database.read { try ledger.size(in: $0) } == 0)
    }
}
