package import EvidenceModel
import Foundation
package import GRDB

extension Catalogue {
    /// Recordings before and after one that are looked at, each.
    private static let neighbours = 1000
    /// Milliseconds to either side.
    private static let nearby: Int64 = 26 * 3600 * 1000

    /// Finds the take of this recording anew, and of those that were in one with it. Looks at described recordings of
    /// the same device, or of the same source and folder where no device is known, that started within 26 hours.
    package func retake(_ id: RecordingID, in database: Database) throws {
        let members = try neighbours(of: id, in: database)
        guard let own = members.first(where: { $0.id == id }) else { return }
        let chains = TakeRule.takes(members)
        // Takes that it left, and those that it may have split by coming between.
        let mates = chains.first { $0.contains { $0.id == id } } ?? [own]
        let takes = Set(mates.compactMap(\.take?.id))
        let isConcerned = { (member: TakeRule.Member) in
            member.id == id || (member.take.map { takes.contains($0.id) } ?? false)
        }
        let known = Set(members.map(\.id))
        var left = Dictionary(members.filter(isConcerned).map { ($0.id, $0) }, uniquingKeysWith: { one, _ in one })
        for chain in chains where chain.contains(where: isConcerned) {
            // The take began before all that was looked at: what is known of its beginning stays.
            let before = chain.first?.take.flatMap { $0.part > 1 && !known.contains($0.id) ? $0 : nil }
            for (member, take) in TakeRule.places(chain, before: before) {
                try setTake(take, of: member, in: database)
                left[member] = nil
            }
        }
        for member in left.values where member.take != nil { try setTake(nil, of: member.id, in: database) }
    }

    private func setTake(_ take: Take?, of id: RecordingID, in database: Database) throws {
        try database.cachedStatement(
            sql: "UPDATE recording SET take = ?, take_part = ?, take_gap_seconds = ? WHERE id = ?"
        ).execute(arguments: [take?.id.text, take?.part, take?.gapSeconds, id.text])
    }

    private func neighbours(of id: RecordingID, in database: Database) throws -> [TakeRule.Member] {
        let row = try Row.fetchOne(
            database.cachedStatement(
                sql: """
                    SELECT device, source, source_path, order_ms FROM recording
                    WHERE id = ? AND kind IN ('video', 'audio')
                    """),
            arguments: [id.text])
        // Photos and sidecars, of which a card may have very many, are in no take.
        guard let row else { return [] }
        let (device, source, order): (String?, String, Int64) = (row["device"], row["source"], row["order_ms"])
        let scope = device == nil ? "device IS NULL AND source = ?" : "device = ?"
        func members(_ condition: String, _ direction: String, _ bound: Int64) throws -> [TakeRule.Member] {
            try Row.fetchAll(
                database.cachedStatement(
                    sql: """
                        SELECT id, source, source_path, started_at_ms, part_number, take_key, camera, take, take_part,
                          take_gap_seconds, coalesce(playable_seconds, duration_seconds) AS length,
                          \(Self.shape) AS shape
                        FROM recording
                        WHERE \(scope) AND \(condition) AND kind IN ('video', 'audio')
                        ORDER BY order_ms \(direction), id \(direction) LIMIT ?
                        """),
                arguments: [device ?? source, order, id.text, bound, Self.neighbours]
            ).map { try member($0) }
        }
        let (earliest, latest) = (
            order.subtractingReportingOverflow(Self.nearby), order.addingReportingOverflow(Self.nearby)
        )
        let found =
            try members("(order_ms, id) <= (?, ?) AND order_ms >= ?", "DESC", earliest.overflow ? .min : earliest.0)
            + members("(order_ms, id) > (?, ?) AND order_ms <= ?", "ASC", latest.overflow ? .max : latest.0)
        guard device == nil else { return found }
        let folder = Self.folder(source, row["source_path"] as Data)
        return found.filter { $0.folder == folder }
    }

    /// Kinds, codecs, sizes, rates and channels of the moving pictures and the sound. A frame rate is what was counted:
    /// of two parts it may differ behind the point.
    private static let shape = """
        (SELECT group_concat(line, ';') FROM (
          SELECT kind || ',' || codec || ',' || coalesce(width_px, '') || ',' || coalesce(height_px, '') || ','
            || coalesce(round(frame_rate), '') || ',' || coalesce(sample_rate_hz, '') || ','
            || coalesce(channels, '') AS line
          FROM stream WHERE stream.recording = recording.id AND kind IN ('video', 'audio') ORDER BY stream_index))
        """

    private static func folder(_ source: String, _ path: Data) -> String {
        // Bytes that are no text must not make two folders one.
        let folder = RawPath(bytes: path).parent
        return "\(source)/\(folder.text ?? folder.bytes.map { String($0, radix: 16) }.joined(separator: " "))"
    }

    private func member(_ row: Row) throws -> TakeRule.Member {
        let key: String = row["id"]
        guard let id = RecordingID(key) else {
            throw CatalogueError(table: "recording", row: key, problem: "the id is malformed")
        }
        let started: Int64? = row["started_at_ms"]
        let marks = RecordingMarks(part: row["part_number"], takeKey: row["take_key"], camera: row["camera"])
        return TakeRule.Member(
            id: id, folder: Self.folder(row["source"], row["source_path"]), marks: marks,
            startedAt: started.map(WallTime.init(millisecondsSince1970:)), length: row["length"],
            shape: row["shape"] ?? "", take: try RecordingRow.take(row, parts: 0, key))
    }
}
