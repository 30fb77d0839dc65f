import LocatedYAML
import SyncEngine

/// Reads limits of the link: `{days: mon-fri, from: "08:00", to: "18:00", limit: 20 Mbit/s}`, of which the first that
/// matches counts.
enum BandwidthReader {
    private static let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    /// A line slower than this would be taken for one that stands still.
    private static let leastBytesPerSecond = 2000.0

    static func timetable(_ value: YAMLValue?) throws(YAMLError) -> BandwidthTimetable {
        guard let value else { return BandwidthTimetable([]) }
        return BandwidthTimetable(
            try value.list { (entry) throws(YAMLError) in
                try entry.mapping { (entry) throws(YAMLError) in try Self.entry(&entry) }
            })
    }

    private static func entry(_ entry: inout YAMLMapping) throws(YAMLError) -> BandwidthTimetable.Entry {
        let days = try entry.optional("days").map { (value) throws(YAMLError) in try Self.days(value) }
        let from = try entry.optional("from").map { (value) throws(YAMLError) in try minute(value, last: 1439) }
        let to = try entry.optional("to").map { (value) throws(YAMLError) in try minute(value, last: 1440) }
        if let from, from == to { throw entry.error("\"from\" and \"to\" are the same: leave both out for whole days") }
        return BandwidthTimetable.Entry(
            days: days ?? Set(1...7), fromMinute: from ?? 0, toMinute: to ?? 1440,
            limit: try limit(entry.required("limit")))
    }

    private static func limit(_ value: YAMLValue) throws(YAMLError) -> BandwidthLimit {
        let text = try value.string()
        switch text {
        case "unlimited": return .unlimited
        case "pause", "0": return .paused
        default: break
        }
        guard let match = text.wholeMatch(of: /(\d+(?:\.\d+)?) ([kMG])bit\/s/), let number = Double(match.1) else {
            throw value.error("is \"\(text)\", expected \"unlimited\", \"pause\" or something like \"20 Mbit/s\"")
        }
        let unit = match.2 == "k" ? 1e3 : match.2 == "M" ? 1e6 : 1e9
        let bytes = number * unit / 8
        guard (leastBytesPerSecond...1e11).contains(bytes) else {
            throw value.error("is \"\(text)\", expected 16 kbit/s to 800 Gbit/s, or \"pause\" for nothing at all")
        }
        return .bytesPerSecond(Int(bytes))
    }

    /// Minutes after midnight.
    private static func minute(_ value: YAMLValue, last: Int) throws(YAMLError) -> Int {
        let text = try value.string()
        guard let match = text.wholeMatch(of: /(\d\d):(\d\d)/), let hour = Int(match.1), let minute = Int(match.2),
            minute < 60, hour * 60 + minute <= last
        else { throw value.error("is \"\(text)\", expected a time in quotes, like \"08:00\"") }
        return hour * 60 + minute
    }

    /// `mon-fri`, `sat`, `mon, wed, fri-sun`; 1 for Monday.
    private static func days(_ value: YAMLValue) throws(YAMLError) -> Set<Int> {
        let text = try value.string()
        var found: Set<Int> = []
        for piece in text.split(separator: ",", omittingEmptySubsequences: false) {
            let ends = piece.split(separator: "-", omittingEmptySubsequences: false)
                .map { end in days.firstIndex(of: end.filter { $0 != " " }) }
            guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1] else {
                throw value.error("is \"\(text)\", expected days like mon-fri or \"sat, sun\"")
            }
            // A range may go over the end of the week: fri-mon.
            for step in 0...(last - first + 7) % 7 { found.insert((first + step) % 7 + 1) }
        }
        return found
    }

    /// The word of a class that limits may be told to leave alone.
    enum LimitedClass: String, CaseIterable {
        case important, pressing, normal, backfill, recheck

        var uploadClass: UploadClass {
            switch self {
            case .important: .important
            case .pressing: .pressing
            case .normal: .normal
            case .backfill: .backfill
            case .recheck: .recheck
            }
        }
    }

    static func classes(_ value: YAMLValue?) throws(YAMLError) -> Set<UploadClass> {
        guard let value else { return [] }
        return Set(
            try value.list { (word) throws(YAMLError) in try word.choice(LimitedClass.self).uploadClass })
    }
}
