/// Which recordings are asked for: every filter that is set must hold. Newest first by start time, those without one
/// last; `after` goes on behind a page's last recording.
package struct RecordingQuery: Sendable, Hashable {
    /// Started at this moment or later.
    package var since: WallTime?
    /// Started before this moment.
    package var until: WallTime?
    package var officer: String?
    package var device: String?
    package var item: String?
    package var stage: String?
    package var caseNumber: String?
    package var kind: MediaKind?
    package var state: RecordingState?
    package var health: MediaHealth?
    /// The id of a take's first recording.
    package var take: RecordingID?
    /// A piece of the file name or of the path below the source.
    package var text: String?
    /// At most so many recordings on a page.
    package var limit: Int
    package var after: Cursor?

    package init(limit: Int = 50) {
        self.limit = limit
    }

    /// The place of a recording in the order of pages.
    package struct Cursor: Sendable, Hashable {
        /// Start time; the lowest number there is for a recording without one.
        package var startedAtMilliseconds: Int64
        package var id: RecordingID

        package init(startedAtMilliseconds: Int64, id: RecordingID) {
            self.startedAtMilliseconds = startedAtMilliseconds
            self.id = id
        }

        package init(_ recording: Recording) {
            self.init(startedAtMilliseconds: recording.startedAt?.millisecondsSince1970 ?? .min, id: recording.id)
        }

        /// `<milliseconds>.<id>`, for people and programs to hand back unread.
        package var text: String { "\(startedAtMilliseconds).\(id)" }

        /// Nothing when `text` is no cursor.
        package init?(text: String) {
            let parts = text.split(separator: ".", maxSplits: 1)
            guard parts.count == 2, let time = Int64(parts[0]), let id = RecordingID(String(parts[1])) else {
                return nil
            }
            self.init(startedAtMilliseconds: time, id: id)
        }
    }
}

/// One page of an answer.
package struct RecordingPage: Sendable, Hashable {
    package var recordings: [Recording]
    /// Where the next page begins; none on the last.
    package var next: RecordingQuery.Cursor?

    package init(recordings: [Recording], next: RecordingQuery.Cursor?) {
        self.recordings = recordings
        self.next = next
    }
}
