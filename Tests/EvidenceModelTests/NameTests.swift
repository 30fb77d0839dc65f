import EvidenceModel
import StationTesting
import Testing

@Suite("Recording ids")
struct RecordingIDTests {
    @Test func isAVersionSevenUUID() throws {
        // RFC 9562, appendix A.6.
        let id = RecordingID(
            time: WallTime(millisecondsSince1970: 0x017F_22E2_79B0), random: (0xCC3, 0x18C4_DC0C_0C07_398F))
        #expect(id.text == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f")
        #expect(RecordingID("017F22E2-79B0-7CC3-98C4-DC0C0C07398F") == id)
    }

    @Test func versionAndVariantStandWhateverTheBits() {
        for bits in [UInt64.min, .max] {
            let text = RecordingID(time: WallTime(millisecondsSince1970: 1), random: (bits, bits)).text
            #expect(text.wholeMatch(of: /00000000-0001-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/) != nil, "\(text)")
        }
    }

    @Test func sortsByTime() {
        var random = SeededRandom(seed: 4)
        let times = (0..<500).map { _ in Int64.random(in: 0...(1 << 47), using: &random) }.sorted()
        let ids = times.map { RecordingID(time: WallTime(millisecondsSince1970: $0), using: &random) }
        #expect(ids == ids.sorted())
        #expect(Set(ids).count == ids.count)
    }

    @Test func aClockBefore1970GivesTheLowestTime() {
        let id = RecordingID(time: WallTime(millisecondsSince1970: -5), random: (0, 0))
        #expect(id.text == "00000000-0000-7000-8000-000000000000")
    }

    @Test(arguments: [
        "", "017f22e2", "017f22e279b07cc398c4dc0c0c07398f", "017f22e2-79b0-7cc3-98c4-dc0c0c07398",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398g", "017f22e2-79b0-7cc3-98c4-dc0c0c07398f-",
        "{017f22e2-79b0-7cc3-98c4-dc0c0c07398f}", "../../22e2-79b0-7cc3-98c4-dc0c0c07398f",
        // As many bytes as a UUID has, and digits to Unicode.
        "０１22-79b0-7cc3-98c4-dc0c0c07398f", "017f22e2-7９-7cc3-98c4-dc0c0c07398f",
    ])
    func refusesWhatIsNoUUID(_ text: String) {
        #expect(RecordingID(text) == nil)
    }

    @Test func randomUUIDsAreVersionFour() {
        var random = SeededRandom(seed: 5)
        for _ in 0..<100 {
            let text = UniversalID.random(using: &random)
            #expect(
                text.wholeMatch(of: /[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/) != nil)
        }
    }

    @Test func aCursorComesBackAsItWent() throws {
        let id = try #require(RecordingID("017f22e2-79b0-7cc3-98c4-dc0c0c07398f"))
        for time in [Int64.min, -1, 0, .max] {
            let cursor = RecordingQuery.Cursor(startedAtMilliseconds: time, id: id)
            #expect(RecordingQuery.Cursor(text: cursor.text) == cursor)
        }
        for text in ["", ".", "5", "5.", "x.\(id)", "5.\(id).1"] {
            #expect(RecordingQuery.Cursor(text: text) == nil, "\(text)")
        }
    }
}

@Suite("Hexadecimal")
struct HexadecimalTests {
    @Test func everyByteComesBack() {
        let bytes = (0...255).map { UInt8($0) }
        let text = Hexadecimal.encode(bytes)
        #expect(text.hasPrefix("000102") && text.hasSuffix("fdfeff"))
        #expect(Hexadecimal.decode(text) == bytes)
        #expect(Hexadecimal.decode(text.uppercased()) == bytes)
    }

    @Test(arguments: ["0", "0g", "g0", " 0", "０0", "/0", ":0", "@0", "`0"])
    func refusesOtherText(_ text: String) {
        #expect(Hexadecimal.decode(text) == nil)
    }

    @Test func aDigestHasThirtyTwoBytes() {
        #expect(ContentDigest(bytes: [UInt8](repeating: 1, count: 31)) == nil)
        #expect(ContentDigest(bytes: [UInt8](repeating: 1, count: 33)) == nil)
        #expect(ContentDigest(hex: String(repeating: "ab", count: 32))?.bytes == [UInt8](repeating: 0xab, count: 32))
    }
}

@Suite("Raw paths")
struct RawPathTests {
    @Test(arguments: [
        ("a/b/c", ["a", "b", "c"], "a/b", "c"), ("a", ["a"], "", "a"), ("/a", ["a"], "/", "a"), ("/", [], "/", ""),
        ("", [], "", ""), ("/a/b", ["a", "b"], "/a", "b"), ("a//b", ["a", "b"], "a/", "b"),
        ("./a/./b", ["a", "b"], "./a/.", "b"), ("a/b/", ["a", "b"], "a", "b"), ("/a/", ["a"], "/", "a"),
    ])
    func isCutAtSlashes(_ text: String, _ components: [String], _ parent: String, _ last: String) {
        let path = RawPath(text)
        #expect(path.components == components.map { RawPath($0) })
        #expect(path.parent.components == RawPath(parent).components, "\(path.parent)")
        #expect((path.parent.bytes.first == 47) == (path.bytes.first == 47))
        #expect(path.lastComponent == RawPath(last))
    }

    @Test func parentAndNameMakeThePathAgain() {
        for text in ["a/b/c", "a", "/a", "/a/b", "a/b/"] {
            let path = RawPath(text)
            #expect(path.parent.appending(path.lastComponent).components == path.components, "\(text)")
        }
    }

    @Test func appendingPutsOneSlash() {
        #expect(RawPath("a").appending("b") == RawPath("a/b"))
        #expect(RawPath("/").appending("b") == RawPath("/b"))
        #expect(RawPath("a/").appending("b") == RawPath("a/b"))
        #expect(RawPath("").appending("b") == RawPath("b"))
        #expect(RawPath("a").appending("") == RawPath("a"))
    }

    @Test func liesBelowNameByName() {
        #expect(RawPath("/media/a/b").isAtOrBelow(RawPath("/media/a")))
        #expect(RawPath("/media/a").isAtOrBelow(RawPath("/media/a/")))
        #expect(!RawPath("/media/ab").isAtOrBelow(RawPath("/media/a")))
        #expect(!RawPath("/media").isAtOrBelow(RawPath("/media/a")))
    }

    @Test func bytesThatAreNoTextStayBytes() {
        let path = RawPath(bytes: [0x61, 0xFF, 0x2F, 0xC3, 0x28])
        #expect(path.text == nil)
        #expect(path.display == "a\u{FFFD}/\u{FFFD}(")
        #expect(path.components.map(\.bytes) == [[0x61, 0xFF], [0xC3, 0x28]])
        let back = path.withCString { pointer in (0...5).map { UInt8(bitPattern: pointer[$0]) } }
        #expect(back == path.bytes + [0])
    }

    @Test func sortsByBytes() {
        #expect(RawPath("B") < RawPath("a"))
        #expect(RawPath("a") < RawPath("a/b"))
        #expect(RawPath(bytes: [0x7F]) < RawPath(bytes: [0x80]))
    }
}
