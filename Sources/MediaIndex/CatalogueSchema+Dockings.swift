import GRDB

extension CatalogueSchema {
    /// The history of dockings, what could not be read of a file, what left the spool, what was removed from a device,
    /// who has which device, and holds.
    static func addDockings(in database: Database) throws {
        try database.execute(sql: dockings)
        try database.execute(sql: earlierDockings)
        try database.execute(sql: recordings)
        try database.execute(sql: people)
    }

    private static let dockings = """
        CREATE TABLE docking( -- one stay of a device, or of a source's directory; the last of a root is how it is now
          id INTEGER PRIMARY KEY, -- in the order in which they began
          source TEXT NOT NULL,
          root BLOB NOT NULL,
          file_system TEXT NOT NULL,
          file_system_type TEXT,
          label TEXT,
          bay TEXT, -- the port, as people call it
          usb TEXT, -- JSON: vendor, product, serial, port
          device TEXT,
          officer TEXT,
          state TEXT NOT NULL,
          reason TEXT,
          docked_at_ms INTEGER NOT NULL,
          undocked_at_ms INTEGER,
          ended TEXT CHECK(ended IN ('complete', 'early', 'unwatched')),
          files_total INTEGER NOT NULL DEFAULT 0,
          files_collected INTEGER NOT NULL DEFAULT 0,
          files_damaged INTEGER NOT NULL DEFAULT 0, -- of which a part could not be read
          files_wiped INTEGER NOT NULL DEFAULT 0,
          bytes_total INTEGER NOT NULL DEFAULT 0,
          bytes_collected INTEGER NOT NULL DEFAULT 0,
          bytes_per_second REAL NOT NULL DEFAULT 0, -- collected, of late
          clock_offset_seconds REAL,
          clock_offset_method TEXT,
          CHECK((undocked_at_ms IS NULL) = (state <> 'undocked'))
        ) STRICT;
        CREATE INDEX docking_by_root ON docking(source, root, id);
        CREATE INDEX docking_by_device ON docking(device, id) WHERE device IS NOT NULL;
        CREATE TABLE docking_file( -- what was found there: two files of one content are one recording
          docking INTEGER NOT NULL REFERENCES docking(id),
          path BLOB NOT NULL, -- below the root
          recording TEXT NOT NULL REFERENCES recording(id),
          is_new INTEGER NOT NULL CHECK(is_new IN (0, 1)), -- this docking brought it; rows of others go with the docking
          PRIMARY KEY(docking, path)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX docking_file_by_recording ON docking_file(recording);
        CREATE TABLE removal( -- a file taken from a device after it was proved to be at the targets
          docking INTEGER NOT NULL REFERENCES docking(id),
          path BLOB NOT NULL,
          recording TEXT NOT NULL REFERENCES recording(id),
          method TEXT NOT NULL, -- how it was read again
          begun_at_ms INTEGER NOT NULL, -- proved; the name was about to go
          removed_at_ms INTEGER, -- it is gone, and the ledger says so
          PRIMARY KEY(docking, path)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX removal_open ON removal(docking) WHERE removed_at_ms IS NULL;
        """

    /// What is known of the last docking at each root is the history's beginning.
    private static let earlierDockings = """
        INSERT INTO docking(source, root, file_system, device, officer, state, reason, docked_at_ms, undocked_at_ms,
          ended, files_total, files_collected, bytes_total, bytes_collected, clock_offset_seconds, clock_offset_method)
        SELECT source, root, file_system, device, officer, state, reason, docked_at_ms,
          CASE WHEN state = 'undocked' THEN coalesce(undocked_at_ms, docked_at_ms) END,
          CASE WHEN state = 'undocked' THEN iif(files_collected < files_total, 'early', 'complete') END,
          files_total, files_collected, bytes_total, bytes_collected, clock_offset_seconds, clock_offset_method
        FROM dock ORDER BY docked_at_ms, source, root;
        INSERT INTO docking_file(docking, path, recording, is_new)
        SELECT docking.id, path, recording, 1 FROM dock_file JOIN docking USING(source, root);
        DROP TABLE dock_file;
        DROP TABLE dock;
        """

    private static let recordings = """
        ALTER TABLE recording ADD COLUMN unreadable_bytes TEXT; -- JSON list of {offset, length}: zeros stand there
        ALTER TABLE recording ADD COLUMN evicted_at_ms INTEGER; -- the spool's copy made room; the targets have it
        ALTER TABLE recording ADD COLUMN named_officer TEXT; -- what names on the device said
        ALTER TABLE recording ADD COLUMN officer_by TEXT CHECK(officer_by IN ('name', 'register'));
        UPDATE recording SET named_officer = officer, officer_by = 'name' WHERE officer IS NOT NULL;
        CREATE INDEX recording_evictable ON recording(collected_at_ms)
          WHERE state = 'verified' AND place = 'spool' AND evicted_at_ms IS NULL;
        CREATE INDEX recording_evicted ON recording(evicted_at_ms) WHERE evicted_at_ms IS NOT NULL;
        -- Of a file that was read in part, the next docking reads all of it again.
        ALTER TABLE sighting ADD COLUMN whole INTEGER NOT NULL DEFAULT 1 CHECK(whole IN (0, 1));
        """

    private static let people = """
        CREATE TABLE device_assignment( -- who had a device when, as somebody said; later rows go before earlier ones
          id INTEGER PRIMARY KEY,
          serial TEXT NOT NULL,
          officer TEXT,
          name TEXT,
          from_ms INTEGER,
          until_ms INTEGER,
          set_by TEXT NOT NULL,
          set_at_ms INTEGER NOT NULL,
          CHECK(from_ms IS NULL OR until_ms IS NULL OR from_ms < until_ms)
        ) STRICT;
        CREATE INDEX device_assignment_by_serial ON device_assignment(serial, id);
        CREATE TABLE hold( -- a person's order that a recording is kept until it is released
          id INTEGER PRIMARY KEY,
          recording TEXT NOT NULL REFERENCES recording(id),
          reason TEXT NOT NULL,
          held_by TEXT NOT NULL,
          held_at_ms INTEGER NOT NULL,
          released_by TEXT,
          released_at_ms INTEGER,
          CHECK((released_by IS NULL) = (released_at_ms IS NULL))
        ) STRICT;
        CREATE INDEX hold_by_recording ON hold(recording);
        """
}
