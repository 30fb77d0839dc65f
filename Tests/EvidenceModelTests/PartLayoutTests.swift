import EvidenceModel
import StationTesting
import Testing

private let mebibyte: Int64 = 1 << 20
private let gibibyte: Int64 = 1 << 30

@Suite("Part layout")
struct PartLayoutTests {
    /// I2: in order, without a gap or an overlap, to the end.
    private func expectWhole(_ layout: PartLayout) {
        var end: Int64 = 0
        for number in 0..<layout.count {
            let span = layout.span(ofPart: number + 1)
            #expect(span.offset == end)
            #expect(span.length > 0)
            #expect(number + 1 == layout.count || span.length == layout.partSize)
            end = span.end
        }
        #expect(end == layout.size)
    }

    @Test(
        arguments: [
            0, 1, 8 * mebibyte - 1, 8 * mebibyte, 8 * mebibyte + 1, 16 * mebibyte, 78 * gibibyte - 1, 78 * gibibyte,
            78 * gibibyte + 1, 9500 * 8 * mebibyte, 9500 * 8 * mebibyte + 1, 9500 * 9 * mebibyte, 5 * 1024 * gibibyte,
            (5 << 40) - 1,
        ] as [Int64])
    func coversTheFileExactlyOnceWithinTheLimits(_ size: Int64) {
        let layout = PartLayout(fileOfSize: size)
        expectWhole(layout)
        #expect(layout.count <= 9500)
        #expect(layout.partSize >= 8 * mebibyte && layout.partSize <= 5 * gibibyte)
        #expect(layout.partSize.isMultiple(of: mebibyte), "a part ends where a block of the reader does")
        #expect((layout.count == 0) == (size == 0))
    }

    @Test func coversAnySize() {
        var random = SeededRandom(seed: 3)
        for _ in 0..<60 {
            let size = Int64.random(in: 0...(5 << 40), using: &random) >> Int64.random(in: 0...40, using: &random)
            expectWhole(PartLayout(fileOfSize: size))
            expectWhole(PartLayout(size: size % 100_000, partSize: Int64.random(in: 1...5000, using: &random)))
        }
    }

    @Test func partsAreNoLargerThanNeeded() {
        #expect(PartLayout(fileOfSize: 9500 * 8 * mebibyte).partSize == 8 * mebibyte)
        #expect(PartLayout(fileOfSize: 9500 * 8 * mebibyte + 1).partSize == 9 * mebibyte)
    }

    /// A damaged or hostile card can claim any size up to this one; the agent must survive hearing it.
    @Test func aSizeThatCannotBeIsStillCounted() {
        let layout = PartLayout(fileOfSize: .max)
        #expect(layout.count <= 9500)
        #expect(layout.span(ofPart: layout.count).end == .max)
    }
}
