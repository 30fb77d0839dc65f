import EvidenceModel
import MediaIndex
import StationTesting
import Testing

@Suite("Take rule")
struct TakeRuleTests {
    private static func id(_ number: Int) -> RecordingID {
        RecordingID(time: WallTime(millisecondsSince1970: 0), random: (0, UInt64(number)))
    }

    /// `start+length` in seconds, then what is not as usual: `k` take key, `p` part, `c` camera, `f` folder, `s` shape.
    private func member(_ number: Int, _ text: String) throws -> TakeRule.Member {
        let words = text.split(separator: " ").map(String.init)
        func value(_ key: Character) -> String? {
            words.dropFirst().first { $0.first == key }.map { String($0.dropFirst()) }
        }
        let times = words[0].split(separator: "+").map { Double(String($0)) }
        let start = times.first ?? nil
        return TakeRule.Member(
            id: Self.id(number), folder: value("f") ?? "f",
            marks: RecordingMarks(part: value("p").flatMap { Int($0) }, takeKey: value("k"), camera: value("c")),
            startedAt: start.map { WallTime(millisecondsSince1970: Int64($0 * 1000)) },
            length: times.count > 1 ? times[1] : nil, shape: value("s") ?? "x")
    }

    private func takes(_ lines: [String]) throws -> [[Int]] {
        let members = try lines.enumerated().map { try member($0.offset, $0.element) }
        var random = SeededRandom(seed: 5)
        let all = TakeRule.takes(members.shuffled(using: &random))
        return all.map { take in take.compactMap { member in members.firstIndex { $0.id == member.id } } }
            .sorted { $0[0] < $1[0] }
    }

    @Test(
        arguments: [
            (["0+10"], []),
            (["0+10", "10+10", "20.5+3"], [[0, 1, 2]]),
            (["0+10", "12+10", "20+5"], [[0, 1, 2]]),
            (["0+10", "12.1+10"], []),
            (["0+10", "7.9+10"], []),
            // Front and rear of one dash-cam.
            (["0+10 cF", "0+10 cR", "10+10 cF", "10+10 cR"], [[0, 2], [1, 3]]),
            (["0+10 sA", "10+10 sB"], []),
            // A length or a start that is not known joins nothing by time.
            (["0", "0+10", "10"], []), (["-+10", "10+10"], []),
            (["0+10", "10+-5", "0+0", "0+1e300"], []),
            // By the device's word: chapters whose times say nothing.
            (["0+10 k1 p1", "0+10 k1 p2", "0+10 k1 p3"], [[0, 1, 2]]),
            (["- k1 p1", "- k1 p2", "- k2 p3"], [[0, 1]]),
            (["0 k1 p1", "900 k1 p3"], []),
            (["0 k1 p1", "900 k1 p2 fG"], []),
            (["0 k1", "900 k1 p1", "1800 k1 p2"], [[0, 1, 2]]),
            // The counter began again.
            (["0+9 k1 p1", "5000+9 k1 p1", "5009+9 k1 p2"], [[1, 2]]),
            (["0+9 k1 p1", "9+9 k1 p2", "5000+9 k1 p1", "5009+9 k1 p2"], [[0, 1], [2, 3]]),
            // Two keys say that the device began anew, however close.
            (["0+10 k1 p1", "10+10 k2 p1"], []),
            // The nearer one follows.
            (["0+10", "10+5", "11+5"], [[0, 1]]),
            (["0+10", "0+11", "11+5"], [[1, 2]]),
        ] as [([String], [[Int]])])
    func whatIsOneTake(_ members: [String], _ expected: [[Int]]) throws {
        #expect(try takes(members) == expected)
    }

    @Test func placesHaveTheGapBefore() throws {
        let members = try ["0+10", "10.5+10", "20+10"].enumerated().map { try member($0.offset, $0.element) }
        let places = TakeRule.places(members)
        #expect(places.map(\.1.gapSeconds) == [nil, 0.5, -0.5])
        #expect(places.map(\.1.part) == [1, 2, 3] && places.allSatisfy { $0.1.id == members[0].id && $0.1.parts == 3 })
        let far = Take(id: Self.id(99), part: 7, parts: 0, gapSeconds: 1)
        let later = TakeRule.places(members, before: far)
        #expect(later.map(\.1.part) == [7, 8, 9] && later[0].1.gapSeconds == 1 && later[2].1.id == Self.id(99))
    }

    /// Whatever is on a card: every recording is in one take at most, and no take is a ring.
    @Test func everyRecordingHasOnePlace() throws {
        var random = SeededRandom(seed: 31)
        for _ in 0..<300 {
            let lines = (0..<Int.random(in: 0...40, using: &random)).map { _ in
                let start = Int.random(in: 0...30, using: &random)
                let key = Bool.random(using: &random) ? " k\(Int.random(in: 0...2, using: &random))" : ""
                let part = Bool.random(using: &random) ? " p\(Int.random(in: 0...4, using: &random))" : ""
                return "\(start)+\(Int.random(in: 0...5, using: &random))\(key)\(part)"
            }
            let found = try takes(lines).flatMap(\.self)
            #expect(Set(found).count == found.count, "\(lines)")
        }
    }
}
