package import EvidenceModel

/// What a link, or a target, may be given at a moment.
package enum BandwidthLimit: Sendable, Hashable {
    case unlimited
    case bytesPerSecond(Int)
    /// Nothing but what no limit holds up.
    case paused

    var bytesPerSecond: Int? {
        if case .bytesPerSecond(let rate) = self { rate } else { nil }
    }
}

/// Limits by day and time of the station's clocks; the first entry that matches counts, and where none does, none.
///
/// A day's clock is read, not counted: in the hour that a zone repeats in autumn an entry for it counts twice, and one for
/// the hour left out in spring does not come.
package struct BandwidthTimetable: Sendable, Hashable {
    package struct Entry: Sendable, Hashable {
        /// 1 for Monday to 7 for Sunday.
        package var days: Set<Int>
        /// Minutes after midnight, 0 to 1439.
        package var fromMinute: Int
        /// Minutes after midnight, 1 to 1440; where it is not after `fromMinute`, on the following day.
        package var toMinute: Int
        package var limit: BandwidthLimit

        package init(
            days: Set<Int> = Set(1...7), fromMinute: Int = 0, toMinute: Int = 1440, limit: BandwidthLimit
        ) {
            self.days = days
            self.fromMinute = fromMinute
            self.toMinute = toMinute
            self.limit = limit
        }

        func covers(day: Int, minute: Int) -> Bool {
            if fromMinute < toMinute { return days.contains(day) && (fromMinute..<toMinute).contains(minute) }
            let yesterday = day == 1 ? 7 : day - 1
            return days.contains(day) && minute >= fromMinute || days.contains(yesterday) && minute < toMinute
        }
    }

    package var entries: [Entry]

    package init(_ entries: [Entry]) {
        self.entries = entries
    }

    /// - Parameter offsetSeconds: how far the station's zone is east of UTC at `time`.
    package func limit(at time: WallTime, offsetSeconds: Int) -> BandwidthLimit {
        let local = time.adding(seconds: Double(offsetSeconds))
        let calendar = CalendarTime(local, offsetSeconds: 0)
        // 1970-01-01 was a Thursday.
        let days = (calendar.secondsSince1970 - calendar.secondsSince1970 % 86_400) / 86_400
        let day = Int(((days + 3) % 7 + 7) % 7) + 1
        return entries.first { $0.covers(day: day, minute: calendar.hour * 60 + calendar.minute) }?.limit ?? .unlimited
    }
}
