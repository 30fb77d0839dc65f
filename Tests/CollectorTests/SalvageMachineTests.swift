import Collector
import EvidenceModel
import StationTesting
import Testing

private let mebibyte: Int64 = 1 << 20

@Suite("Salvage machine")
struct SalvageMachineTests {
    /// Reads of `bad` bytes fail; all reads in their order.
    private func run(_ machine: inout SalvageMachine, bad: [ByteSpan], tries: Int = .max) -> [ByteSpan] {
        var reads: [ByteSpan] = []
        var left = bad.map { _ in tries }
        while let span = machine.next {
            reads.append(span)
            let touched = bad.indices.filter { bad[$0].offset < span.end && span.offset < bad[$0].end && left[$0] > 0 }
            for index in touched { left[index] -= 1 }
            if touched.isEmpty { machine.pieceRead() } else { machine.pieceFailed() }
            if reads.count.isMultiple(of: 16) { #expect(machine.check() == []) }
        }
        return reads
    }

    @Test func aWholeFileIsReadInBlocks() {
        var machine = SalvageMachine(bytes: 2 * mebibyte + 5)
        let reads = run(&machine, bad: [])
        #expect(reads == [0, 1, 2].map { ByteSpan(offset: $0 * mebibyte, length: $0 == 2 ? 5 : mebibyte) })
        #expect(machine.unreadable == [] && machine.readBytes == 2 * mebibyte + 5)
    }

    @Test func anEmptyFileIsNotRead() {
        #expect(SalvageMachine(bytes: 0).next == nil)
    }

    @Test func goodBlocksComeFirstAndThenSmallerPieces() {
        var machine = SalvageMachine(bytes: 2 * mebibyte)
        let reads = run(&machine, bad: [ByteSpan(offset: 5000, length: 1)])
        #expect(reads.prefix(2).map(\.length) == [mebibyte, mebibyte])
        #expect(reads.dropFirst(2).first == ByteSpan(offset: 0, length: 64 << 10))
        let page = ByteSpan(offset: 4096, length: 4096)
        #expect(reads.filter { $0 == page }.count == 2, "what fails in the smallest piece is tried once more")
        #expect(reads.count == 2 + 16 + 16 + 1)
        #expect(machine.unreadable == [page])
        #expect(machine.readBytes == 2 * mebibyte - 4096)
    }

    @Test func aFailureThatDoesNotComeBackCostsNothing() {
        for tries in 1...3 {
            var machine = SalvageMachine(bytes: mebibyte)
            _ = run(&machine, bad: [ByteSpan(offset: 70_000, length: 1)], tries: tries)
            #expect(machine.unreadable == [], "\(tries)")
        }
        var machine = SalvageMachine(bytes: mebibyte)
        _ = run(&machine, bad: [ByteSpan(offset: 70_000, length: 1)], tries: 4)
        #expect(machine.unreadable == [ByteSpan(offset: 69_632, length: 4096)])
    }

    @Test func anUnevenEndIsAPieceOfItsOwn() {
        var machine = SalvageMachine(bytes: mebibyte + 4097)
        _ = run(&machine, bad: [ByteSpan(offset: mebibyte + 4096, length: 1)])
        #expect(machine.unreadable == [ByteSpan(offset: mebibyte + 4096, length: 1)])
    }

    @Test func afterTooManyFailuresTheRestIsGivenUp() {
        var machine = SalvageMachine(bytes: 4 * mebibyte, mostFailures: 4)
        let reads = run(
            &machine, bad: [ByteSpan(offset: 0, length: mebibyte), ByteSpan(offset: 3 * mebibyte, length: 1)])
        #expect(reads.count == 6)
        #expect(
            machine.unreadable == [
                ByteSpan(offset: 0, length: mebibyte), ByteSpan(offset: 3 * mebibyte, length: mebibyte),
            ])
        var dead = SalvageMachine(bytes: 1 << 40, mostFailures: 3)
        #expect(run(&dead, bad: [ByteSpan(offset: 0, length: 1 << 40)]).count < 1100)
        #expect(dead.unreadable == [ByteSpan(offset: 0, length: 1 << 40)])
    }

    @Test func whatIsGoodBehindManyFailuresIsFound() {
        let gibibyte: Int64 = 1 << 30
        for (size, good) in [
            (30 * gibibyte, ByteSpan(offset: gibibyte, length: 29 * gibibyte)),
            (30 * gibibyte, ByteSpan(offset: 17 * gibibyte + 5 * mebibyte, length: 40 * mebibyte)),
            (8 * gibibyte, ByteSpan(offset: 3 * gibibyte + 77, length: 16 * mebibyte)),
            (8 * gibibyte, ByteSpan(offset: 8 * gibibyte - 3 * mebibyte, length: 3 * mebibyte)),
        ] {
            var machine = SalvageMachine(bytes: size)
            let bad = [
                ByteSpan(offset: 0, length: good.offset), ByteSpan(offset: good.end, length: size - good.end),
            ]
            let reads = run(&machine, bad: bad.filter { $0.length > 0 })
            #expect(machine.readBytes >= good.length - 2 * mebibyte, "\(good)")
            let failed = reads.filter { span in bad.contains { $0.offset < span.end && span.offset < $0.end } }
            #expect(failed.count < 3600, "\(good)")
        }
    }

    @Test func aFewFailuresInARowAreJumpedOverAndComeLater() {
        var machine = SalvageMachine(bytes: 40 * mebibyte)
        let reads = run(&machine, bad: [ByteSpan(offset: 0, length: 5 * mebibyte)])
        // 0 and 1 fail, 2 is jumped over, 3 fails, 4 and 5 are jumped over; then backwards from 6, then what is left.
        #expect(
            reads.prefix(40).map { $0.offset / mebibyte } == [0, 1, 3] + Array(6..<40) + [5, 4, 2])
        #expect(machine.unreadable == [ByteSpan(offset: 0, length: 5 * mebibyte)])
    }

    /// Every other block: none is left out, but as many fail as may.
    @Test func aFileThatFailsHereAndThereEnds() {
        var machine = SalvageMachine(bytes: 1 << 33)
        var failures = 0
        while let span = machine.next {
            if (span.offset / mebibyte).isMultiple(of: 2) {
                failures += 1
                machine.pieceFailed()
            } else {
                machine.pieceRead()
            }
        }
        #expect(failures < 3600)
        #expect(machine.readBytes >= 1024 * mebibyte)
        #expect(machine.check() == [])
    }

    @Test(arguments: 0..<50) func longRunsOfGoodBytesAreAlwaysFound(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let size = Int64.random(in: mebibyte...(300 * mebibyte), using: &random)
        var (bad, good, offset): ([ByteSpan], [ByteSpan], Int64) = ([], [], 0)
        while offset < size {
            let length = min(Int64.random(in: 1...(40 * mebibyte), using: &random), size - offset)
            let span = ByteSpan(offset: offset, length: length)
            if Bool.random(using: &random) { bad.append(span) } else { good.append(span) }
            offset = span.end
        }
        var machine = SalvageMachine(bytes: size, mostFailures: Int.random(in: 0...50, using: &random))
        _ = run(&machine, bad: bad)
        let lost = machine.unreadable
        for span in ByteSpan.joined(good, most: .max) where span.length >= 16 * mebibyte {
            // All of it, but for the blocks at its ends, which are bad in part.
            let inside = ByteSpan(offset: span.offset + mebibyte, length: span.length - 2 * mebibyte)
            #expect(!lost.contains { $0.offset < inside.end && inside.offset < $0.end }, "\(span)")
        }
        #expect(machine.readBytes + lost.reduce(0) { $0 + $1.length } == size)
    }

    @Test(arguments: 0..<50) func everyByteIsReadOrGivenUp(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let size = Int64.random(in: 1...(5 * mebibyte), using: &random)
        let bad = (0..<Int.random(in: 0...6, using: &random)).map { _ in
            ByteSpan(
                offset: Int64.random(in: 0..<size, using: &random),
                length: Int64.random(in: 1...200_000, using: &random))
        }
        var machine = SalvageMachine(bytes: size, mostFailures: Int.random(in: 1...300, using: &random))
        _ = run(&machine, bad: bad, tries: Int.random(in: 1...6, using: &random))
        #expect(machine.readBytes + machine.unreadable.reduce(0) { $0 + $1.length } == size)
        var patient = SalvageMachine(bytes: size, mostFailures: .max)
        _ = run(&patient, bad: bad)
        let pages = bad.map { span in
            let start = span.offset / 4096 * 4096
            return ByteSpan(offset: start, length: min(size, (span.end + 4095) / 4096 * 4096) - start)
        }
        #expect(patient.unreadable == ByteSpan.joined(pages, most: .max))
    }
}
