package import GRDB

/// The catalogue's part of the station's schema. Times are milliseconds since 1970 in UTC, digests 32 bytes, names and
/// paths the bytes the file system had.
package enum CatalogueSchema {
    package static func registerMigrations(in migrator: inout DatabaseMigrator) {
        migrator.registerMigration("catalogue-1") { database in
            try database.execute(sql: recordings)
            try database.execute(sql: sightings)
            try database.execute(sql: docks)
        }
        migrator.registerMigration("catalogue-2", migrate: addDescriptions)
        migrator.registerMigration("catalogue-3", migrate: addDockings)
    }

    private static let recordings = """
        CREATE TABLE recording(
          id TEXT PRIMARY KEY CHECK(length(id) = 36),
          station TEXT NOT NULL,
          sha256 BLOB NOT NULL UNIQUE CHECK(length(sha256) = 32), -- of all bytes: same content, same recording
          size_bytes INTEGER NOT NULL CHECK(size_bytes >= 0),
          part_size_bytes INTEGER NOT NULL CHECK(part_size_bytes > 0),
          part_sha256 BLOB NOT NULL CHECK(length(part_sha256) % 32 = 0), -- of part 1, 2, … one behind the other
          place TEXT NOT NULL CHECK(place IN ('spool', 'direct')),
          direct_root BLOB, -- where the bytes lie when they are not in the spool
          direct_file_system TEXT,
          file_name BLOB NOT NULL,
          source TEXT NOT NULL,
          source_path BLOB NOT NULL, -- below the source's root
          searched_text TEXT NOT NULL, -- source_path as far as it is text
          device TEXT,
          officer TEXT,
          started_at_ms INTEGER,
          started_at_basis TEXT NOT NULL,
          order_ms INTEGER NOT NULL, -- started_at_ms, or the lowest number: the order of pages
          file_time_ms INTEGER NOT NULL, -- the file's modification time
          collected_at_ms INTEGER NOT NULL,
          described_at_ms INTEGER, -- when the probe had looked and the tags were given
          undescribed_reason TEXT, -- why not, where it was tried
          kind TEXT NOT NULL,
          container TEXT,
          duration_seconds REAL,
          creation_time TEXT, -- as the container has it
          health TEXT,
          health_details TEXT, -- JSON list of sentences
          state TEXT NOT NULL,
          CHECK(place = 'spool' OR (direct_root IS NOT NULL AND direct_file_system IS NOT NULL)),
          CHECK((described_at_ms IS NULL) = (health IS NULL))
        ) STRICT;
        CREATE INDEX recording_by_order ON recording(order_ms, id);
        CREATE INDEX recording_by_officer ON recording(officer, order_ms, id);
        CREATE INDEX recording_by_device ON recording(device, order_ms, id);
        CREATE INDEX recording_by_state ON recording(state, order_ms, id);
        CREATE INDEX recording_undescribed ON recording(collected_at_ms) WHERE described_at_ms IS NULL;
        CREATE TABLE stream(
          recording TEXT NOT NULL REFERENCES recording(id),
          stream_index INTEGER NOT NULL,
          kind TEXT NOT NULL,
          codec TEXT NOT NULL,
          width_px INTEGER, height_px INTEGER, frame_rate REAL, sample_rate_hz INTEGER, channels INTEGER,
          PRIMARY KEY(recording, stream_index)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE tag(
          recording TEXT NOT NULL REFERENCES recording(id),
          tag_index INTEGER NOT NULL,
          item TEXT NOT NULL,
          stage TEXT,
          case_number TEXT,
          given_by TEXT NOT NULL,
          confidence REAL NOT NULL CHECK(confidence BETWEEN 0 AND 1),
          given_at_ms INTEGER NOT NULL,
          list_version TEXT NOT NULL,
          PRIMARY KEY(recording, tag_index)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX tag_by_item ON tag(item, recording);
        CREATE INDEX tag_by_case ON tag(case_number, recording) WHERE case_number IS NOT NULL;
        """

    private static let sightings = """
        CREATE TABLE sighting( -- where a recording's content was seen
          recording TEXT NOT NULL REFERENCES recording(id),
          source TEXT NOT NULL,
          file_system TEXT NOT NULL,
          path BLOB NOT NULL, -- below the root
          size_bytes INTEGER NOT NULL,
          modified_ns INTEGER NOT NULL, -- st_mtim
          changed_ns INTEGER NOT NULL, -- st_ctim
          sentinel_sha256 BLOB NOT NULL CHECK(length(sentinel_sha256) = 32), -- of the first and last 64 KiB
          seen_at_ms INTEGER NOT NULL,
          PRIMARY KEY(source, file_system, path, size_bytes, modified_ns, changed_ns, sentinel_sha256)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX sighting_by_recording ON sighting(recording);
        """

    private static let docks = """
        CREATE TABLE dock( -- what is docked, or was last, at each watched root
          source TEXT NOT NULL,
          root BLOB NOT NULL,
          file_system TEXT NOT NULL,
          device TEXT,
          officer TEXT,
          state TEXT NOT NULL,
          reason TEXT,
          docked_at_ms INTEGER NOT NULL,
          undocked_at_ms INTEGER,
          files_total INTEGER NOT NULL DEFAULT 0,
          files_collected INTEGER NOT NULL DEFAULT 0,
          bytes_total INTEGER NOT NULL DEFAULT 0,
          bytes_collected INTEGER NOT NULL DEFAULT 0,
          PRIMARY KEY(source, root)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE dock_file( -- what this docking brought: two files of one content are one recording
          source TEXT NOT NULL,
          root BLOB NOT NULL,
          path BLOB NOT NULL, -- below the root
          recording TEXT NOT NULL REFERENCES recording(id),
          PRIMARY KEY(source, root, path)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE skipped_entry( -- left where it is, and why
          source TEXT NOT NULL,
          file_system TEXT NOT NULL,
          path BLOB NOT NULL,
          reason TEXT NOT NULL,
          seen_at_ms INTEGER NOT NULL,
          PRIMARY KEY(source, file_system, path)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE uncollected_file( -- settled, but could not be read; tried again while it is there
          source TEXT NOT NULL,
          file_system TEXT NOT NULL,
          path BLOB NOT NULL,
          reason TEXT NOT NULL,
          since_ms INTEGER NOT NULL,
          PRIMARY KEY(source, file_system, path)
        ) STRICT, WITHOUT ROWID;
        """
}
