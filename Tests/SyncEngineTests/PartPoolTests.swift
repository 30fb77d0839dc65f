import Testing

@testable import SyncEngine

struct PartPoolTests {
    private struct Broken: Error {}

    private func fill(_ pool: PartPool, _ count: Int, with byte: UInt8, only filled: Int? = nil) -> PartBytes {
        pool.bytes(atMost: count) { memory in
            for place in memory.indices { memory[place] = byte }
            return filled ?? count
        }
    }

    private func address(_ bytes: PartBytes) -> UnsafeRawPointer? { bytes.withUnsafeBytes { $0.baseAddress } }

    @Test func aPartHasTheBytesThatWereWritten() {
        let pool = PartPool()
        for (count, filled) in [(0, 0), (1, 1), (5, 3), (3 << 20, 3 << 20)] {
            let bytes = fill(pool, count, with: 7, only: filled)
            #expect(bytes.count == filled)
            #expect(bytes.withUnsafeBytes { $0.count == filled && $0.allSatisfy { $0 == 7 } })
        }
        #expect(PartBytes([1, 2, 3]).withUnsafeBytes { [UInt8]($0) } == [1, 2, 3])
    }

    @Test func memoryIsUsedAgainWhilePartsFollowEachOther() {
        let pool = PartPool()
        let first = fill(pool, 4 << 20, with: 1)
        var second: PartBytes? = fill(pool, 4 << 20, with: 2)
        let place = second.flatMap(address)
        second = nil
        #expect(pool.freeCount == 1)
        let third = fill(pool, 3 << 20, with: 3)
        #expect(address(third) == place)
        #expect(third.count == 3 << 20)
        #expect(first.withUnsafeBytes { $0.allSatisfy { $0 == 1 } })
        #expect(pool.freeCount == 0)
    }

    @Test func nothingIsKeptWhenNoPartIsInMemory() {
        let pool = PartPool()
        do {
            let parts = (0..<3).map { fill(pool, 2 << 20, with: $0) }
            #expect(parts.count == 3)
        }
        #expect(pool.freeCount == 0)
    }

    @Test func smallMemoryIsNotKept() {
        let pool = PartPool()
        let held = fill(pool, 2 << 20, with: 1)
        do { #expect(fill(pool, 1000, with: 2).count == 1000) }
        #expect(pool.freeCount == 0)
        #expect(held.count == 2 << 20)
    }

    @Test func whatFailsGivesItsMemoryBack() {
        let pool = PartPool()
        let held = fill(pool, 2 << 20, with: 1)
        #expect(throws: Broken.self) { try pool.bytes(atMost: 2 << 20) { _ in throw Broken() } }
        #expect(pool.freeCount == 1)
        #expect(held.count == 2 << 20)
    }
}
