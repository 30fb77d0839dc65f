import EvidenceModel
import GRDB
import MediaIndex
import SyncEngine

/// What lies beside a recording at a target: the JSON of the recording, and under `manifest` what else is needed to make
/// its row of the catalogue again, with the receipts of this target.
struct ManifestReport: Encodable {
    struct ReceiptRow: Encodable {
        var upload: String
        var askedAt: String
        var sizeBytes: Int64
        var etag: String
        var versionID: String?
        var method: String

        private enum CodingKeys: String, CodingKey {
            case upload, etag, method
            case askedAt = "asked_at"
            case sizeBytes = "size_bytes"
            case versionID = "version_id"
        }
    }

    private let report: RecordingReport
    private let number: Int
    private let target: String
    private let madeAt: WallTime
    private let receipts: [Receipt]

    init(
        _ recording: Recording, number: Int, target: String, at time: WallTime, of view: StationView,
        in database: Database
    ) throws {
        report = try RecordingReport(recording, of: view, in: database)
        receipts = try view.journal.receipts(of: recording.id, target: target, in: database)
        (self.number, self.target, madeAt) = (number, target, time)
    }

    /// Canonical: sorted keys, UTF-8, no blanks.
    func bytes() throws -> [UInt8] { Array(try JSONText.encode(self).utf8) }

    private enum CodingKeys: String, CodingKey { case manifest }

    private enum ManifestKeys: String, CodingKey {
        case v, number, target, receipts
        case madeAt = "made_at"
        case agentVersion = "agent_version"
        case collectedAt = "collected_at"
        case fileTime = "file_time"
        case fileNameHex = "file_name_hex"
        case sourcePathHex = "source_path_hex"
        case partSizeBytes = "part_size_bytes"
        case partDigests = "part_sha256"
        case unreadableBytes = "unreadable_bytes"
        case takeKey = "take_key"
    }

    func encode(to encoder: any Encoder) throws {
        try report.encode(to: encoder)
        var outer = encoder.container(keyedBy: CodingKeys.self)
        var inner = outer.nestedContainer(keyedBy: ManifestKeys.self, forKey: .manifest)
        let recording = report.recording
        try inner.encode(1, forKey: .v)
        try inner.encode(number, forKey: .number)
        try inner.encode(target, forKey: .target)
        try inner.encode(report.time(madeAt), forKey: .madeAt)
        try inner.encode(CaptureAgentCommand.version, forKey: .agentVersion)
        try inner.encode(report.time(recording.collectedAt), forKey: .collectedAt)
        try inner.encode(report.time(recording.fileTime), forKey: .fileTime)
        // Names are bytes; what is not UTF-8 could not be told from its display.
        try inner.encode(Hexadecimal.encode(recording.fileName.bytes), forKey: .fileNameHex)
        try inner.encode(Hexadecimal.encode(recording.sourcePath.bytes), forKey: .sourcePathHex)
        try inner.encode(recording.content.layout.partSize, forKey: .partSizeBytes)
        try inner.encode(recording.content.partDigests, forKey: .partDigests)
        try inner.encode(recording.unreadable, forKey: .unreadableBytes)
        try inner.encode(recording.marks.takeKey, forKey: .takeKey)
        try inner.encode(receipts.map(row), forKey: .receipts)
    }

    private func row(_ receipt: Receipt) -> ReceiptRow {
        ReceiptRow(
            upload: receipt.upload, askedAt: report.time(receipt.askedAt) ?? "", sizeBytes: receipt.size,
            etag: receipt.tag, versionID: receipt.versionID, method: receipt.method)
    }
}
