import ContentHash
import EvidenceModel
import Foundation
import StationTesting
import Testing

private func md5(_ bytes: [UInt8]) -> String { Hexadecimal.encode(bytes.withUnsafeBytes { MD5Digest.of($0) }) }

@Suite("Digests")
struct DigestTests {
    /// NIST's examples for FIPS 180-4.
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
        (
            String(repeating: "a", count: 1_000_000),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
        ),
    ])
    func sha256IsNISTs(_ text: String, _ digest: String) {
        #expect(ContentDigest.sha256(of: Array(text.utf8)).hex == digest)
        #expect(Array(text.utf8).withUnsafeBytes { ContentDigest.sha256(of: $0) }.hex == digest)
        // A collection whose bytes do not lie in one piece.
        #expect(ContentDigest.sha256(of: text.utf8.lazy.map { $0 }).hex == digest)
    }

    @Test func agreesWithCoreutilsHoweverItIsFed() throws {
        var random = SeededRandom(seed: 6)
        let folder = try TemporaryDirectory()
        for length in [1, 55, 56, 63, 64, 65, 127, 128, 4096, 100_001] {
            let bytes = (0..<length).map { _ in UInt8.random(in: .min ... .max, using: &random) }
            let path = folder.path.appending("\(length)").display
            try Data(bytes).write(to: URL(fileURLWithPath: path))
            let hasher = SHA256Hasher()
            var rest = bytes[...]
            while !rest.isEmpty {
                let piece = rest.prefix(Int.random(in: 0...5000, using: &random))
                Array(piece).withUnsafeBytes { hasher.update($0) }
                rest = rest.dropFirst(piece.count)
            }
            #expect(hasher.finalize().hex == (try Tool.run("sha256sum", path)).prefix(64))
            #expect(md5(bytes) == (try Tool.run("md5sum", path)).prefix(32))
        }
    }

    @Test func aHasherStartsAnewAfterEachPart() {
        let hasher = SHA256Hasher()
        for text in ["abc", "", "abc", "x"] {
            Array(text.utf8).withUnsafeBytes { hasher.update($0) }
            #expect(hasher.finishAndReset() == .sha256(of: Array(text.utf8)))
        }
        #expect(hasher.finalize() == .sha256(of: [UInt8]()))
    }

    /// RFC 1321, appendix A.5.
    @Test(arguments: [
        ("", "d41d8cd98f00b204e9800998ecf8427e"), ("a", "0cc175b9c0f1b6a831c399e269772661"),
        ("abc", "900150983cd24fb0d6963f7d28e17f72"), ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
        ("abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"),
    ])
    func md5IsRivests(_ text: String, _ digest: String) {
        #expect(md5(Array(text.utf8)) == digest)
    }
}

@Suite("Message codes")
struct MessageCodeTests {
    struct Vector: Sendable {
        var key: [UInt8]
        var message: [UInt8]
        var code: String
    }

    /// RFC 4231, section 4; case 5 is a cut code.
    private static let vectors = [
        Vector(
            key: [UInt8](repeating: 0x0b, count: 20), message: Array("Hi There".utf8),
            code: "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        Vector(
            key: Array("Jefe".utf8), message: Array("what do ya want for nothing?".utf8),
            code: "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        Vector(
            key: [UInt8](repeating: 0xaa, count: 20), message: [UInt8](repeating: 0xdd, count: 50),
            code: "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
        Vector(
            key: (1...25).map { UInt8($0) }, message: [UInt8](repeating: 0xcd, count: 50),
            code: "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
        Vector(
            key: [UInt8](repeating: 0x0c, count: 20), message: Array("Test With Truncation".utf8),
            code: "a3b6167473100ee06e0c796c2955552b"),
        Vector(
            key: [UInt8](repeating: 0xaa, count: 131),
            message: Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8),
            code: "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"),
        Vector(
            key: [UInt8](repeating: 0xaa, count: 131),
            message: Array(
                ("This is a test using a larger than block-size key and a larger than block-size data. "
                    + "The key needs to be hashed before being used by the HMAC algorithm.").utf8),
            code: "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"),
        // The well-known code of nothing under no key.
        Vector(
            key: [], message: [], code: "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"),
    ]

    @Test(arguments: vectors)
    func areThoseOfTheRFC(_ vector: Vector) {
        let code = HMACSHA256.code(for: vector.message, key: vector.key)
        #expect(code.count == 32)
        #expect(Hexadecimal.encode(code).hasPrefix(vector.code))
        #expect(HMACSHA256.code(for: vector.message.lazy.map { $0 }, key: vector.key) == code)
    }
}
