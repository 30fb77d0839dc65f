import EvidenceModel
import Foundation
import Testing

@testable import SyncEngine

/// What the link may be used for, and when.
@Suite("Bandwidth") struct BandwidthTests {
    private let office = BandwidthTimetable([
        .init(days: [1, 2, 3, 4, 5], fromMinute: 480, toMinute: 1080, limit: .bytesPerSecond(1000)),
        .init(days: [5], fromMinute: 1320, toMinute: 360, limit: .paused),
    ])

    /// The limit when clocks of `zone` show `text`.
    private func limit(_ text: String, _ zone: String, _ table: BandwidthTimetable) throws -> BandwidthLimit {
        let zone = try #require(TimeZone(identifier: zone))
        let formatter = ISO8601DateFormatter()
        let date = try #require(formatter.date(from: text))
        let time = WallTime(millisecondsSince1970: Int64(date.timeIntervalSince1970 * 1000))
        return table.limit(at: time, offsetSeconds: zone.secondsFromGMT(for: date))
    }

    @Test(arguments: [
        ("2026-11-25T07:59:59+08:00", BandwidthLimit.unlimited), ("2026-11-25T08:00:00+08:00", .bytesPerSecond(1000)),
        ("2026-11-25T17:59:59+08:00", .bytesPerSecond(1000)), ("2026-11-25T18:00:00+08:00", .unlimited),
        ("2026-11-28T12:00:00+08:00", .unlimited),
        // Friday's night goes on until Saturday's morning, and Thursday's has none.
        ("2026-11-27T21:59:59+08:00", .unlimited), ("2026-11-27T22:00:00+08:00", .paused),
        ("2026-11-28T05:59:59+08:00", .paused), ("2026-11-28T06:00:00+08:00", .unlimited),
        ("2026-11-27T05:00:00+08:00", .unlimited),
    ])
    func aDayInShanghai(_ time: String, _ expected: BandwidthLimit) throws {
        #expect(try limit(time, "Asia/Shanghai", office) == expected)
    }

    /// Clocks went from 2 to 3 on 2026-03-29, and from 3 back to 2 on 2026-10-25.
    @Test(arguments: [
        ("2026-03-29T00:59:59Z", BandwidthLimit.unlimited), ("2026-03-29T01:00:00Z", .bytesPerSecond(5)),
        ("2026-03-29T02:00:00Z", .unlimited),
        ("2026-10-25T00:30:00Z", .paused), ("2026-10-25T01:30:00Z", .paused),
        ("2026-10-25T02:00:00Z", .bytesPerSecond(5)),
        ("2026-10-26T01:30:00Z", .paused),
    ])
    func theDaysOnWhichBerlinChangesItsClocks(_ time: String, _ expected: BandwidthLimit) throws {
        let night = BandwidthTimetable([
            .init(fromMinute: 120, toMinute: 180, limit: .paused),
            .init(fromMinute: 180, toMinute: 240, limit: .bytesPerSecond(5)),
        ])
        #expect(try limit(time, "Europe/Berlin", night) == expected)
    }

    private let start = WallTime(millisecondsSince1970: 1_800_000_000_000)

    @Test func aBucketPaysOffWhatWasTooLargeForIt() {
        var bucket = TokenBucket()
        let limit = BandwidthLimit.bytesPerSecond(20_000)
        #expect(bucket.delaySeconds(limit, at: start) == 0)
        bucket.take(8 << 20, limit, at: start)
        #expect(abs(bucket.delaySeconds(limit, at: start) - 419.4304) < 1e-6)
        #expect(bucket.delaySeconds(limit, at: start.adding(seconds: 419)) > 0)
        #expect(bucket.delaySeconds(limit, at: start.adding(seconds: 420)) == 0)
        // Ten quiet minutes save up a second's worth and no more.
        bucket.take(40_000, limit, at: start.adding(seconds: 1020))
        #expect(abs(bucket.delaySeconds(limit, at: start.adding(seconds: 1020)) - 1) < 1e-6)
        #expect(bucket.delaySeconds(.paused, at: start.adding(seconds: 1020)) == .infinity)
        #expect(
            bucket.delaySeconds(limit, at: start.adding(seconds: -9)) > 0, "a clock that was set back fills nothing")
        #expect(bucket.delaySeconds(.unlimited, at: start.adding(seconds: 1020)) == 0)
        #expect(bucket.delaySeconds(limit, at: start.adding(seconds: 1020)) == 0, "no debt is left over from before")
    }

    private func claim(_ uploadClass: UploadClass = .normal, bytes: Int64 = 5000) -> RequestClaim {
        RequestClaim(share: "K1", uploadClass: uploadClass, bytes: bytes)
    }

    @Test func whatIgnoresTheLimitAndWhatCarriesNothingPass() {
        var link = LinkBuckets(
            all: BandwidthTimetable([.init(limit: .paused)]), each: [:], ignoring: [.important],
            offsetSeconds: { _ in 0 })
        let opening = link.opening(for: "a", at: start)
        #expect(!opening.lets(claim()) && opening.lets(claim(.important)) && opening.lets(claim(bytes: 0)))
        #expect(opening.delaySeconds == LinkBuckets.longestDelaySeconds)
        #expect(link.speed(claim(.important), target: "a", at: start) == nil)
    }

    @Test func targetsThatShareALimitTakeTurns() {
        var link = LinkBuckets(
            all: BandwidthTimetable([.init(limit: .bytesPerSecond(1000))]),
            each: ["c": BandwidthTimetable([.init(limit: .bytesPerSecond(10))])], ignoring: [],
            offsetSeconds: { _ in 0 })
        var time = start
        var taken: [String: Int] = [:]
        for _ in 0..<30 {
            let delays = ["a", "b", "c"].map { ($0, link.opening(for: $0, at: time).delaySeconds) }
            guard let next = delays.min(by: { $0.1 < $1.1 }) else { return }
            time = time.adding(seconds: next.1)
            guard link.opening(for: next.0, at: time).delaySeconds == 0 else { continue }
            link.take(claim(), target: next.0, at: time)
            taken[next.0, default: 0] += 1
        }
        #expect(abs(taken["a", default: 0] - taken["b", default: 0]) <= 1 && taken["c"] == 1, "\(taken)")
        #expect(link.speed(claim(), target: "c", at: time) == 10 && link.speed(claim(), target: "a", at: time) == 1000)
    }
}
