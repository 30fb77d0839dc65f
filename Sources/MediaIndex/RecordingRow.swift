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

/// Rows of `recording` and of what belongs to it, as values.
enum RecordingRow {
    /// What belongs to one recording, from the tables of many rows.
    struct Details {
        var streams: [StreamFacts]
        var positions: [GeoPoint]
        var tags: [Tag]
        var evidence: [TimeEvidence]
        /// In the recording's take.
        var takeParts: Int
    }

    static func recording(_ row: Row, _ details: Details) throws(CatalogueError) -> Recording {
        let key: String = row["id"]
        guard let id = RecordingID(key), let content = content(row) else {
            throw CatalogueError(table: "recording", row: key, problem: "id or digests are malformed")
        }
        let started: Int64? = row["started_at_ms"]
        var recording = Recording(
            id: id, station: row["station"], content: content, place: place(row),
            fileName: RawPath(bytes: row["file_name"] as Data), source: row["source"],
            sourcePath: RawPath(bytes: row["source_path"] as Data), device: row["device"], officer: row["officer"],
            startedAt: started.map(WallTime.init(millisecondsSince1970:)),
            startedAtBasis: try value(row["started_at_basis"], "started_at_basis", key),
            fileTime: WallTime(millisecondsSince1970: row["file_time_ms"]),
            collectedAt: WallTime(millisecondsSince1970: row["collected_at_ms"]),
            facts: try facts(row, details, key: key), tags: details.tags, state: try value(row["state"], "state", key))
        recording.marks = RecordingMarks(
            profile: row["profile"], part: row["part_number"], takeKey: row["take_key"], camera: row["camera"],
            isImportant: row["important"])
        recording.namedOfficer = row["named_officer"]
        recording.officerBasis = (row["officer_by"] as String?).flatMap { OfficerBasis(rawValue: $0) }
        recording.evidence = details.evidence
        recording.clockOffset = try clockOffset(row, key)
        recording.take = try take(row, parts: details.takeParts, key)
        recording.unreadable = list(row["unreadable_bytes"])
        return recording
    }

    static func clockOffset(_ row: Row, _ key: String) throws(CatalogueError) -> ClockOffset? {
        guard let seconds: Double = row["clock_offset_seconds"], let method: String = row["clock_offset_method"] else {
            return nil
        }
        return ClockOffset(seconds: seconds, method: try value(method, "clock_offset_method", key))
    }

    static func take(_ row: Row, parts: Int, _ key: String) throws(CatalogueError) -> Take? {
        guard let take: String = row["take"], let part: Int = row["take_part"] else { return nil }
        guard let id = RecordingID(take) else {
            throw CatalogueError(table: "recording", row: key, problem: "take is \"\(take)\"")
        }
        return Take(id: id, part: part, parts: parts, gapSeconds: row["take_gap_seconds"])
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
            let evicted: Int64? = row["evicted_at_ms"]
            return evicted == nil ? .spool : .targets
        }
        return .direct(
            root: RawPath(bytes: root), fileSystem: fileSystem, path: RawPath(bytes: row["source_path"] as Data))
    }

    private static func facts(_ row: Row, _ details: Details, key: String) throws(CatalogueError) -> MediaFacts? {
        guard let health: String = row["health"] else { return nil }
        let basis: String? = row["duration_basis"]
        var facts = MediaFacts(
            kind: try value(row["kind"], "kind", key), container: row["container"],
            durationSeconds: row["duration_seconds"], playableSeconds: row["playable_seconds"],
            bitRate: row["bit_rate"], streams: details.streams, creationTime: row["creation_time"], make: row["make"],
            model: row["model"], positions: details.positions, health: try value(health, "health", key),
            healthDetails: list(row["health_details"]), damagedSpans: list(row["damaged_bytes"]))
        if let basis { facts.durationBasis = try value(basis, "duration_basis", key) }
        return facts
    }

    private static func list<Element: Decodable>(_ json: String?) -> [Element] {
        json.flatMap { try? JSONDecoder().decode([Element].self, from: Data($0.utf8)) } ?? []
    }

    static func stream(_ row: Row) throws(CatalogueError) -> StreamFacts {
        StreamFacts(
            kind: try value(row["kind"], "stream.kind", row["recording"]), codec: row["codec"],
            widthPixels: row["width_px"], heightPixels: row["height_px"], frameRate: row["frame_rate"],
            sampleRateHertz: row["sample_rate_hz"], channels: row["channels"],
            rotationDegrees: row["rotation_degrees"], language: row["language"],
            startOffsetSeconds: row["start_offset_seconds"], bitRate: row["bit_rate"])
    }

    static func position(_ row: Row) throws(CatalogueError) -> GeoPoint {
        let at: Int64? = row["at_ms"]
        let point = GeoPoint(
            latitude: row["latitude_degrees"], longitude: row["longitude_degrees"], altitudeMetres: row["altitude_m"],
            at: at.map(WallTime.init(millisecondsSince1970:)))
        guard let point else {
            throw CatalogueError(table: "position", row: row["recording"], problem: "names no place on earth")
        }
        return point
    }

    static func evidence(_ row: Row) throws(CatalogueError) -> TimeEvidence {
        TimeEvidence(
            basis: try value(row["basis"], "time_evidence.basis", row["recording"]), original: row["original"],
            readAs: row["read_as"], at: WallTime(millisecondsSince1970: row["at_ms"]),
            isByDeviceClock: row["by_device_clock"])
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
