package import EvidenceModel
import Foundation

/// The time zone of the station: what local times in file names mean, and how times are shown.
package struct StationZone: Sendable, Hashable {
    private let zone: TimeZone

    /// Nothing when `identifier` is no zone of the IANA database that this machine has.
    package init?(identifier: String) {
        guard let zone = TimeZone(identifier: identifier) else { return nil }
        self.zone = zone
    }

    /// Seconds east of UTC at `time`.
    package func offsetSeconds(at time: WallTime) -> Int {
        zone.secondsFromGMT(for: Date(timeIntervalSince1970: Double(time.millisecondsSince1970) / 1000))
    }

    /// The moment at which the station's clocks show `time`; of two such moments in autumn, the earlier.
    package func wallTime(_ time: CalendarTime) -> WallTime {
        let standard = time.wallTime(offsetSeconds: offsetSeconds(at: time.wallTime(offsetSeconds: 0)))
        let candidates = Set(
            [standard.adding(seconds: -86_400), standard, standard.adding(seconds: 86_400)].map(offsetSeconds))
        let matching = candidates.map(time.wallTime).filter {
            time.wallTime(offsetSeconds: offsetSeconds(at: $0)) == $0
        }
        return matching.min() ?? standard
    }

    /// RFC 3339 with the station's offset at that moment.
    package func text(_ time: WallTime) -> String { time.rfc3339(offsetSeconds: offsetSeconds(at: time)) }
}
