import EvidenceModel
import Foundation
import SyncEngine

/// `recordings show` for people.
enum RecordingPageText {
    static func page(_ report: RecordingReport, history: [(index: Int64, body: [UInt8])]) -> String {
        let recording = report.recording
        var rows: [(String, String?)] = [
            ("id", recording.id.text), ("file", recording.fileName.display),
            ("from", "\(recording.source): \(recording.sourcePath.display)"),
            ("sha256", recording.content.digest.hex), ("size", "\(recording.content.size) bytes"),
            ("state", recording.state.rawValue), ("device", recording.device), ("officer", officer(recording)),
        ]
        rows += RecordingTimesText.rows(report)
        rows += [("collected", report.time(recording.collectedAt)), ("kind", report.kind.rawValue)]
        if let facts = recording.facts { rows += self.rows(facts) }
        rows += recording.tags.map { ("tag", tag($0)) }
        rows.append(("kept until", report.time(report.retainUntil)))
        rows += report.holds.map { ("hold \($0.id)", "\($0.reason) by \($0.by) at \($0.at)") }
        rows += report.copies.map { ("copy", copy($0, report)) }
        rows += history.map { ("ledger \($0.index)", String(decoding: $0.body, as: UTF8.self)) }
        return rows.map { Text.padded($0.0, to: 12) + Text.printable($0.1 ?? "–") }.joined(separator: "\n")
    }

    private static func officer(_ recording: Recording) -> String? {
        switch recording.officerBasis {
        case .register: recording.officer.map { "\($0), says the device register" }
        case .name, nil: recording.officer
        }
    }

    private static func rows(_ facts: MediaFacts) -> [(String, String?)] {
        var rows: [(String, String?)] = [("container", facts.container), ("length", length(facts))]
        if let rate = facts.bitRate { rows.append(("bit rate", "\(rate) bit/s")) }
        let device = [facts.make, facts.model].compactMap(\.self).joined(separator: " ")
        if !device.isEmpty { rows.append(("made by", device)) }
        rows += facts.streams.map { ("stream", stream($0)) }
        if let first = facts.positions.first {
            let last = facts.positions.count > 1 ? facts.positions.last.map { " to \(place($0))" } ?? "" : ""
            rows.append(("positions", "\(facts.positions.count): \(place(first))\(last)"))
        }
        rows.append(("health", ([facts.health.rawValue] + facts.healthDetails).joined(separator: "; ")))
        rows += facts.damagedSpans.map { ("damaged", "\($0.length) bytes from byte \($0.offset)") }
        return rows
    }

    private static func length(_ facts: MediaFacts) -> String? {
        guard let seconds = facts.durationSeconds else { return nil }
        let basis = facts.durationBasis == .estimated ? ", estimated" : ""
        let playable = facts.playableSeconds.map { String(format: ", %.2f s of it play", $0) } ?? ""
        return String(format: "%.2f s", seconds) + basis + playable
    }

    private static func place(_ point: GeoPoint) -> String {
        String(format: "%.5f %.5f", point.latitude, point.longitude)
    }

    private static func stream(_ stream: StreamFacts) -> String {
        var parts = [stream.kind.rawValue, stream.codec]
        if let width = stream.widthPixels, let height = stream.heightPixels { parts.append("\(width)×\(height)") }
        if let rate = stream.frameRate { parts.append(String(format: "%.5g frames/s", rate)) }
        if let rate = stream.sampleRateHertz { parts.append("\(rate) Hz") }
        if let channels = stream.channels { parts.append(channels == 1 ? "1 channel" : "\(channels) channels") }
        if let degrees = stream.rotationDegrees { parts.append("turned \(degrees)°") }
        if let language = stream.language { parts.append(language) }
        if let offset = stream.startOffsetSeconds { parts.append(String(format: "from %.2f s", offset)) }
        if let rate = stream.bitRate { parts.append("\(rate) bit/s") }
        return parts.joined(separator: " ")
    }

    private static func tag(_ tag: Tag) -> String {
        let what = [tag.item, tag.stage, tag.caseNumber].compactMap(\.self).joined(separator: " / ")
        return "\(what) by \(tag.by), confidence \(tag.confidence), list \(tag.listVersion)"
    }

    private static func copy(_ copy: CopyStatus, _ report: RecordingReport) -> String {
        let since = report.time(copy.verifiedAt).map { " at \($0)" } ?? ""
        let reason = copy.parkedReason.map { ": \($0) — \(copy.parkedHint ?? "")" } ?? ""
        return "\(copy.target) \(copy.state.rawValue)\(since)\(reason) \(copy.key)"
    }
}
