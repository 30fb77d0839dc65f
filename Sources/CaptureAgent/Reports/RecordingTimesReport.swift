import EvidenceModel
import Foundation
import MediaIndex

/// One piece of evidence of a start, as JSON.
struct EvidenceReport: Encodable {
    var basis: TimeEvidence.Basis
    var original: String
    var readAs: String
    var at: String
    var isByDeviceClock: Bool

    init(_ evidence: TimeEvidence, _ zone: StationZone) {
        basis = evidence.basis
        original = evidence.original
        readAs = evidence.readAs
        at = zone.text(evidence.at)
        isByDeviceClock = evidence.isByDeviceClock
    }

    private enum CodingKeys: String, CodingKey {
        case basis, original, at
        case readAs = "read_as"
        case isByDeviceClock = "by_device_clock"
    }
}

/// A recording's place in its take, as JSON; every key is there.
struct TakeReport: Encodable {
    var take: Take

    private enum CodingKeys: String, CodingKey {
        case id, part, parts
        case gapSeconds = "gap_seconds"
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(take.id, forKey: .id)
        try container.encode(take.part, forKey: .part)
        try container.encode(take.parts, forKey: .parts)
        try container.encode(take.gapSeconds, forKey: .gapSeconds)
    }
}

/// The same for people, as lines of `recordings show`.
enum RecordingTimesText {
    static func rows(_ report: RecordingReport) -> [(String, String?)] {
        let recording = report.recording
        let marks = recording.marks
        var rows: [(String, String?)] = [
            ("started", report.time(recording.startedAt).map { "\($0) (\(recording.startedAtBasis.rawValue))" })
        ]
        if let offset = recording.clockOffset {
            let bound = offset.method == .newestFileAhead ? "at least " : ""
            rows.append(("clock", "\(bound)\(Text.offset(seconds: offset.seconds)), by \(offset.method.rawValue)"))
        }
        rows += recording.evidence.map { ("evidence", line($0, report)) }
        if let profile = marks.profile { rows.append(("profile", profile)) }
        if let camera = marks.camera { rows.append(("camera", camera)) }
        if let part = marks.part { rows.append(("part number", "\(part)")) }
        if marks.isImportant { rows.append(("important", "marked so on the device")) }
        if let take = recording.take {
            let gap = take.gapSeconds.map { String(format: ", %.2f s after the part before", $0) } ?? ""
            rows.append(("take", "part \(take.part) of \(take.parts) of \(take.id)\(gap)"))
        }
        return rows
    }

    private static func line(_ evidence: TimeEvidence, _ report: RecordingReport) -> String {
        let original = evidence.original.isEmpty ? "" : " \"\(evidence.original)\""
        return "\(evidence.basis.rawValue)\(original) \(evidence.readAs): \(report.time(evidence.at) ?? "")"
    }
}
