/// A SHA-256 digest (FIPS 180-4), 32 bytes: what tells the same content from different content.
package struct ContentDigest: Sendable, Hashable {
    package static let byteCount = 32

    /// The digest, always 32 bytes.
    package let bytes: [UInt8]

    /// Nothing when `bytes` are not 32.
    package init?(bytes: some Sequence<UInt8>) {
        let copy = [UInt8](bytes)
        guard copy.count == Self.byteCount else { return nil }
        self.bytes = copy
    }

    /// Nothing when `hex` is not 64 hexadecimal digits.
    package init?(hex: some StringProtocol) {
        guard let bytes = Hexadecimal.decode(hex) else { return nil }
        self.init(bytes: bytes)
    }

    /// 64 lowercase hexadecimal digits.
    package var hex: String { Hexadecimal.encode(bytes) }
}

extension ContentDigest {
    /// The bytes of all, one digest behind the other: how tables hold the digests of parts.
    package static func joined(_ digests: [ContentDigest]) -> [UInt8] { digests.flatMap(\.bytes) }

    /// The digests that `joined` wrote; nothing when the bytes are no whole number of them.
    package static func list(joined: some Sequence<UInt8>) -> [ContentDigest]? {
        let bytes = [UInt8](joined)
        guard bytes.count.isMultiple(of: byteCount) else { return nil }
        return stride(from: 0, to: bytes.count, by: byteCount).compactMap {
            ContentDigest(bytes: bytes[$0..<$0 + byteCount])
        }
    }
}

extension ContentDigest: CustomStringConvertible {
    package var description: String { hex }
}

extension ContentDigest: Codable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let digest = try Self(hex: container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not 64 hexadecimal digits")
        }
        self = digest
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(hex)
    }
}

/// Bytes as lowercase hexadecimal text (RFC 4648, section 8, in lower case).
package enum Hexadecimal {
    package static func encode(_ bytes: some Sequence<UInt8>) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        for byte in bytes {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Nothing when the text has an odd length or a character that is no hexadecimal digit.
    package static func decode(_ text: some StringProtocol) -> [UInt8]? {
        let digits = Array(text.utf8)
        guard digits.count.isMultiple(of: 2) else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(digits.count / 2)
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let high = value(digits[index]), let low = value(digits[index + 1]) else { return nil }
            bytes.append(high << 4 | low)
        }
        return bytes
    }

    private static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
