/// The bytes of a recording, as one reading of the source found them: the whole digest and that of every part.
package struct StoredContent: Sendable, Hashable {
    package let layout: PartLayout
    /// SHA-256 of all bytes.
    package let digest: ContentDigest
    /// SHA-256 of part 1, 2, …; as many as the layout has parts.
    package let partDigests: [ContentDigest]

    package init(layout: PartLayout, digest: ContentDigest, partDigests: [ContentDigest]) {
        precondition(partDigests.count == layout.count, "a digest for every part")
        self.layout = layout
        self.digest = digest
        self.partDigests = partDigests
    }

    /// Bytes.
    package var size: Int64 { layout.size }
}

/// Where the bytes of a recording lie on this station.
package enum ContentPlace: Sendable, Hashable {
    /// In the spool, under the recording's id.
    case spool
    /// Where the recorder wrote them: below the root at `root` on the file system `fileSystem`.
    case direct(root: RawPath, fileSystem: String, path: RawPath)
    /// On this station no more: its copy in the spool made room for others, and every target has it verified.
    case targets
}

/// A file that was read to its end after it settled, and is durable where `place` says.
package struct CollectedFile: Sendable, Hashable {
    package var id: RecordingID
    package var root: WatchedRoot
    package var file: SettledFile
    package var content: StoredContent
    package var place: ContentPlace
    package var collectedAt: WallTime

    package init(
        id: RecordingID, root: WatchedRoot, file: SettledFile, content: StoredContent, place: ContentPlace,
        collectedAt: WallTime
    ) {
        self.id = id
        self.root = root
        self.file = file
        self.content = content
        self.place = place
        self.collectedAt = collectedAt
    }
}

/// The bytes at both ends of a file, hashed: with the stamp they tell that a file was collected before.
package struct Sentinel: Sendable, Hashable {
    /// Bytes looked at on each end.
    package static let length = 64 << 10

    /// SHA-256 of the first 64 KiB, followed by the last 64 KiB where the file is longer than that.
    package let digest: ContentDigest

    package init(digest: ContentDigest) {
        self.digest = digest
    }
}
