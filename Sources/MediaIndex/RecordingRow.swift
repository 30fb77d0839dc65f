import EvidenceModel
import Foundation
import GRDB

/// Why a row of the catalogue could not be read as what it is meant to be.
package struct CatalogueError: Error, Sendable, Hashable, CustomStringConvertible {
    package var table: String
    package var row: String
    package var problem: String

    package var description: String {
        "table \(table), row \(row): \(problem); restore the database from a copy, it is not repaired by guessing"
    }
}

/// Rows of `recording`, `stream` and `tag` as values, and back.
enum RecordingRow {
    static func recording(_ row: Row, streams: [StreamFacts], tags: [Tag]) throws(CatalogueError) -> Recording {
        let key: String = row["id"]
        guard let id = RecordingID(key), let content = content(row) else {
            throw CatalogueError(table: "recording", row: key, problem: "id or digests are malformed")
        }
        let started: Int64? = row["started_at_ms"]
        return Recording(
            id: id, station: row["station"], content: content, place: place(row),
            fileName: RawPath(bytes: row["file_name"] as Data), source: row["source"],
            sourcePath: RawPath(bytes: row["source_path"] as Data), device: row["device"], officer: row["officer"],
            startedAt: started.map(WallTime.init(millisecondsSince1970:)),
            startedAtBasis: try value(row["started_at_basis"], "started_at_basis", key),
            fileTime: WallTime(millisecondsSince1970: row["file_time_ms"]),
            collectedAt: WallTime(millisecondsSince1970: row["collected_at_ms"]),
            facts: try facts(row, streams: streams, key: key), tags: tags,
            state: try value(row["state"], "state", key))
    }

    static func content(_ row: Row) -> StoredContent? {
        let layout = PartLayout(size: row["size_bytes"], partSize: row["part_size_bytes"])
        guard let parts = ContentDigest.list(joined: row["part_sha256"] as Data), parts.count == layout.count,
            let digest = ContentDigest(bytes: row["sha256"] as Data)
        else { return nil }
        return StoredContent(layout: layout, digest: digest, partDigests: parts)
    }

    private static func place(_ row: Row) -> ContentPlace {
        guard let root: Data = row["direct_root"], let fileSystem: String = row["direct_file_system"] else {
            return .spool
        }
        return .direct(
            root: RawPath(bytes: root), fileSystem: fileSystem, path: RawPath(bytes: row["source_path"] as Data))
    }

    private static func facts(
        _ row: Row, streams: [StreamFacts], key: String
    ) throws(CatalogueError) -> MediaFacts? {
        guard let health: String = row["health"] else { return nil }
        let details: String? = row["health_details"]
        return MediaFacts(
            kind: try value(row["kind"], "kind", key), container: row["container"],
            durationSeconds: row["duration_seconds"], streams: streams, creationTime: row["creation_time"],
            health: try value(health, "health", key),
            healthDetails: details.flatMap { try? JSONDecoder().decode([String].self, from: Data($0.utf8)) } ?? [])
    }

    static func stream(_ row: Row) throws(CatalogueError) -> StreamFacts {
        StreamFacts(
            kind: try value(row["kind"], "stream.kind", row["recording"]), codec: row["codec"],
            widthPixels: row["width_px"], heightPixels: row["height_px"], frameRate: row["frame_rate"],
            sampleRateHertz: row["sample_rate_hz"], channels: row["channels"])
    }

    static func tag(_ row: Row) -> Tag {
        Tag(
            item: row["item"], stage: row["stage"], caseNumber: row["case_number"], by: row["given_by"],
            confidence: row["confidence"], at: WallTime(millisecondsSince1970: row["given_at_ms"]),
            listVersion: row["list_version"])
    }

    private static func value<Value: RawRepresentable>(
        _ text: String, _ column: String, _ row: String
    ) throws(CatalogueError) -> Value where Value.RawValue == String {
        guard let value = Value(rawValue: text) else {
            throw CatalogueError(table: "recording", row: row, problem: "\(column) is \"\(text)\"")
        }
        return value
    }
}

extension RawPath {
    var databaseBytes: Data { Data(bytes) }
}
