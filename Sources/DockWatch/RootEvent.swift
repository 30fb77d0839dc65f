package import EvidenceModel
package import FileAccess

/// What the watch over one tree has to tell.
package enum RootEvent: Sendable {
    /// Entries that are left where they are, each told once while it is there.
    case skipped([SkippedEntry])
    /// Files that settled; each stamp of a file once.
    case settled([SettledFile])
    /// A pass through the tree is over.
    case scanned(ScanSummary)
    /// The tree cannot be read; told once, until a pass succeeds again (`scanned`).
    case unreachable(FileAccessError)
}

/// What a pass found, for people who watch the dock.
package struct ScanSummary: Sendable, Hashable {
    /// Regular files that are not skipped.
    package var files: Int
    /// Their sizes added up.
    package var bytes: Int64
    /// Files that have not settled, and names that were there and could not be found a moment later.
    package var stillChanging: [RawPath]
    /// How long one of those that have not settled must stand still.
    package var settleSeconds: Double
    /// Folders that could not be looked into, and names that are listed and cannot be found: what they hold is not known.
    package var unreadable: [RawPath]
    /// The file that was changed last, by the clock that wrote it.
    package var newest: ObservedFile?

    package init(
        files: Int, bytes: Int64, stillChanging: [RawPath], settleSeconds: Double = 0, unreadable: [RawPath] = [],
        newest: ObservedFile? = nil
    ) {
        self.files = files
        self.bytes = bytes
        self.stillChanging = stillChanging
        self.settleSeconds = settleSeconds
        self.unreadable = unreadable
        self.newest = newest
    }
}

/// Decides when a tree is looked at next; all times are counted from one moment.
struct ScanPace: Sendable {
    /// Between the end of a scan and the beginning of the next, whatever hints come: a tree that is written to all the
    /// time must not be scanned all the time.
    static let shortestPause = Duration.milliseconds(500)
    /// Between two tries on a tree that cannot be read; the first is after one second, each pause twice the one before.
    static let longestRetryPause = Duration.seconds(60)

    /// The longest time between two scans where inotify(7) hears of every change, and where it does not.
    static let rescanInterval = Duration.seconds(30)
    static let deafRescanInterval = Duration.seconds(10)

    /// No scan before it, not even for a hint.
    private(set) var earliest = Duration.zero
    /// The next scan without any hint.
    private(set) var due = Duration.zero
    private var retryPause: Duration?

    /// Whether the last try failed.
    var isUnreachable: Bool { retryPause != nil }

    /// A scan ended.
    ///
    /// - Parameters:
    ///   - interval: the longest time until the next one.
    ///   - lookAgain: how long until something may have settled.
    mutating func scanned(at now: Duration, interval: Duration, lookAgain: Duration?) {
        retryPause = nil
        earliest = now + Self.shortestPause
        due = max(earliest, now + min(interval, lookAgain ?? interval))
    }

    /// The tree could not be read. Hints do not shorten the pause.
    mutating func failed(at now: Duration) {
        let pause = min(Self.longestRetryPause, retryPause.map { $0 * 2 } ?? .seconds(1))
        retryPause = pause
        earliest = now + pause
        due = earliest
    }
}

/// Tells which skipped entries have not been told of yet.
struct SkippedNews: Sendable {
    private var told: Set<SkippedEntry> = []

    /// A scan found these; those that the scan before did not find.
    mutating func scanned(_ skipped: [SkippedEntry]) -> [SkippedEntry] {
        let news = skipped.filter { !told.contains($0) }
        told = Set(skipped)
        return news
    }
}
