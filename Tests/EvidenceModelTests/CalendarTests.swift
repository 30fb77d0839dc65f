import EvidenceModel
import Foundation
import StationTesting
import Testing

/// Foundation's calendar is the other opinion: it shares no code with `CalendarTime`.
private struct Oracle {
    private let calendar: Calendar

    init(offsetSeconds: Int) throws {
        // ISO 8601 is the proleptic Gregorian calendar; `.gregorian` turns Julian before 1582.
        var calendar = Calendar(identifier: .iso8601)
        calendar.timeZone = try #require(TimeZone(secondsFromGMT: offsetSeconds))
        self.calendar = calendar
    }

    func fields(_ milliseconds: Int64) -> [Int] {
        let date = Date(timeIntervalSince1970: Double(milliseconds) / 1000)
        let parts = calendar.dateComponents([.year, .month, .day, .hour, .minute, .second], from: date)
        return [parts.year, parts.month, parts.day, parts.hour, parts.minute, parts.second].map { $0 ?? -1 }
    }

    func milliseconds(_ fields: [Int]) -> Int64? {
        let parts = DateComponents(
            year: fields[0], month: fields[1], day: fields[2], hour: fields[3], minute: fields[4], second: fields[5])
        return calendar.date(from: parts).map { Int64($0.timeIntervalSince1970 * 1000) }
    }
}

private func fields(_ time: CalendarTime) -> [Int] {
    [time.year, time.month, time.day, time.hour, time.minute, time.second]
}

@Suite("Calendar")
struct CalendarTests {
    @Test func readsEveryMomentAsFoundationDoes() throws {
        var random = SeededRandom(seed: 1)
        for offset in [0, 28_800, -18_000, 20_700, 3600, 1] {
            let oracle = try Oracle(offsetSeconds: offset)
            for _ in 0..<2000 {
                // From the year 1601 to 2429.
                let moment = Int64.random(in: -11_644_473_600_000...14_500_000_000_000, using: &random)
                let time = CalendarTime(WallTime(millisecondsSince1970: moment), offsetSeconds: offset)
                #expect(fields(time) == oracle.fields(moment), "\(moment) at \(offset)")
                let whole = Int64((Double(moment) / 1000).rounded(.down)) * 1000
                #expect(time.wallTime(offsetSeconds: offset).millisecondsSince1970 == whole)
            }
        }
    }

    @Test func everyDayOfFourCenturiesFollowsTheOneBefore() {
        var expected = Int64(-135_140) * 86_400_000  // 1600-01-01
        for year in 1600..<2000 {
            for month in 1...12 {
                for day in 1...31 {
                    guard
                        let time = CalendarTime(year: year, month: month, day: day, hour: 0, minute: 0, second: 0)
                    else { continue }
                    let moment = time.wallTime(offsetSeconds: 0)
                    #expect(moment.millisecondsSince1970 == expected)
                    #expect(CalendarTime(moment, offsetSeconds: 0) == time)
                    expected += 86_400_000
                }
            }
        }
        #expect(expected == Int64(10_957) * 86_400_000)
    }

    @Test(arguments: [
        ([2024, 2, 29, 0, 0, 0], true), ([2023, 2, 29, 0, 0, 0], false), ([2000, 2, 29, 0, 0, 0], true),
        ([1900, 2, 29, 0, 0, 0], false), ([2100, 2, 29, 0, 0, 0], false), ([2026, 4, 31, 0, 0, 0], false),
        ([2026, 4, 30, 23, 59, 59], true), ([2026, 13, 1, 0, 0, 0], false), ([2026, 0, 1, 0, 0, 0], false),
        ([2026, 1, 0, 0, 0, 0], false), ([2026, 1, 32, 0, 0, 0], false), ([2026, 1, 1, 24, 0, 0], false),
        ([2026, 1, 1, 0, 60, 0], false), ([2026, 1, 1, 0, 0, 60], false), ([2026, 1, 1, -1, 0, 0], false),
        ([0, 1, 1, 0, 0, 0], false), ([1, 1, 1, 0, 0, 0], true), ([9999, 12, 31, 23, 59, 59], true),
        ([10_000, 1, 1, 0, 0, 0], false),
    ])
    func namesOnlyMomentsThereAre(_ numbers: [Int], _ exists: Bool) throws {
        let time = CalendarTime(
            year: numbers[0], month: numbers[1], day: numbers[2], hour: numbers[3], minute: numbers[4],
            second: numbers[5])
        #expect((time != nil) == exists)
        // Foundation has another calendar before 1582.
        if let time, time.year > 1582 {
            let expected = try Oracle(offsetSeconds: 0).milliseconds(numbers)
            #expect(time.wallTime(offsetSeconds: 0).millisecondsSince1970 == expected)
        }
    }

    @Test func theMillisecondBeforeMidnightIsTheDayBefore() {
        let time = CalendarTime(WallTime(millisecondsSince1970: -1), offsetSeconds: 0)
        #expect(fields(time) == [1969, 12, 31, 23, 59, 59])
    }

    @Test func secondsBetweenMomentsHaveASign() {
        let (early, late) = (WallTime(millisecondsSince1970: -500), WallTime(millisecondsSince1970: 1000))
        #expect(late.seconds(since: early) == 1.5)
        #expect(early.seconds(since: late) == -1.5)
        #expect(early.adding(seconds: 1.5) == late)
        #expect(early < late)
    }

    @Test func aFilesTimeIsRoundedDownBefore1970Too() {
        func modified(_ nanoseconds: Int64) -> Int64 {
            FileStamp(device: 1, inode: 1, size: 1, modifiedNanoseconds: nanoseconds, changedNanoseconds: 0)
                .modifiedAt.millisecondsSince1970
        }
        #expect(modified(1_999_999) == 1)
        #expect(modified(-1) == -1)
        #expect(modified(-1_000_000) == -1)
    }
}

@Suite("RFC 3339")
struct RFC3339Tests {
    @Test func writesWhatFoundationReads() throws {
        var random = SeededRandom(seed: 2)
        for _ in 0..<3000 {
            let milliseconds = Int64.random(in: -2_000_000_000_000...4_000_000_000_000, using: &random)
            let offset = Int.random(in: -14 * 4...14 * 4, using: &random) * 900
            let text = WallTime(millisecondsSince1970: milliseconds).rfc3339(offsetSeconds: offset)
            let style = Date.ISO8601FormatStyle(includingFractionalSeconds: text.contains("."))
            let foundation = (try style.parse(text).timeIntervalSince1970 * 1000).rounded()
            #expect(Int64(foundation) == milliseconds, "\(text)")
            #expect(WallTime(rfc3339: text)?.millisecondsSince1970 == milliseconds, "\(text)")
        }
    }

    @Test(arguments: [
        ("1970-01-01T00:00:00Z", 0), ("1970-01-01t00:00:00z", 0), ("1970-01-01 00:00:00.5Z", 500),
        ("1970-01-01T08:00:00+08:00", 0), ("1969-12-31T19:30:00-04:30", 0), ("1970-01-01", 0),
        ("1970-01-01T00:00:00.0019Z", 1), ("1970-01-01T00:00:00.999999999Z", 999),
        ("1969-12-31T23:59:59.999Z", -1), ("2000-02-29T12:00:00Z", 951_825_600_000),
    ])
    func readsTheForms(_ text: String, _ milliseconds: Int64) {
        #expect(WallTime(rfc3339: text)?.millisecondsSince1970 == milliseconds)
    }

    @Test func everyMillisecondSurvives() {
        for millisecond in 0..<1000 {
            let time = WallTime(millisecondsSince1970: Int64(millisecond))
            #expect(WallTime(rfc3339: time.rfc3339()) == time)
        }
    }

    @Test func anAbsentOffsetIsTheAssumedOne() {
        let local = WallTime(rfc3339: "2026-11-22T09:30:00", assumedOffsetSeconds: 28_800)
        #expect(local == WallTime(rfc3339: "2026-11-22T09:30:00+08:00"))
        #expect(WallTime(rfc3339: "2026-11-22T01:30:00Z", assumedOffsetSeconds: 28_800) == local)
    }

    @Test(arguments: [
        "", "2026", "2026-11", "2026-11-22T", "2026-11-22T09:30", "2026-11-22T09:30:00+08", "2026-11-22T09:30:00+0800",
        "2026-11-22T09:30:00.", "2026-11-22T09:30:00.+08:00", "2026-11-22T09:30:00 +08:00", "2026-02-29",
        "2026-11-22T24:00:00Z", "20261122T093000Z", "+2026-11-22", "2026-11-22Z", " 2026-11-22", "2026-11-22\n",
        "2026-11-22T09:30:00+24:00", "2026-11-22T09:30:00+08:60", "0000-01-01",
        // Digits of other scripts are digits to a regular expression, and none to RFC 3339.
        "2026-11-22T٠٩:30:00Z", "2026-11-２２", "2026-11-22T09:30:00.５Z", "2026-11-22T09:30:00+٠٨:00",
    ])
    func refusesWhatIsNoTime(_ text: String) {
        #expect(WallTime(rfc3339: text) == nil)
    }

    @Test func aZoneOfOddSecondsStillNamesTheMoment() {
        // Shanghai before 1901: 8:05:43.
        let time = WallTime(millisecondsSince1970: -2_500_000_000_000)
        for offset in [29_143, -29_143, 59, -59] {
            #expect(WallTime(rfc3339: time.rfc3339(offsetSeconds: offset)) == time, "\(offset)")
        }
    }

    @Test func theEndsOfTimeCanBeWritten() {
        #expect(!WallTime(millisecondsSince1970: .min).rfc3339().isEmpty)
        #expect(!WallTime(millisecondsSince1970: .max).rfc3339().isEmpty)
    }
}
