import EvidenceModel
import MediaForms
import StationTesting
import Testing

/// A file of bytes that are not zero but for the spans given; counts what is read of it.
private final class Field {
    let size: Int64
    let zeros: [ByteSpan]
    var bytesRead: Int64 = 0

    init(_ size: Int64, zeros: [ByteSpan]) { (self.size, self.zeros) = (size, zeros) }

    var source: ByteSource {
        ByteSource(size: size) { [self] span in
            bytesRead += span.length
            var bytes = [UInt8](repeating: 1, count: Int(span.length))
            for zero in zeros {
                let start = max(zero.offset, span.offset), end = min(zero.end, span.end)
                guard start < end else { continue }
                let range = Int(start - span.offset)..<Int(end - span.offset)
                bytes.replaceSubrange(range, with: repeatElement(0, count: range.count))
            }
            return bytes
        }
    }
}

@Suite struct ZeroSearchTests {
    private static let mebibyte: Int64 = 1 << 20

    @Test(arguments: [0, 1, 4095, 4096, 65_536, 65_537, 1 << 20, (1 << 20) + 1, 77_777_777, 3_999_999_999] as [Int64])
    func tailIsExact(_ length: Int64) {
        let size: Int64 = 4_000_000_000
        let field = Field(size, zeros: [ByteSpan(offset: size - length, length: length)])
        let found = ZeroSearch.tail(field.source, least: 1)
        #expect(found == (length == 0 ? nil : ByteSpan(offset: size - length, length: length)))
        #expect(field.bytesRead < 3 * Self.mebibyte)
        #expect(ZeroSearch.tail(field.source, least: length + 1) == nil)
    }

    @Test func smallFiles() {
        #expect(ZeroSearch.tail(ByteSource([]), least: 0) == nil)
        #expect(ZeroSearch.tail(ByteSource([0, 0]), least: 1) == ByteSpan(offset: 0, length: 2))
        #expect(ZeroSearch.tail(ByteSource([0, 7, 0, 0]), least: 1) == ByteSpan(offset: 2, length: 2))
        let zeros = Field(5 * Self.mebibyte, zeros: [ByteSpan(offset: 0, length: 5 * Self.mebibyte)])
        #expect(ZeroSearch.tail(zeros.source, least: 1) == ByteSpan(offset: 0, length: zeros.size))
    }

    /// Doubling steps jump over what is no zero in the middle; the blocks spread over the run see it.
    @Test func tailWithAnIsland() {
        let size = 1000 * Self.mebibyte
        let island = ByteSpan(offset: 500 * Self.mebibyte, length: 40 * Self.mebibyte)
        let field = Field(
            size,
            zeros: [
                ByteSpan(offset: 0, length: island.offset),
                ByteSpan(offset: island.end, length: size - island.end),
            ])
        #expect(ZeroSearch.tail(field.source, least: 1) == ByteSpan(offset: island.end, length: size - island.end))
    }

    @Test func holesAreFoundAndExact() {
        let holes = [
            ByteSpan(offset: 10_000_001, length: 3_000_000), ByteSpan(offset: 500_000_123, length: 9_000_777),
            ByteSpan(offset: 990_000_000, length: 10_000_000),
        ]
        let field = Field(1_000_000_000, zeros: holes)
        let all = ByteSpan(offset: 0, length: field.size)
        #expect(ZeroSearch.holes(field.source, in: [all], samples: 512) == holes)
        #expect(field.bytesRead < 512 * 4096 + 8 * Self.mebibyte)
        // Few samples see less, and what lies outside the spans is not looked at.
        #expect(ZeroSearch.holes(field.source, in: [all], samples: 4).count < 3)
        #expect(ZeroSearch.holes(field.source, in: [ByteSpan(offset: 20_000_000, length: 100)], samples: 9).isEmpty)
        let inside = ByteSpan(offset: 11_000_000, length: 1_000_000)
        #expect(ZeroSearch.holes(field.source, in: [inside], samples: 3) == [inside])
    }

    @Test func spansThatNoFileHas() {
        let source = ByteSource([UInt8](repeating: 0, count: 10_000))
        let spans = [
            ByteSpan(offset: .max, length: 0), ByteSpan(offset: 0, length: .max), ByteSpan(offset: 4, length: 9),
        ]
        #expect(ZeroSearch.holes(source, in: spans, samples: 5) == [ByteSpan(offset: 0, length: 10_000)])
        #expect(ZeroSearch.holes(source, in: spans, samples: 0).isEmpty)
        #expect(ZeroSearch.holes(source, in: spans, samples: -1).isEmpty)
        // A file that cannot be read is not zero.
        let unreadable = ByteSource(size: 100_000_000) { _ in [] }
        #expect(ZeroSearch.tail(unreadable, least: 1) == nil)
        #expect(ZeroSearch.holes(unreadable, in: spans, samples: 9).isEmpty)
    }
}

@Suite struct EncryptionSignTests {
    @Test(
        arguments: [
            (ascii("Salted__12345678"), "a file that openssl enc encrypted"),
            (ascii("age-encryption.org/v1\n"), "a file that age encrypted"),
            (ascii("-----BEGIN AGE ENCRYPTED FILE-----\n"), "a file that age encrypted"),
            (ascii("-----BEGIN PGP MESSAGE-----\n"), "an OpenPGP message"),
            ([0x85, 0x01, 0x0C, 3, 1, 2, 3, 4, 5, 6, 7, 8, 1, 0], "an OpenPGP message"),
            ([0x8C, 0x0D, 4, 9, 3, 8], "an OpenPGP message"), ([0xC3, 0x0D, 4, 9, 3, 8], "an OpenPGP message"),
            ([0x50, 0x4B, 3, 4, 20, 0, 9, 0], "an encrypted ZIP archive"),
            (ascii("LUKS") + [0xBA, 0xBE], "a LUKS volume"),
        ] as [([UInt8], String)])
    func known(_ head: [UInt8], _ name: String) {
        #expect(EncryptionSign.of(head) == name)
        #expect(EncryptionSign.of(Array(head.prefix(3))) == nil)
    }

    @Test(
        arguments: [
            [], [0x50, 0x4B, 3, 4, 20, 0, 8, 0], ascii("ftypisom"), [0xFF, 0xD8, 0xFF], [0x85],
            [0x8C, 0x0D, 9, 9, 3, 8],
            [0x85, 0xFF, 0xFF, 3, 1, 2, 3, 4, 5, 6, 7, 8, 1], [0x87, 1, 2], [0xC3, 0xFF, 0, 0],
        ] as [[UInt8]])
    func others(_ head: [UInt8]) {
        #expect(EncryptionSign.of(head) == nil)
    }

    @Test(.enabled(if: Tool.path(of: "openssl") != nil, "needs openssl"))
    func openssl() throws {
        let folder = try TemporaryDirectory()
        let (plain, secret) = (try folder.file("a"), folder.path.appending("b"))
        try Tool.run(
            "openssl", "enc", "-aes-256-cbc", "-pbkdf2", "-k", "x", "-in", plain.display, "-out", secret.display)
        #expect(EncryptionSign.of(try Clip.bytes(of: secret)) == "a file that openssl enc encrypted")
        #expect(EncryptionSign.of(try Clip.bytes(of: plain)) == nil)
    }
}
