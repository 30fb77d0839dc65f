package import EvidenceModel
import Foundation

/// Reads what tells when a recording started, the way its device's profile says; nothing is judged here.
package struct EvidenceRule: Sendable {
    private let clocks: DeviceClocks
    private let zone: StationZone

    /// - Parameter station: the zone of a device whose profile names none.
    package init(clocks: DeviceClocks, station: StationZone) {
        self.clocks = clocks
        zone = clocks.zone(station: station)
    }

    /// What a name told: `text` as it stands there, and the time it is.
    package func named(_ text: String, _ time: CalendarTime) -> TimeEvidence {
        TimeEvidence(
            basis: .fileName, original: text, readAs: "in \(zone.name)", at: zone.wallTime(time), isByDeviceClock: true)
    }

    /// What the file itself tells, and the time its file system has for it.
    package func evidence(of facts: MediaFacts, fileTime: WallTime) -> [TimeEvidence] {
        let own = Self.isTrack(facts) ? sidecarTime(facts, of: nil) : embedded(facts)
        return [own, satellite(facts, of: nil), modified(fileTime, facts)].compactMap(\.self)
    }

    /// What a sidecar tells of the recording that it belongs to.
    ///
    /// - Parameter name: the sidecar's.
    package func evidence(fromSidecar facts: MediaFacts, named name: RawPath) -> [TimeEvidence] {
        [Self.isTrack(facts) ? sidecarTime(facts, of: name) : preview(facts, of: name), satellite(facts, of: name)]
            .compactMap(\.self)
    }

    /// Text that a receiver or the camera wrote. The other sidecars are previews: small recordings of the same camera,
    /// whose times mean what its recordings' do.
    private static func isTrack(_ facts: MediaFacts) -> Bool { facts.kind == .sidecar && facts.container == nil }

    private func preview(_ facts: MediaFacts, of name: RawPath) -> TimeEvidence? {
        embedded(facts).map { own in
            TimeEvidence(
                basis: .sidecar, original: own.original, readAs: own.readAs + Self.source(name), at: own.at,
                isByDeviceClock: true)
        }
    }

    private func embedded(_ facts: MediaFacts) -> TimeEvidence? {
        guard let text = facts.creationTime, let written = WrittenTime(text) else { return nil }
        let time: WallTime
        let readAs: String
        switch (written.offset, clocks.embeddedZone) {
        case (.none, _): (time, readAs) = (zone.rereading(written.asUTC), "in \(zone.name)")
        case (.utc, .device): (time, readAs) = (zone.rereading(written.asUTC), "written as UTC, read in \(zone.name)")
        case (.utc, .utc): (time, readAs) = (written.asUTC, "as UTC")
        case (.other, _): (time, readAs) = (written.asUTC, "with its own offset")
        }
        let start = clocks.embeddedMarks == .end ? Self.beforeEnd(time, facts, readAs) : (time, readAs)
        return TimeEvidence(basis: .embedded, original: text, readAs: start.1, at: start.0, isByDeviceClock: true)
    }

    /// A sidecar with an offset has a receiver's time; local digits are the device's.
    private func sidecarTime(_ facts: MediaFacts, of name: RawPath?) -> TimeEvidence? {
        guard let text = facts.creationTime, let written = WrittenTime(text) else { return nil }
        let isLocal = written.offset == .none
        return TimeEvidence(
            basis: .sidecar, original: text, readAs: (isLocal ? "in \(zone.name)" : "as UTC") + Self.source(name),
            at: isLocal ? zone.rereading(written.asUTC) : written.asUTC, isByDeviceClock: isLocal)
    }

    /// The first place with a time: by the receiver's clock, which is true.
    private func satellite(_ facts: MediaFacts, of name: RawPath?) -> TimeEvidence? {
        guard let time = facts.positions.lazy.compactMap(\.at).first else { return nil }
        return TimeEvidence(
            basis: .gps, original: time.rfc3339(), readAs: "as UTC, the first place with a time" + Self.source(name),
            at: time, isByDeviceClock: false)
    }

    private func modified(_ time: WallTime, _ facts: MediaFacts) -> TimeEvidence {
        let read: (WallTime, String) =
            switch clocks.fileTimeZone ?? .asMounted {
            case .asMounted: (time, "as mounted")
            case .device: (zone.rereading(time), "mounted as UTC, read in \(zone.name)")
            }
        let (start, readAs) = Self.beforeEnd(read.0, facts, read.1)
        return TimeEvidence(
            basis: .fileTime, original: time.rfc3339(), readAs: readAs, at: start, isByDeviceClock: true)
    }

    private static func source(_ name: RawPath?) -> String { name.map { ", of \($0.display)" } ?? "" }

    /// The start of what ended at `end`: a file is last written to when its recording ends.
    private static func beforeEnd(_ end: WallTime, _ facts: MediaFacts, _ readAs: String) -> (WallTime, String) {
        guard [.audio, .video].contains(facts.kind), let length = facts.playableSeconds ?? facts.durationSeconds,
            // A damaged file may claim any length.
            length > 0, length < 1e9
        else { return (end, readAs) }
        return (end.adding(seconds: -length), readAs + String(format: ", the end, minus %.2f s", length))
    }
}

/// A time as a file has it, RFC 3339 with or without an offset.
private struct WrittenTime {
    enum Offset { case none, utc, other }

    /// Read as UTC where no offset says otherwise.
    let asUTC: WallTime
    let offset: Offset

    /// Nothing for what is no time, and for the first day that containers count from: it says that nobody set it.
    init?(_ text: String) {
        guard let time = WallTime(rfc3339: text) else { return nil }
        let epoch = WallTime(millisecondsSince1970: -2_082_844_800_000)  // 1904-01-01, ISO/IEC 14496-12, 8.2.2.3
        guard abs(time.seconds(since: epoch)) >= 86_400 else { return nil }
        asUTC = time
        if text.hasSuffix("Z") || text.hasSuffix("z") {
            offset = .utc
        } else {
            offset = text.wholeMatch(of: /.*[Tt ].*[+-]\d\d:\d\d/) == nil ? .none : .other
        }
    }
}
