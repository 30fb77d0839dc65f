import EvidenceModel
import Foundation
import Testing

@Suite("Object keys")
struct ObjectKeyTests {
    private let id = RecordingID(time: WallTime(millisecondsSince1970: 0), random: (0, 0))

    private func key(_ startedAt: WallTime?, device: String?, _ name: String, offset: Int = 28_800) -> String {
        ObjectKey.recording(
            station: "baoji-sports-01", startedAt: startedAt, offsetSeconds: offset, device: device, id: id,
            fileName: RawPath(name))
    }

    @Test func isWhatTheContractSays() throws {
        let started = try #require(WallTime(rfc3339: "2026-11-22T09:30:00+08:00"))
        #expect(
            key(started, device: "K0001", "K0001_061234_20261122093000.MP4")
                == "recordings/baoji-sports-01/2026/11/22/K0001/\(id)/K0001_061234_20261122093000.MP4")
    }

    @Test func theDateIsTheStations() throws {
        let evening = try #require(WallTime(rfc3339: "2026-12-31T20:00:00Z"))
        #expect(key(evening, device: "k", "a").hasPrefix("recordings/baoji-sports-01/2027/01/01/k/"))
        #expect(key(evening, device: "k", "a", offset: 0).hasPrefix("recordings/baoji-sports-01/2026/12/31/k/"))
    }

    @Test func theYearHasFourDigits() throws {
        let early = try #require(WallTime(rfc3339: "0099-01-02T00:00:00Z"))
        #expect(key(early, device: "k", "a", offset: 0).hasPrefix("recordings/baoji-sports-01/0099/01/02/k/"))
    }

    @Test func whatIsNotKnownIsUnknown() {
        #expect(key(nil, device: nil, "a") == "recordings/baoji-sports-01/unknown/unknown/unknown/unknown/\(id)/a")
        #expect(key(nil, device: "", "").hasSuffix("/unknown/\(id)/unknown"))
    }

    @Test func aSlashInADeviceIsNoFolder() {
        let parts = key(nil, device: "../a/b", "x").split(separator: "/")
        #expect(parts.count == 8)
        #expect(parts[5] == "..%2Fa%2Fb")
    }

    @Test(arguments: [
        ("a.mp4", "a.mp4"), ("执法记录 1.mp4", "执法记录%201.mp4"), ("ß+é&日.MP4", "ß%2Bé%26日.MP4"), (".", "%2E"),
        ("..", "%2E%2E"), ("...", "..."), ("100%.jpg", "100%25.jpg"), ("a\u{0}\n\u{7F}b", "a%00%0A%7Fb"),
        ("a~!*'()", "a%7E%21%2A%27%28%29"), ("😀.mp4", "%F0%9F%98%80.mp4"), ("ไฟล์", "ไฟล%E0%B9%8C"),
        ("\u{FEFF}a\u{200B}", "%EF%BB%BFa%E2%80%8B"), ("١٢", "%D9%A1%D9%A2"), ("_-.", "_-."),
    ])
    func keepsLettersAndEncodesTheRest(_ name: String, _ expected: String) {
        #expect(ObjectKey.component(RawPath(name)) == expected)
    }

    @Test func bytesThatAreNoTextAreEncodedOneByOne() {
        #expect(ObjectKey.component(RawPath(bytes: [0x61, 0xFF, 0xE6, 0x97])) == "a%FF%E6%97")
        // One bad byte anywhere, and no byte above 127 is taken for a letter.
        #expect(ObjectKey.component(RawPath(bytes: Array("日".utf8) + [0x80])) == "%E6%97%A5%80")
    }

    @Test func everyByteDecodesToTheName() {
        for byte in UInt8.min...UInt8.max {
            let component = ObjectKey.component(RawPath(bytes: [0x78, byte]))
            #expect(decoded(component) == [0x78, byte], "\(component)")
        }
    }

    @Test(arguments: [254, 255, 256, 300, 4096])
    func aLongNameKeepsItsBeginningAndItsEnding(_ length: Int) {
        let name = String(repeating: "x", count: length - 4) + ".mp4"
        let component = ObjectKey.component(RawPath(name))
        #expect(component.utf8.count == min(length, 255))
        #expect(component.hasSuffix(".mp4"))
        #expect((component == name) == (length <= 255))
    }

    @Test(arguments: ["日", "é", "😀", " ", "%"])
    func nothingIsCutInTwo(_ letter: String) {
        for shift in 0..<12 {
            let name = String(repeating: "a", count: shift) + String(repeating: letter, count: 255) + ".mp4"
            let component = ObjectKey.component(RawPath(name))
            #expect(component.utf8.count <= 255 && component.utf8.count > 220)
            let text = String(validating: decoded(component) ?? [], as: UTF8.self)
            #expect(text?.hasSuffix(letter + ".mp4") == true, "\(component)")
            let kept = text.map { Set($0) }
            #expect(kept?.isSubset(of: Set("a_.mp4" + letter)) == true)
        }
    }

    /// What a reader of the key gets back; nothing where an escape is broken.
    private func decoded(_ component: String) -> [UInt8]? {
        var bytes: [UInt8] = []
        var rest = Array(component.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard rest.count >= 2, let value = Hexadecimal.decode(String(decoding: rest.prefix(2), as: UTF8.self))
            else { return nil }
            rest.removeFirst(2)
            bytes += value
        }
        return bytes
    }
}
