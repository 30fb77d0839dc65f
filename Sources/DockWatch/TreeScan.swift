package import EvidenceModel

/// A regular file as a scan found it: whether it has stopped changing is not known yet.
package struct ObservedFile: Sendable, Hashable {
    /// Path below the root, without a leading slash.
    package var path: RawPath
    package var stamp: FileStamp

    package init(path: RawPath, stamp: FileStamp) {
        self.path = path
        self.stamp = stamp
    }
}

/// What one walk through a watched tree found.
package struct TreeScan: Sendable, Hashable {
    package var files: [ObservedFile]
    /// What is left where it is; a folder here stands for everything below it.
    package var skipped: [SkippedEntry]
    /// The file system was mounted read-only at that moment.
    package var isReadOnly: Bool

    package init(files: [ObservedFile] = [], skipped: [SkippedEntry] = [], isReadOnly: Bool = false) {
        self.files = files
        self.skipped = skipped
        self.isReadOnly = isReadOnly
    }

    /// The file that was changed last, by the clock that wrote it; of several the first by path. Empty files are left
    /// out: a driver may show a volume's label as one, with a time that nobody wrote.
    package var newest: ObservedFile? {
        files.filter { $0.stamp.size > 0 }.min {
            ($1.stamp.modifiedNanoseconds, $0.path) < ($0.stamp.modifiedNanoseconds, $1.path)
        }
    }

    /// Sizes added up; a corrupt card can claim any.
    package var bytes: Int64 {
        files.reduce(0) { sum, file in
            let (next, overflow) = sum.addingReportingOverflow(max(0, file.stamp.size))
            return overflow ? .max : next
        }
    }
}

/// How far a scan goes into a tree that may be damaged or made to harm; what lies beyond is `unreadable`.
package struct ScanLimits: Sendable, Hashable {
    /// Folders below each other.
    package var depth: Int
    /// Names in all; reached on a card whose folders form a loop.
    package var names: Int

    package init(depth: Int = 64, names: Int = 1_000_000) {
        self.depth = depth
        self.names = names
    }
}

/// Which names in a tree are no recordings, whatever is in them.
enum SkippingRule {
    /// Folders that operating systems keep at the top of a file system: indexes, bins, what fsck found.
    private static let systemFolders: Set<String> = [
        "system volume information", "$recycle.bin", "lost+found", ".spotlight-v100", ".fseventsd", ".temporaryitems",
    ]

    /// What `name` is left out for, or nothing. FAT keeps names in any case, so case does not count; only the top of a
    /// tree has system folders: a folder further down with such a name was made by somebody.
    static func reason(for name: RawPath, isFolder: Bool, isAtTop: Bool) -> SkippedEntry.Reason? {
        if !isFolder { return name.bytes.starts(with: "._".utf8) ? .resourceFork : nil }
        guard isAtTop, let first = name.bytes.first, ".$SsLl".utf8.contains(first) else { return nil }
        let folded = name.display.lowercased()
        return folded.hasPrefix(".trash") || systemFolders.contains(folded) ? .systemFolder : nil
    }
}
