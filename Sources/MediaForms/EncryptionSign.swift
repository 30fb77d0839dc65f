/// Tells encrypted files by their first bytes. Most ciphertext has no sign: nothing here does not mean it is none.
package enum EncryptionSign {
    /// What the file is, for a sentence, "an OpenPGP message"; nothing where its bytes do not begin as a known form.
    package static func of(_ head: [UInt8]) -> String? {
        // openssl-enc(1).
        if head.holds("Salted__") { return "a file that openssl enc encrypted" }
        // C2SP age, "Header" and "ASCII armor".
        if head.holds("age-encryption.org/v") || head.holds("-----BEGIN AGE ENCRYPTED FILE-----") {
            return "a file that age encrypted"
        }
        // RFC 9580, 6.2.
        if head.holds("-----BEGIN PGP MESSAGE-----") || isPGPMessage(head) { return "an OpenPGP message" }
        // APPNOTE.TXT 6.3.10, 4.3.7 and 4.4.4: bit 0 of the flags.
        if head.holds("PK\u{3}\u{4}"), let flags = head.little(6, 2), flags & 1 != 0 {
            return "an encrypted ZIP archive"
        }
        // LUKS On-Disk Format Specification.
        if head.holds("LUKS"), head.big(4, 2) == 0xBABE { return "a LUKS volume" }
        return nil
    }

    /// Begins with a packet that holds a session key (RFC 9580, 4.2, 5.1, 5.3). One byte alone would match by chance,
    /// so that version, length and algorithm must be possible too.
    private static func isPGPMessage(_ head: [UInt8]) -> Bool {
        guard let (tag, length, start) = packet(head), let version = head.big(start, 1) else { return false }
        switch (tag, version) {
        case (1, 3):  // Key id of 8 bytes, then the algorithm.
            guard let algorithm = head.big(start + 9, 1) else { return false }
            return [1, 2, 16, 18, 25, 26].contains(algorithm) && (30..<1100).contains(length)
        case (3, 4):  // Cipher, then how the key is made of a passphrase.
            guard let cipher = head.big(start + 1, 1), let way = head.big(start + 2, 1) else { return false }
            return (1...13).contains(cipher) && [0, 1, 3, 4].contains(way) && (4..<64).contains(length)
        default:
            return false
        }
    }

    /// Tag, length of the body and where it begins.
    private static func packet(_ head: [UInt8]) -> (tag: UInt64, length: UInt64, start: Int)? {
        guard let first = head.big(0, 1), first & 0x80 != 0 else { return nil }
        if first & 0x40 == 0 {
            let width = [1, 2, 4][safe: Int(first & 3)]
            guard let width, let length = head.big(1, width) else { return nil }
            return (first >> 2 & 0xF, length, 1 + width)
        }
        guard let short = head.big(1, 1) else { return nil }
        if short < 192 { return (first & 0x3F, short, 2) }
        guard short < 224, let next = head.big(2, 1) else { return nil }
        return (first & 0x3F, (short - 192) << 8 + next + 192, 3)
    }
}

extension [Int] {
    fileprivate subscript(safe index: Int) -> Int? { indices.contains(index) ? self[index] : nil }
}
