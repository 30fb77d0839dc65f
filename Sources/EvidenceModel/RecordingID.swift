/// A recording's name for ever: a UUID, version 7 (RFC 9562, section 5.7), given when its file is first seen, so that
/// identifiers sort by the time they were given.
package struct RecordingID: Sendable, Hashable {
    /// Lowercase text, 8-4-4-4-12.
    package let text: String

    /// Nothing when `text` is no UUID.
    package init?(_ text: String) {
        let groups = text.split(separator: "-", omittingEmptySubsequences: false).map(\.utf8.count)
        guard groups == [8, 4, 4, 4, 12],
            // Digits of other scripts are hexadecimal digits to Unicode.
            text.allSatisfy({ $0 == "-" || ($0.isASCII && $0.isHexDigit) })
        else { return nil }
        self.text = text.lowercased()
    }

    /// Version 7 of `time` and 74 bits of `random`.
    package init(time: WallTime, random: (UInt64, UInt64)) {
        let milliseconds = UInt64(max(0, time.millisecondsSince1970)) & 0xFFFF_FFFF_FFFF
        let high = milliseconds << 16 | 0x7000 | random.0 & 0x0FFF
        let low = 0x8000_0000_0000_0000 | random.1 & 0x3FFF_FFFF_FFFF_FFFF
        text = UniversalID.text(high: high, low: low)
    }

    /// Version 7 of `time` and bits drawn from `generator`.
    package init(time: WallTime, using generator: inout some RandomNumberGenerator) {
        self.init(time: time, random: (generator.next(), generator.next()))
    }
}

/// UUIDs (RFC 9562) as 128 bits.
package enum UniversalID {
    /// Lowercase text, 8-4-4-4-12.
    package static func text(high: UInt64, low: UInt64) -> String {
        let bytes = [high, low].flatMap { word in
            stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: word >> UInt64($0)) }
        }
        let cuts = [0..<4, 4..<6, 6..<8, 8..<10, 10..<16]
        return cuts.map { Hexadecimal.encode(bytes[$0]) }.joined(separator: "-")
    }

    /// A version 4 UUID (section 5.4) of bits drawn from `generator`.
    package static func random(using generator: inout some RandomNumberGenerator) -> String {
        let high = generator.next() & 0xFFFF_FFFF_FFFF_0FFF | 0x4000
        let low = generator.next() & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
        return text(high: high, low: low)
    }
}

extension RecordingID: CustomStringConvertible {
    package var description: String { text }
}

extension RecordingID: Comparable {
    package static func < (left: RecordingID, right: RecordingID) -> Bool { left.text < right.text }
}

extension RecordingID: Codable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let id = try Self(container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a UUID")
        }
        self = id
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}
