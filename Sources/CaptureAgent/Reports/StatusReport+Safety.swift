import EvidenceModel
import GRDB
import MediaIndex
import SyncEngine

/// What is not safe yet, how long, and what moving it has cost.
extension StatusReport {
    private static let mostDevices = 100

    /// The collection of the oldest recording that is not verified at every target that it is planned for, or not
    /// described, so that nothing is planned yet.
    func oldestUnsafe(_ view: StationView, in database: Database) throws -> WallTime? {
        let undescribed = try Int64.fetchOne(
            database, sql: "SELECT min(collected_at_ms) FROM recording WHERE described_at_ms IS NULL")
        let open = try openCopies(view, in: database).map(\.oldest).min()
        return [undescribed, open].compactMap(\.self).min().map(WallTime.init(millisecondsSince1970:))
    }

    private struct OpenCopies {
        var target: String
        var share: String
        var copies: Int
        var oldest: Int64
    }

    private func openCopies(_ view: StationView, in database: Database) throws -> [OpenCopies] {
        try Row.fetchAll(
            database,
            sql: """
                SELECT upload.target, upload.share, count(*), min(recording.collected_at_ms)
                FROM upload JOIN recording ON recording.id = upload.recording
                WHERE upload.progress <> 'verified' GROUP BY upload.target, upload.share
                """
        ).compactMap { row in
            let open = OpenCopies(target: row[0], share: row[1], copies: row[2], oldest: row[3])
            return view.configuration.targetNames.contains(open.target) ? open : nil
        }
    }

    /// Fills in what targets and devices have moved, and what of theirs is not safe.
    mutating func fillSafety(_ view: StationView, in database: Database) throws {
        let zone = view.configuration.station.zone
        let totals = try view.journal.transfers(in: database)
        let retries = try view.journal.retries(in: database)
        let open = try openCopies(view, in: database)
        for index in targets.indices {
            let name = targets[index].name
            targets[index].transfer = Transfer((totals[name] ?? [:]).values.reduce(TransferTotals(), +))
            targets[index].partsRetried = retries[name] ?? [:]
            let oldest = open.filter { $0.target == name }.map(\.oldest).min()
            targets[index].oldestUnsafeSince = oldest.map { zone.text(WallTime(millisecondsSince1970: $0)) }
        }
        let moved = totals.filter { view.configuration.targetNames.contains($0.key) }.values
            .reduce(into: [String: TransferTotals]()) { $0.merge($1, uniquingKeysWith: +) }
        let unsafe = Dictionary(grouping: open, by: \.share)
        let shares = Set(moved.keys).union(unsafe.keys)
            .map { (share: $0, oldest: unsafe[$0]?.map(\.oldest).min() ?? .max) }
            .sorted { ($0.oldest, $0.share) < ($1.oldest, $1.share) }
        devices = shares.prefix(Self.mostDevices).map { share, oldest in
            let total = moved[share] ?? TransferTotals()
            return DeviceRow(
                device: share, copiesOpen: unsafe[share]?.reduce(0) { $0 + $1.copies } ?? 0,
                oldestUnsafeSince: oldest == .max ? nil : zone.text(WallTime(millisecondsSince1970: oldest)),
                transfer: Transfer(total), partsRetried: total.partsRetried)
        }
    }

    /// What people are told of a target's upkeep, one line each where there is anything to say.
    var safetyLines: [String] {
        var lines: [String] = []
        for row in targets {
            var words: [String] = []
            if row.transfer.bytesResent > 0 || !row.partsRetried.isEmpty {
                let reasons = row.partsRetried.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(3)
                    .map { "\(Text.printable($0.key)) \($0.value)" }.joined(separator: ", ")
                words.append(
                    "\(Text.bytes(row.transfer.bytesSent)) sent, \(Text.bytes(row.transfer.bytesResent)) of it again"
                        + (reasons.isEmpty ? "" : " (\(reasons))"))
            }
            if let since = row.oldestUnsafeSince { words.append("oldest recording that is not safe: \(since)") }
            if row.manifestsWaiting > 0 {
                let reason = row.manifestsReason.map { ": \(Text.printable($0))" } ?? ""
                words.append("\(row.manifestsWaiting) manifests waiting\(reason)")
            }
            if !words.isEmpty { lines.append("\(row.name)  \(words.joined(separator: " · "))") }
        }
        return lines
    }
}

extension StatusReport.Transfer {
    fileprivate init(_ totals: TransferTotals) {
        self.init(
            bytesSent: totals.bytesSent, bytesDurable: totals.bytesDurable, bytesResent: totals.bytesResent)
    }
}
