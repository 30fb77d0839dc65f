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

/// A folder as a scan listed it.
package struct ListedFolder: Sendable, Hashable {
    /// Below the root; empty for the root itself.
    package var path: RawPath
    /// Asked for before its names were read.
    package var stamp: FileStamp
    /// Names of the folders in it that are looked into.
    package var folders: [RawPath]
    /// What is left out of it.
    package var skipped: [SkippedEntry]
    /// Equal for equal sets of names, in one run of the agent.
    package var namesMark: Int
    /// Every name in it could be asked for.
    package var isWhole: Bool

    package init(
        path: RawPath, stamp: FileStamp, folders: [RawPath] = [], skipped: [SkippedEntry] = [], namesMark: Int = 0,
        isWhole: Bool = true
    ) {
        self.path = path
        self.stamp = stamp
        self.folders = folders
        self.skipped = skipped
        self.namesMark = namesMark
        self.isWhole = isWhole
    }
}

/// What one walk through a watched tree found.
package struct TreeScan: Sendable, Hashable {
    /// Those in listed folders, and those that were asked for in the others.
    package var files: [ObservedFile]
    /// What is left where it is; a folder here stands for everything below it.
    package var skipped: [SkippedEntry]
    /// Names that were listed, and of which the file system said a moment later that there is no such thing: they went
    /// away, or it cannot find what it lists (`FolderMemory`).
    package var missing: [RawPath]
    package var listed: [ListedFolder]
    /// Folders that were as the plan has them: what settled there did not come or go.
    package var unlisted: Set<RawPath>
    /// The file system was mounted read-only at that moment.
    package var isReadOnly: Bool
    /// Nobody can write to the root's file system but through this kernel.
    package var seesEveryWriter: Bool

    package init(
        files: [ObservedFile] = [], skipped: [SkippedEntry] = [], missing: [RawPath] = [],
        listed: [ListedFolder] = [], unlisted: Set<RawPath> = [], isReadOnly: Bool = false, seesEveryWriter: Bool = true
    ) {
        self.files = files
        self.skipped = skipped
        self.missing = missing
        self.listed = listed
        self.unlisted = unlisted
        self.isReadOnly = isReadOnly
        self.seesEveryWriter = seesEveryWriter
    }
}

/// Which folders of a tree need not be listed again.
package struct ScanPlan: Sendable {
    /// By path: each needs no listing as long as it has this stamp.
    package var folders: [RawPath: ListedFolder]
    /// Files that have not settled, by the folder they are in: asked for where that is not listed.
    package var unsettled: [RawPath: [RawPath]]

    /// Everything is listed where nothing is given.
    package init(folders: [RawPath: ListedFolder] = [:], unsettled: [RawPath: [RawPath]] = [:]) {
        self.folders = folders
        self.unsettled = unsettled
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
