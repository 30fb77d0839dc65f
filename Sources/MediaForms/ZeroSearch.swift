package import EvidenceModel

/// Looks for zero bytes where a recording should be: a tail that was reserved and never written, clusters that were
/// lost.
///
/// Reading all of a file would tell for certain and costs too much. So 4 KiB are read here and there, and where all of
/// those are zero, the edges are looked for by halving. Between places that were read, other bytes may be hidden.
package enum ZeroSearch {
    private static let block: Int64 = 4 << 10
    private static let piece: Int64 = 64 << 10
    /// Within so many bytes of the end, every byte is read.
    private static let near: Int64 = 1 << 20
    private static let checks: Int64 = 64

    /// The zero bytes at the end of the file, where they are at least `least` bytes.
    ///
    /// The last MiB is read whole. If all of it is zero, steps that double look for a block that is not, halving for
    /// the edge, and 64 blocks spread over what was found must all be zero. Reads about 2 MiB.
    package static func tail(_ source: ByteSource, least: Int64) -> ByteSpan? {
        guard source.size > 0 else { return nil }
        var start = source.size
        let nearStart = max(0, source.size - near)
        while start > nearStart {
            let from = max(nearStart, start - piece)
            let zeros = trailingZeros(source, from..<start)
            start -= zeros
            if start > from { return span(start, source.size, least) }
        }
        if start > 0 { start = farStart(source, start) }
        return span(start, source.size, least)
    }

    /// Runs of zero bytes in `spans`, ascending, found by looking at `samples` blocks of 4 KiB spread evenly; each hit
    /// is widened to its edges within its span. Shorter runs than a block are not found.
    package static func holes(_ source: ByteSource, in spans: [ByteSpan], samples: Int) -> [ByteSpan] {
        let inside = spans.map { source.span($0.offset, UInt64($0.length)) }.filter { $0.length >= block }
        let total = inside.reduce(Int64(0)) { $0.adding(clamped: UInt64($1.length)) }
        guard samples > 0, total > 0 else { return [] }
        var holes: [ByteSpan] = []
        let step = max(block, total / Int64(samples))
        // Places are counted through all spans; `before` is what the earlier ones hold.
        var (before, place) = (Int64(0), (step - block) / 2)
        for span in inside {
            while place < before.adding(clamped: UInt64(span.length)) {
                let offset = min(span.offset + (place - before), span.end - block)
                place = place.adding(clamped: UInt64(step))
                if let last = holes.last, last.offset <= offset, offset < last.end { continue }
                guard isZero(source, offset) else { continue }
                holes.append(widened(source, offset, in: span))
            }
            before = before.adding(clamped: UInt64(span.length))
        }
        return merged(holes)
    }

    private static func span(_ start: Int64, _ end: Int64, _ least: Int64) -> ByteSpan? {
        start < end && end - start >= least ? ByteSpan(offset: start, length: end - start) : nil
    }

    /// The first byte of a zero run that goes on from `high`, which is not the file's first.
    private static func farStart(_ source: ByteSource, _ high: Int64) -> Int64 {
        var start = firstZero(source, below: high, notBelow: 0)
        // What the doubling steps jumped over.
        for _ in 0..<8 {
            let step = max(block, (high - start) / checks)
            let other = stride(from: high - block, through: start, by: -Int(step)).first { !isZero(source, $0) }
            guard let other else { break }
            start = edge(source, notZero: other, zero: min(high, other + step))
        }
        return start
    }

    private static func widened(_ source: ByteSource, _ offset: Int64, in span: ByteSpan) -> ByteSpan {
        let start = firstZero(source, below: offset, notBelow: span.offset)
        let end = lastZero(source, above: offset + block, notAbove: span.end)
        return ByteSpan(offset: start, length: end - start)
    }

    /// Steps that double downwards from `high`, from where all is zero, then halving.
    private static func firstZero(_ source: ByteSource, below high: Int64, notBelow low: Int64) -> Int64 {
        var (zero, step) = (high, block)
        while zero > low {
            let next = max(low, zero - step)
            guard isZero(source, next, min(block, zero - next)) else { return edge(source, notZero: next, zero: zero) }
            zero = next
            step = min(step * 2, 1 << 40)
        }
        return low
    }

    /// The same upwards; the byte behind the last zero.
    private static func lastZero(_ source: ByteSource, above low: Int64, notAbove high: Int64) -> Int64 {
        var (zero, step) = (low, block)
        while zero < high {
            let next = min(high, zero + step)
            let last = max(zero, next - block)
            guard isZero(source, last, next - last) else { return upperEdge(source, zero: zero, notZero: last) }
            zero = next
            step = min(step * 2, 1 << 40)
        }
        return high
    }

    /// Between a block that is not zero and a place from which on all is: the first byte of those.
    private static func edge(_ source: ByteSource, notZero: Int64, zero: Int64) -> Int64 {
        var (low, high) = (notZero, zero)
        while high - low > piece {
            let middle = low + (high - low) / 2
            if isZero(source, middle) { high = middle } else { low = middle }
        }
        return high - trailingZeros(source, low..<high)
    }

    /// Up to `zero` all is; the block at `notZero` is not.
    private static func upperEdge(_ source: ByteSource, zero: Int64, notZero: Int64) -> Int64 {
        var (low, high) = (zero, notZero)
        while high - low > piece {
            let middle = low + (high - low) / 2
            if isZero(source, middle) { low = middle } else { high = middle }
        }
        let bytes = source.bytes(at: low, high - low + block)
        return low + Int64(bytes.firstIndex { $0 != 0 } ?? 0)
    }

    /// All of `length` bytes are there, and zero.
    private static func isZero(_ source: ByteSource, _ offset: Int64, _ length: Int64 = block) -> Bool {
        let bytes = source.bytes(at: offset, length)
        return Int64(bytes.count) == length && bytes.areZero
    }

    /// How many bytes at the end of `range` are zero; 0 where not all of them can be read.
    private static func trailingZeros(_ source: ByteSource, _ range: Range<Int64>) -> Int64 {
        let length = range.upperBound - range.lowerBound
        let bytes = source.bytes(at: range.lowerBound, length)
        guard Int64(bytes.count) == length else { return 0 }
        return length - Int64((bytes.lastIndex { $0 != 0 } ?? -1) + 1)
    }

    private static func merged(_ holes: [ByteSpan]) -> [ByteSpan] {
        var result: [ByteSpan] = []
        for hole in holes.sorted(by: { $0.offset < $1.offset }) {
            guard let last = result.last, hole.offset <= last.end else {
                result.append(hole)
                continue
            }
            result[result.count - 1] = ByteSpan(offset: last.offset, length: max(last.end, hole.end) - last.offset)
        }
        return result
    }
}
