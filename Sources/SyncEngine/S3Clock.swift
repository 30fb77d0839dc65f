import EvidenceModel
import Synchronization

/// The store's clock against the station's. A signature must not be more than 15 minutes off.
final class S3Clock: Sendable {
    private struct Offsets {
        var measured: Double?
        var adopted = 0.0
    }

    private let offsets = Mutex(Offsets())

    var offsetSeconds: Double? { offsets.withLock { $0.measured } }
    var adoptedOffsetSeconds: Double { offsets.withLock { $0.adopted } }

    /// Whether a request that is signed now is refused for its time ("RequestTimeTooSkewed": 15 minutes).
    var isTooFarOff: Bool { offsets.withLock { abs(($0.measured ?? 0) - $0.adopted) > 900 } }

    func answered(date: String?, between sent: WallTime, and received: WallTime) {
        guard let date, let theirs = HTTPDate.parse(date) else { return }
        let middle = sent.adding(seconds: received.seconds(since: sent) / 2)
        // The header has whole seconds: half a one is its middle.
        offsets.withLock { $0.measured = theirs.adding(seconds: 0.5).seconds(since: middle) }
    }

    /// From now on requests are signed with the store's time.
    func adopt() {
        offsets.withLock { $0.adopted = $0.measured ?? 0 }
    }
}

/// Dates of HTTP headers (RFC 9110, section 5.6.7, IMF-fixdate).
enum HTTPDate {
    static func parse(_ text: String) -> WallTime? {
        let pattern = /[A-Z][a-z]{2}, (\d{2}) ([A-Z][a-z]{2}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) GMT/
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        guard let match = text.wholeMatch(of: pattern), let month = months.firstIndex(of: String(match.2)),
            let day = Int(match.1), let year = Int(match.3), let hour = Int(match.4), let minute = Int(match.5),
            let second = Int(match.6)
        else { return nil }
        return CalendarTime(
            year: year, month: month + 1, day: day, hour: hour, minute: minute, second: min(second, 59)
        )?.wallTime(offsetSeconds: 0)
    }
}
