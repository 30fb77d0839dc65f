import CFolding

/// CRC-64/NVME (NVM Express, "NVM Command Set Specification", 64b CRC; `CRC64NVME` of Amazon S3): reflected, polynomial
/// 0xad93d23594c93659, all ones before and after.
package enum CRC64NVME {
    /// The polynomial, lowest power first.
    private static let polynomial: UInt64 = 0x9a6c_9329_ac4b_c9b5

    /// Eight tables of 256 entries: table `k` is what a byte does to the sum with `k` bytes of zeros behind it.
    private static let tables: [UInt64] = {
        var tables = [UInt64](repeating: 0, count: 8 * 256)
        for value in 0..<256 {
            tables[value] = (0..<8).reduce(UInt64(value)) { sum, _ in sum >> 1 ^ (sum & 1 == 1 ? polynomial : 0) }
        }
        for index in 256..<tables.count {
            let before = tables[index - 256]
            tables[index] = before >> 8 ^ tables[Int(before & 0xFF)]
        }
        return tables
    }()

    /// The sum of `bytes`.
    package static func of(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        let folded = isFolding && bytes.count >= leastFoldedBytes ? bytes.count & ~63 : 0
        var sum = ~UInt64(0)
        if folded > 0 { sum = fold(UnsafeRawBufferPointer(rebasing: bytes[..<folded]), onto: sum) }
        return ~add(UnsafeRawBufferPointer(rebasing: bytes[folded...]), onto: sum)
    }

    /// The sum of `bytes`, without the processor's help.
    static func ofTables(_ bytes: UnsafeRawBufferPointer) -> UInt64 { ~add(bytes, onto: ~UInt64(0)) }

    private static let leastFoldedBytes = 256
    private static let isFolding = cfolding_is_supported()
    private static let far = [power(512 + 63), power(511)]
    private static let near = [power(128 + 63), power(127)]

    /// - Parameter bytes: a multiple of 64 of them, and not none.
    private static func fold(_ bytes: UnsafeRawBufferPointer, onto sum: UInt64) -> UInt64 {
        var rest = [UInt8](repeating: 0, count: 16)
        cfolding_fold(bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count, sum, far, near, &rest)
        return rest.withUnsafeBytes { add($0, onto: 0) }
    }

    private static func add(_ bytes: UnsafeRawBufferPointer, onto start: UInt64) -> UInt64 {
        tables.withUnsafeBufferPointer { tables in
            var sum = start
            var offset = 0
            // Eight bytes a step ("slicing by eight", Kounavis and Berry, 2005).
            while offset &+ 8 <= bytes.count {
                var left = sum ^ UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
                sum = 0
                var table = 7 * 256
                while table >= 0 {
                    sum ^= tables[table &+ Int(truncatingIfNeeded: left & 0xFF)]
                    left >>= 8
                    table &-= 256
                }
                offset &+= 8
            }
            while offset < bytes.count {
                sum = sum >> 8 ^ tables[Int(truncatingIfNeeded: (sum ^ UInt64(bytes[offset])) & 0xFF)]
                offset &+= 1
            }
            return sum
        }
    }

    /// The sum of bytes with the sum `first`, followed by `length` bytes with the sum `second`.
    package static func combined(_ first: UInt64, _ second: UInt64, length: Int64) -> UInt64 {
        precondition(length >= 0, "a length")
        // x to the power of 8 · length, by squaring; multiplied with the first sum that is the first bytes followed by zeros.
        var shift = one
        var square = one >> 8
        var left = UInt64(length)
        while left > 0 {
            if left & 1 == 1 { shift = product(of: shift, square) }
            square = product(of: square, square)
            left >>= 1
        }
        return product(of: first, shift) ^ second
    }

    /// The polynomial 1: the lowest power is the highest bit.
    private static let one = UInt64(1) << 63

    /// x to the power of `exponent`.
    private static func power(_ exponent: Int) -> UInt64 {
        (0..<exponent).reduce(one) { power, _ in power >> 1 ^ (power & 1 == 1 ? polynomial : 0) }
    }

    /// Of two polynomials over GF(2), modulo the CRC's.
    private static func product(of first: UInt64, _ second: UInt64) -> UInt64 {
        var sum: UInt64 = 0
        var shifted = second
        for bit in stride(from: 63, through: 0, by: -1) {
            if first >> UInt64(bit) & 1 == 1 { sum ^= shifted }
            shifted = shifted >> 1 ^ (shifted & 1 == 1 ? polynomial : 0)
        }
        return sum
    }
}
