/// The catalogue as the first version of the agent made it, with rows. It is never changed: it stands for the databases
/// that stations have.
enum CatalogueOne {
    static let schema = """
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

    /// Three recordings: by name, by container, not described; with stream, tag, sightings and a dock.
    static let rows = """
        INSERT INTO recording(id, station, sha256, size_bytes, part_size_bytes, part_sha256, place, file_name, source,
          source_path, searched_text, device, officer, started_at_ms, started_at_basis, order_ms, file_time_ms,
          collected_at_ms, described_at_ms, kind, container, duration_seconds, creation_time, health, health_details,
          state)
        VALUES
          ('01900000-0000-7000-8000-000000000001', 's', CAST(zeroblob(31) || x'01' AS BLOB), 5, 8388608, zeroblob(32),
           'spool', CAST('K0001_1.MP4' AS BLOB), 'docks', CAST('DCIM/K0001_1.MP4' AS BLOB), 'DCIM/K0001_1.MP4',
           'K0001', '061234', 1700000000000, 'file_name', 1700000000000, 1700000020000, 1700000100000, 1700000200000,
           'video', 'mp4', 20.02, '2023-11-14T22:13:20Z', 'intact', '["a"]', 'verified'),
          ('01900000-0000-7000-8000-000000000002', 's', CAST(zeroblob(31) || x'02' AS BLOB), 5, 8388608, zeroblob(32),
           'spool', CAST('x.mp4' AS BLOB), 'docks', CAST('x.mp4' AS BLOB), 'x.mp4', NULL, NULL, 1700000000000,
           'embedded', 1700000000000, 1700000020000, 1700000100000, 1700000200000, 'video', 'mp4', 20.02,
           '2023-11-14T22:13:20Z', 'intact', '[]', 'collected'),
          ('01900000-0000-7000-8000-000000000003', 's', CAST(zeroblob(31) || x'03' AS BLOB), 5, 8388608, zeroblob(32),
           'spool', CAST('X.gpx' AS BLOB), 'docks', CAST('X.gpx' AS BLOB), 'X.gpx', NULL, NULL, NULL, 'unknown',
           -9223372036854775808, 1700000020000, 1700000100000, NULL, 'unknown', NULL, NULL, NULL, NULL, NULL,
           'collected');
        INSERT INTO stream VALUES
          ('01900000-0000-7000-8000-000000000001', 0, 'video', 'h264', 1280, 720, 25.0, NULL, NULL);
        INSERT INTO tag VALUES
          ('01900000-0000-7000-8000-000000000001', 0, 'i', 's', NULL, 'rule:r', 0.5, 1700000200000, 'v');
        INSERT INTO sighting VALUES
          ('01900000-0000-7000-8000-000000000002', 'docks', 'f', CAST('x.mp4' AS BLOB), 5, 1700000020000000000, 1,
           zeroblob(32), 1700000100000),
          ('01900000-0000-7000-8000-000000000003', 'docks', 'f', CAST('X.gpx' AS BLOB), 5, 1700000021000000000, 1,
           zeroblob(32), 1700000100000);
        INSERT INTO dock(source, root, file_system, state, docked_at_ms)
        VALUES('docks', CAST('/media/a' AS BLOB), 'f', 'uploading', 1700000000000);
        INSERT INTO dock_file VALUES
          ('docks', CAST('/media/a' AS BLOB), CAST('x.mp4' AS BLOB), '01900000-0000-7000-8000-000000000002');
        CREATE TABLE grdb_migrations(identifier TEXT NOT NULL PRIMARY KEY);
        INSERT INTO grdb_migrations VALUES('catalogue-1');
        """
}
