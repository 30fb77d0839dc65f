package import EvidenceModel

/// Which folders something was heard of since they were asked about last.
package struct FolderHints: Sendable, Hashable {
    /// Below the root.
    package var folders: Set<RawPath>
    /// Something was lost: any folder may have changed.
    package var isAnything: Bool

    package init(folders: Set<RawPath> = [], isAnything: Bool = false) {
        self.folders = folders
        self.isAnything = isAnything
    }
}

/// Remembers the folders of a tree, and decides which need not be listed at the next look.
///
/// ```
///                listed         listed again, `steadiness` after the     stamp as remembered: not listed,
///                               stamp was first seen, stamp the same     its unsettled files asked for
///   (unknown) ────────▶ fresh ──────────────────────────────────────▶ steady ──┐
///                       ▲  ▲ another stamp, or not whole                │  ▲   │
///                       └──┴────────────────────────────────────────────┘  └───┘
/// ```
/// A folder's time changes when a name comes or goes in it. What was written so soon after the listing that the time is
/// the same once more (FAT counts in 2 s, other clocks in ms) is why a stamp must be old, by this station's clock, before
/// a listing of it is believed. The folder's own clock may be as wrong as it likes.
///
/// Invariants:
/// - Every folder is listed in a full pass: each `passesPerFull` passes or `fullInterval`, whichever is first, after a
///   pass that failed, and when hints were lost. There files are found that were changed in place.
/// - A folder that something was heard of is listed, and one whose time is 0, one that was not read whole, and one in which
///   a name was missing.
/// - A name that is missing in two looks one after the other did not just go away: what has it cannot be read.
/// - Once a steady folder has other names under the same stamp, its file system's times are not believed any more, and
///   every pass is full.
package struct FolderMemory: Sendable {
    /// Passes from one full pass to the next.
    static let passesPerFull = 20
    static let fullInterval = Duration.seconds(300)
    /// How old a stamp must be where every writer goes through this kernel: more than FAT's 2 s.
    static let steadiness = Duration.seconds(5)
    /// Elsewhere: a client may show what it learned a minute ago (nfs(5), acdirmax; sshfs 20 s).
    static let sharedSteadiness = Duration.seconds(90)

    private struct Known {
        var folder: ListedFolder
        /// A moment after the stamp was first seen, and one before the last listing.
        var stampSeen: Duration
        var listed: Duration
    }

    private var known: [RawPath: Known] = [:]
    private var passes = 0
    private var lastFull: Duration?
    private var isPlanFull = true
    private var timesLie = false
    /// Names that the last look missed.
    private var missing: Set<RawPath> = []
    private var steadyAfter = Self.steadiness

    package init() {}

    /// A look begins.
    ///
    /// - Parameter unsettled: files that have not settled.
    package mutating func plan(unsettled: [RawPath], hints: FolderHints, at now: Duration) -> ScanPlan {
        passes += 1
        let isOld = lastFull.map { now - $0 >= Self.fullInterval } ?? true
        isPlanFull = isOld || passes >= Self.passesPerFull || hints.isAnything || timesLie
        if isPlanFull { return ScanPlan() }
        let doubtful = hints.folders.union(missing.map(\.parent))
        let steady = known.filter { isSteady($0.value) && !doubtful.contains($0.key) }
        return ScanPlan(
            folders: steady.mapValues(\.folder), unsettled: Dictionary(grouping: unsettled) { $0.parent })
    }

    private func isSteady(_ known: Known) -> Bool {
        known.folder.isWhole && known.folder.stamp.modifiedNanoseconds != 0
            && known.listed - known.stampSeen >= steadyAfter
    }

    /// The planned look succeeded. What it missed as the one before did is `unreadable` in `scan` afterwards.
    package mutating func scanned(_ scan: inout TreeScan, from start: Duration, to end: Duration) {
        if isPlanFull { (passes, lastFull) = (0, start) }
        steadyAfter = scan.seesEveryWriter ? Self.steadiness : Self.sharedSteadiness
        var next: [RawPath: Known] = [:]
        for path in scan.unlisted { next[path] = known[path] }
        for folder in scan.listed {
            let old = known[folder.path].flatMap { $0.folder.stamp.agrees(with: folder.stamp) ? $0 : nil }
            if let old, isSteady(old), folder.isWhole, folder.namesMark != old.folder.namesMark { timesLie = true }
            next[folder.path] = Known(folder: folder, stampSeen: old?.stampSeen ?? end, listed: start)
        }
        known = next
        let unreadable = scan.missing.filter(missing.contains)
        missing = Set(scan.missing)
        scan.missing.removeAll(where: Set(unreadable).contains)
        scan.skipped += unreadable.map { SkippedEntry(path: $0, reason: .unreadable) }
    }

    /// The planned look failed: what was heard of before it must still be found.
    package mutating func failed() {
        lastFull = nil
    }
}
