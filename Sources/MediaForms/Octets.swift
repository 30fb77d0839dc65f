import EvidenceModel

/// Numbers and names in bytes that a stranger wrote: what does not lie in them whole is nothing, never a trap.
extension [UInt8] {
    /// Most significant byte first; `width` bytes, 8 at most.
    func big(_ index: Int, _ width: Int) -> UInt64? {
        guard index >= 0, index <= count, width <= count - index else { return nil }
        return self[index..<index + width].reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// Least significant byte first; `width` bytes, 8 at most.
    func little(_ index: Int, _ width: Int) -> UInt64? {
        guard index >= 0, index <= count, width <= count - index else { return nil }
        return self[index..<index + width].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// The bytes at `index` are the ASCII characters of `text`.
    func holds(_ text: StaticString, at index: Int = 0) -> Bool {
        let length = text.utf8CodeUnitCount
        guard index >= 0, index <= count, length <= count - index else { return false }
        return text.withUTF8Buffer { self[index..<index + length].elementsEqual($0) }
    }

    /// Four characters as the text of a type; what is not printable ASCII is "?". Nothing where there are fewer.
    func fourCharacters(_ index: Int) -> String? {
        guard index >= 0, index <= count, count - index >= 4 else { return nil }
        let shown = self[index..<index + 4].map { (0x20...0x7E).contains($0) ? $0 : UInt8(ascii: "?") }
        return String(decoding: shown, as: UTF8.self)
    }

    /// The four bytes at `index` are printable ASCII, or the "©" with which QuickTime's own types begin.
    func isType(_ index: Int) -> Bool {
        guard index >= 0, index <= count, count - index >= 4 else { return false }
        return self[index..<index + 4].allSatisfy { (0x20...0x7E).contains($0) || $0 == 0xA9 }
    }
}

extension Sequence where Element == UInt8 {
    var areZero: Bool { allSatisfy { $0 == 0 } }
}

extension ByteSource {
    /// `count` bytes from `offset`; fewer where the file ends, none at an offset that no file has.
    func bytes(at offset: Int64, _ count: Int64) -> [UInt8] {
        guard offset >= 0, count > 0, offset < size else { return [] }
        return bytes(ByteSpan(offset: offset, length: Swift.min(count, size - offset)))
    }

    /// What lies in the file of a span from `offset` on that promises `length` bytes.
    func span(_ offset: Int64, _ length: UInt64) -> ByteSpan {
        let start = Swift.min(Swift.max(offset, 0), size)
        return ByteSpan(offset: start, length: Int64(clamping: Swift.min(length, UInt64(size - start))))
    }
}

extension Int64 {
    /// The sum, or the largest number where there is none.
    func adding(clamped other: UInt64) -> Int64 {
        let (sum, overflow) = addingReportingOverflow(Int64(clamping: other))
        return overflow ? .max : sum
    }
}
