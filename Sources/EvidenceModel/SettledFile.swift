/// What stat(2) says of a file: its identity on its file system and the signs of a change.
package struct FileStamp: Sendable, Hashable {
    /// `st_dev`.
    package var device: UInt64
    /// `st_ino`; unstable on FAT.
    package var inode: UInt64
    /// `st_size`, bytes.
    package var size: Int64
    /// `st_mtim`, nanoseconds since 1970; FAT keeps 2 s steps.
    package var modifiedNanoseconds: Int64
    /// `st_ctim`, nanoseconds since 1970.
    package var changedNanoseconds: Int64

    package init(device: UInt64, inode: UInt64, size: Int64, modifiedNanoseconds: Int64, changedNanoseconds: Int64) {
        self.device = device
        self.inode = inode
        self.size = size
        self.modifiedNanoseconds = modifiedNanoseconds
        self.changedNanoseconds = changedNanoseconds
    }

    /// Whether nothing speaks for another content: all but the inode number, which FAT and FUSE make up anew whenever
    /// the kernel forgets a file.
    package func agrees(with other: FileStamp) -> Bool {
        device == other.device && size == other.size && modifiedNanoseconds == other.modifiedNanoseconds
            && changedNanoseconds == other.changedNanoseconds
    }

    package var modifiedAt: WallTime {
        WallTime(millisecondsSince1970: modifiedNanoseconds.flooredDivision(by: 1_000_000))
    }
}

/// What a file shows without its inode and device number, which change from docking to docking: size and times.
package struct FileTimes: Sendable, Hashable {
    /// Bytes.
    package var size: Int64
    /// `st_mtim`, nanoseconds since 1970.
    package var modifiedNanoseconds: Int64
    /// `st_ctim`, nanoseconds since 1970.
    package var changedNanoseconds: Int64

    package init(size: Int64, modifiedNanoseconds: Int64, changedNanoseconds: Int64) {
        self.size = size
        self.modifiedNanoseconds = modifiedNanoseconds
        self.changedNanoseconds = changedNanoseconds
    }

    package init(_ stamp: FileStamp) {
        self.init(
            size: stamp.size, modifiedNanoseconds: stamp.modifiedNanoseconds,
            changedNanoseconds: stamp.changedNanoseconds)
    }
}

/// A tree that is watched: a mounted device below a source, or a source's directory itself.
package struct WatchedRoot: Sendable, Hashable {
    package enum Kind: Sendable, Hashable {
        /// A file system mounted below the source's `mounts_under`: one docking of a device.
        case mount
        /// The directory that the source names; it is always there.
        case directory
    }

    /// The configured source's name.
    package var source: String
    package var kind: Kind
    /// Absolute path of the tree.
    package var path: RawPath
    /// What the file system is called, stable over re-mounts where it has a UUID; else the mounted thing's name.
    package var fileSystem: String
    /// The volume's label, where one is known.
    package var label: String?
    /// `st_dev` that everything in the tree must have; none when the tree may span file systems (a directory).
    package var device: UInt64?
    /// Mounted read-only: nobody on this machine can be writing to it.
    package var isReadOnly: Bool
    /// As the mount table has it, `vfat`; empty for a directory, which may span several.
    package var fileSystemType: String
    /// The node below /dev that the file system lies on, where it lies on one.
    package var blockDevice: RawPath?
    /// The USB device that the block device belongs to: a camera, or the reader that a card is in.
    package var usb: USBIdentity?

    package init(
        source: String, kind: Kind, path: RawPath, fileSystem: String, label: String? = nil, device: UInt64? = nil,
        isReadOnly: Bool = false, fileSystemType: String = "", blockDevice: RawPath? = nil, usb: USBIdentity? = nil
    ) {
        self.source = source
        self.kind = kind
        self.path = path
        self.fileSystem = fileSystem
        self.label = label
        self.device = device
        self.isReadOnly = isReadOnly
        self.fileSystemType = fileSystemType
        self.blockDevice = blockDevice
        self.usb = usb
    }
}

/// A regular file that has stopped changing and that no writer is known to have open.
package struct SettledFile: Sendable, Hashable {
    /// Path below the root, without a leading slash.
    package var path: RawPath
    /// The stamp it settled with; a different one later means another content.
    package var stamp: FileStamp
    /// It ends in zero bytes, on a file system where other machines may be writing: its writer may have made it at full
    /// size and never filled it. That it stood still was watched for longer.
    package var looksPreallocated: Bool

    package init(path: RawPath, stamp: FileStamp, looksPreallocated: Bool = false) {
        self.path = path
        self.stamp = stamp
        self.looksPreallocated = looksPreallocated
    }
}

/// Something in a watched tree that is left where it is, and why: shown, not lost silently.
package struct SkippedEntry: Sendable, Hashable {
    package enum Reason: String, Sendable, Hashable, CaseIterable {
        case systemFolder = "system_folder"
        case resourceFork = "resource_fork"
        case symbolicLink = "symbolic_link"
        case notRegular = "not_regular"
        case otherFileSystem = "other_file_system"
        case unreadable = "unreadable"
    }

    /// Path below the root; of a folder, everything below it is meant.
    package var path: RawPath
    package var reason: Reason

    package init(path: RawPath, reason: Reason) {
        self.path = path
        self.reason = reason
    }
}
