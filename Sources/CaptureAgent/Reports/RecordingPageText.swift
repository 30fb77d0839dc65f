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
            ("state", recording.state.rawValue), ("device", recording.device), ("officer", recording.officer),
            ("started", report.time(recording.startedAt).map { "\($0) (\(recording.startedAtBasis.rawValue))" }),
            ("collected", report.time(recording.collectedAt)), ("kind", report.kind.rawValue),
        ]
        if let facts = recording.facts {
            rows.append(("container", facts.container))
            rows.append(("length", facts.durationSeconds.map { String(format: "%.2f s", $0) }))
            rows += facts.streams.map { ("stream", stream($0)) }
            rows.append(("health", ([facts.health.rawValue] + facts.healthDetails).joined(separator: "; ")))
        }
        rows += recording.tags.map { ("tag", tag($0)) }
        rows.append(("kept until", report.time(report.retainUntil)))
        rows += report.copies.map { ("copy", copy($0, report)) }
        rows += history.map { ("ledger \($0.index)", String(decoding: $0.body, as: UTF8.self)) }
        return rows.map { Text.padded($0.0, to: 12) + Text.printable($0.1 ?? "–") }.joined(separator: "\n")
    }

    private static func stream(_ stream: StreamFacts) -> String {
        var parts = [stream.kind.rawValue, stream.codec]
        if let width = stream.widthPixels, let height = stream.heightPixels { parts.append("\(width)×\(height)") }
        if let rate = stream.frameRate { parts.append(String(format: "%.5g frames/s", rate)) }
        if let rate = stream.sampleRateHertz { parts.append("\(rate) Hz") }
        if let channels = stream.channels { parts.append(channels == 1 ? "1 channel" : "\(channels) channels") }
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
