package import EvidenceModel
import Foundation

/// A time zone: the station's, in which times are shown, or that of a device's clock.
package struct StationZone: Sendable, Hashable {
    private let zone: TimeZone

    package static let utc = StationZone(zone: .gmt)

    private init(zone: TimeZone) {
        self.zone = zone
    }

    /// Nothing when `identifier` is no zone of the IANA database that this machine has.
    package init?(identifier: String) {
        guard let zone = TimeZone(identifier: identifier) else { return nil }
        self.zone = zone
    }

    /// Its IANA name; `UTC` for that.
    package var name: String { self == .utc ? "UTC" : zone.identifier }

    /// Seconds east of UTC at `time`.
    package func offsetSeconds(at time: WallTime) -> Int {
        zone.secondsFromGMT(for: Date(timeIntervalSince1970: Double(time.millisecondsSince1970) / 1000))
    }

    /// The moment at which clocks of this zone show `time`; of two such moments in autumn, the earlier.
    package func wallTime(_ time: CalendarTime) -> WallTime {
        let standard = time.wallTime(offsetSeconds: offsetSeconds(at: time.wallTime(offsetSeconds: 0)))
        let candidates = Set(
            [standard.adding(seconds: -86_400), standard, standard.adding(seconds: 86_400)].map(offsetSeconds))
        let matching = candidates.map(time.wallTime).filter {
            time.wallTime(offsetSeconds: offsetSeconds(at: $0)) == $0
        }
        return matching.min() ?? standard
    }

    /// The moment at which clocks of this zone show what clocks of UTC show at `time`: for local digits that were taken
    /// for UTC.
    package func rereading(_ time: WallTime) -> WallTime {
        let milliseconds = time.millisecondsSince1970 % 1000
        let whole = wallTime(CalendarTime(time, offsetSeconds: 0))
        return WallTime(
            millisecondsSince1970: whole.millisecondsSince1970 + (milliseconds < 0 ? milliseconds + 1000 : milliseconds)
        )
    }

    /// RFC 3339 with the zone's offset at that moment.
    package func text(_ time: WallTime) -> String { time.rfc3339(offsetSeconds: offsetSeconds(at: time)) }
}
