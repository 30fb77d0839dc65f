package import EvidenceModel

/// One mounted file system, a line of /proc/self/mountinfo (proc(5), `/proc/pid/mountinfo`).
package struct MountEntry: Sendable, Hashable {
    /// Unique among the mounts of one moment; used again after an unmount.
    package var mountID: Int
    /// `st_dev` of the file system as makedev(3) builds it; 0 as major number where no block device is below.
    package var device: UInt64
    /// Which directory of the file system is mounted; "/" unless it is a bind mount or a subvolume.
    package var directory: RawPath
    package var mountPoint: RawPath
    /// The mount or the file system under it is read-only.
    package var isReadOnly: Bool
    /// `ext4`, `fuseblk`, `fuse.fusefat`.
    package var fileSystemType: String
    /// The device node, the share, or whatever the file system calls itself.
    package var source: RawPath

    package init(
        mountID: Int, device: UInt64, directory: RawPath = RawPath("/"), mountPoint: RawPath, isReadOnly: Bool = false,
        fileSystemType: String, source: RawPath
    ) {
        self.mountID = mountID
        self.device = device
        self.directory = directory
        self.mountPoint = mountPoint
        self.isReadOnly = isReadOnly
        self.fileSystemType = fileSystemType
        self.source = source
    }
}

/// What is mounted at one moment, in the kernel's order: of two mounts on one point the later is on top.
package struct MountTable: Sendable, Hashable {
    package var entries: [MountEntry]
    /// Lines that are not as proc(5) has them; they are left out.
    package var malformedLines: Int

    package init(entries: [MountEntry], malformedLines: Int = 0) {
        self.entries = entries
        self.malformedLines = malformedLines
    }

    /// Reads the text of /proc/self/mountinfo. Names are bytes: nothing is assumed of their encoding.
    package static func parse(_ bytes: [UInt8]) -> MountTable {
        var table = MountTable(entries: [])
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            if let entry = MountEntry(line: line) {
                table.entries.append(entry)
            } else {
                table.malformedLines += 1
            }
        }
        return table
    }
}

extension MountEntry {
    /// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`; any number of optional fields
    /// may stand before the lone "-". A source may be empty, so no separator may be skipped.
    fileprivate init?(line: ArraySlice<UInt8>) {
        let fields = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        guard
            fields.count >= 10, let dash = fields[6...].firstIndex(where: { $0.elementsEqual("-".utf8) }),
            dash + 3 < fields.count, let mountID = Int(ascii: fields[0]), Int(ascii: fields[1]) != nil,
            let device = Self.device(fields[2]), !fields[3].isEmpty, fields[4].first == UInt8(ascii: "/"),
            !fields[dash + 1].isEmpty
        else { return nil }
        self.init(
            mountID: mountID, device: device, directory: RawPath(bytes: unescaped(fields[3])),
            mountPoint: RawPath(bytes: unescaped(fields[4])),
            isReadOnly: Self.saysReadOnly(fields[5]) || Self.saysReadOnly(fields[dash + 3]),
            fileSystemType: String(decoding: unescaped(fields[dash + 1]), as: UTF8.self),
            source: RawPath(bytes: unescaped(fields[dash + 2])))
    }

    private static func saysReadOnly(_ options: ArraySlice<UInt8>) -> Bool {
        options.split(separator: UInt8(ascii: ",")).contains { $0.elementsEqual("ro".utf8) }
    }

    private static func device(_ field: ArraySlice<UInt8>) -> UInt64? {
        let numbers = field.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        guard
            numbers.count == 2, let major = Int(ascii: numbers[0]), let minor = Int(ascii: numbers[1]),
            let major = UInt32(exactly: major), let minor = UInt32(exactly: minor)
        else { return nil }
        return DeviceNumber.make(major: major, minor: minor)
    }
}

/// Device numbers as makedev(3) packs them into `dev_t`.
package enum DeviceNumber {
    package static func make(major: UInt32, minor: UInt32) -> UInt64 {
        let (major, minor) = (UInt64(major), UInt64(minor))
        return (major & 0xffff_f000) << 32 | (major & 0xfff) << 8 | (minor & 0xffff_ff00) << 12 | (minor & 0xff)
    }

    /// 0 for file systems without a block device: FUSE, network, memory.
    package static func major(_ device: UInt64) -> UInt32 {
        UInt32(truncatingIfNeeded: (device >> 32) & 0xffff_f000 | (device >> 8) & 0xfff)
    }

    package static func minor(_ device: UInt64) -> UInt32 {
        UInt32(truncatingIfNeeded: (device >> 12) & 0xffff_ff00 | device & 0xff)
    }
}

extension Int {
    /// Decimal digits alone, without a sign.
    fileprivate init?(ascii digits: ArraySlice<UInt8>) {
        guard !digits.isEmpty, digits.count <= 10 else { return nil }
        self = 0
        for digit in digits {
            guard digit >= UInt8(ascii: "0"), digit <= UInt8(ascii: "9") else { return nil }
            self = self * 10 + Int(digit - UInt8(ascii: "0"))
        }
    }
}

/// Bytes with the kernel's `\ooo` for space, tab, newline, backslash and "#" undone (seq_file's mangling); a backslash
/// that begins no such group stands for itself.
private func unescaped(_ field: ArraySlice<UInt8>) -> [UInt8] {
    var bytes: [UInt8] = []
    var index = field.startIndex
    while index < field.endIndex {
        let group = field[index...].prefix(4)
        if group.first == UInt8(ascii: "\\"), group.count == 4, let value = octal(group.dropFirst()) {
            bytes.append(value)
            index += 4
        } else {
            bytes.append(field[index])
            index += 1
        }
    }
    return bytes
}

private func octal(_ digits: ArraySlice<UInt8>) -> UInt8? {
    var value = 0
    for digit in digits {
        guard digit >= UInt8(ascii: "0"), digit <= UInt8(ascii: "7") else { return nil }
        value = value * 8 + Int(digit - UInt8(ascii: "0"))
    }
    return UInt8(exactly: value)
}
