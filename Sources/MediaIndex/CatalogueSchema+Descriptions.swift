import EvidenceModel
import Foundation
import GRDB

extension CatalogueSchema {
    /// What the probe tells beside kind and length, what profiles tell beside device and officer, all evidence of a
    /// start, clocks, takes, and which files of a device belong together.
    static func addDescriptions(in database: Database) throws {
        try database.execute(sql: facts)
        try database.execute(sql: times)
        try database.execute(sql: companions)
        try database.execute(sql: queue)
        try database.execute(sql: earlierEvidence)
        let key = DatabaseFunction("companion_key", argumentCount: 1, pure: true) { values in
            Data.fromDatabaseValue(values[0]).map { RawPath(bytes: $0).companionKey }
        }
        database.add(function: key)
        defer { database.remove(function: key) }
        try database.execute(sql: "UPDATE sighting SET companion_key = companion_key(path)")
    }

    private static let facts = """
        ALTER TABLE recording ADD COLUMN duration_basis TEXT; -- exact, estimated; null where an older agent looked
        ALTER TABLE recording ADD COLUMN playable_seconds REAL; -- from the beginning; truncated recordings only
        ALTER TABLE recording ADD COLUMN bit_rate INTEGER; -- bits per second of the whole file
        ALTER TABLE recording ADD COLUMN make TEXT;
        ALTER TABLE recording ADD COLUMN model TEXT;
        ALTER TABLE recording ADD COLUMN damaged_bytes TEXT; -- JSON list of {offset, length}
        ALTER TABLE stream ADD COLUMN rotation_degrees INTEGER;
        ALTER TABLE stream ADD COLUMN language TEXT;
        ALTER TABLE stream ADD COLUMN start_offset_seconds REAL;
        ALTER TABLE stream ADD COLUMN bit_rate INTEGER;
        CREATE TABLE position( -- where it was recorded, as the file says
          recording TEXT NOT NULL REFERENCES recording(id),
          position_index INTEGER NOT NULL,
          latitude_degrees REAL NOT NULL,
          longitude_degrees REAL NOT NULL,
          altitude_m REAL,
          at_ms INTEGER, -- by the receiver's clock
          PRIMARY KEY(recording, position_index)
        ) STRICT, WITHOUT ROWID;
        """

    private static let times = """
        ALTER TABLE recording ADD COLUMN profile TEXT; -- the device profile's name when it was collected
        ALTER TABLE recording ADD COLUMN part_number INTEGER; -- as the device counts
        ALTER TABLE recording ADD COLUMN take_key TEXT; -- equal for parts of one take
        ALTER TABLE recording ADD COLUMN camera TEXT; -- of a device with several
        ALTER TABLE recording ADD COLUMN important INTEGER NOT NULL DEFAULT 0 CHECK(important IN (0, 1));
        ALTER TABLE recording ADD COLUMN clock_offset_seconds REAL; -- positive: the device was ahead
        ALTER TABLE recording ADD COLUMN clock_offset_method TEXT;
        ALTER TABLE recording ADD COLUMN take TEXT REFERENCES recording(id); -- its first recording
        ALTER TABLE recording ADD COLUMN take_part INTEGER; -- 1 is the first
        ALTER TABLE recording ADD COLUMN take_gap_seconds REAL; -- after the part before
        CREATE INDEX recording_by_take ON recording(take, take_part) WHERE take IS NOT NULL;
        CREATE INDEX recording_without_device ON recording(source, order_ms, id) WHERE device IS NULL;
        ALTER TABLE dock ADD COLUMN clock_offset_seconds REAL;
        ALTER TABLE dock ADD COLUMN clock_offset_method TEXT;
        CREATE TABLE time_evidence( -- all that tells when a recording started, as it was found
          recording TEXT NOT NULL REFERENCES recording(id),
          evidence_index INTEGER NOT NULL,
          basis TEXT NOT NULL,
          original TEXT NOT NULL, -- digits or text as found
          read_as TEXT NOT NULL, -- how they were read, for people
          at_ms INTEGER NOT NULL, -- the start it gives, by the clock that wrote it
          by_device_clock INTEGER NOT NULL CHECK(by_device_clock IN (0, 1)),
          PRIMARY KEY(recording, evidence_index)
        ) STRICT, WITHOUT ROWID;
        """

    private static let companions = """
        ALTER TABLE sighting ADD COLUMN companion_key BLOB; -- path without extension, in lower case
        CREATE INDEX sighting_by_companion ON sighting(source, file_system, companion_key);
        """

    /// The queue of what is not described: each owner's is found, and begun, without looking at the others'.
    private static let queue = """
        ALTER TABLE recording ADD COLUMN owner TEXT GENERATED ALWAYS AS ( -- whose bytes; of one, one is looked into
          CASE place WHEN 'direct' THEN 'at ' || CAST(direct_root AS TEXT)
          ELSE 'from ' || source || ' ' || coalesce(device, '') END) VIRTUAL;
        DROP INDEX recording_undescribed;
        CREATE INDEX recording_undescribed ON recording(owner, collected_at_ms, id) WHERE described_at_ms IS NULL;
        """

    /// Of what was described before, the piece that was chosen is known.
    private static let earlierEvidence = """
        INSERT INTO time_evidence(recording, evidence_index, basis, original, read_as, at_ms, by_device_clock)
        SELECT id, 0, started_at_basis,
          CASE started_at_basis WHEN 'embedded' THEN coalesce(creation_time, '') ELSE '' END,
          'by an older version of the agent', started_at_ms, 1
        FROM recording
        WHERE started_at_ms IS NOT NULL AND started_at_basis IN ('embedded', 'file_name', 'file_time')
        """
}

extension RawPath {
    /// The path without its last name's extension, without regard to case: equal for a recording and its sidecars.
    var companionKey: Data {
        let name = lastComponent.bytes
        let stem = name.lastIndex(of: UInt8(ascii: ".")).flatMap { $0 > 0 ? name[..<$0] : nil } ?? name[...]
        let key = parent.appending(RawPath(bytes: stem))
        if let text = key.text { return Data(text.lowercased().utf8) }
        // Not UTF-8: what ASCII has of letters.
        return Data(key.bytes.map { (65...90).contains($0) ? $0 + 32 : $0 })
    }
}
