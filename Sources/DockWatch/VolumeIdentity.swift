package import EvidenceModel
import Glibc

/// What a file system calls itself, which stays the same over re-mounts, in whatever slot the card is; and what it lies on.
package struct VolumeIdentity: Sendable, Hashable {
    package var uuid: String?
    package var label: String?
    /// The node below /dev.
    package var blockDevice: RawPath?
    package var usb: USBIdentity?

    package init(
        uuid: String? = nil, label: String? = nil, blockDevice: RawPath? = nil, usb: USBIdentity? = nil
    ) {
        self.uuid = uuid
        self.label = label
        self.blockDevice = blockDevice
        self.usb = usb
    }
}

/// The identities that udev(7) and the kernel published at one moment.
package struct VolumeIdentities: Sendable, Hashable {
    /// By the device number of the block device's node.
    private var byDevice: [UInt64: VolumeIdentity] = [:]
    /// By the name of the node, for file systems whose `st_dev` is not their block device's (btrfs).
    private var byNode: [RawPath: VolumeIdentity] = [:]

    package init() {}

    /// What is known of a mounted file system, by its device number or else by what was mounted.
    package func identity(device: UInt64, source: RawPath) -> VolumeIdentity? {
        byDevice[device] ?? byNode[source]
    }

    /// Notes an identity of the block device `device`, whose node is `node`; a name known already stays.
    package mutating func note(_ identity: VolumeIdentity, device: UInt64, node: RawPath) {
        byDevice[device, default: VolumeIdentity()].fill(from: identity)
        byNode[node, default: VolumeIdentity()].fill(from: identity)
    }

    /// Reads the links in `directory`/by-uuid and `directory`/by-label, udev's; a folder that is not there is empty,
    /// as in a container. Does not touch the devices themselves.
    package static func read(from directory: RawPath = RawPath("/dev/disk")) -> VolumeIdentities {
        var identities = VolumeIdentities()
        for (device, node, name) in links(in: directory.appending("by-uuid")) {
            identities.note(VolumeIdentity(uuid: name), device: device, node: node)
        }
        for (device, node, name) in links(in: directory.appending("by-label")) {
            identities.note(VolumeIdentity(label: name), device: device, node: node)
        }
        return identities
    }

    /// Every link to a block device: that device's number, its node, and the link's name with udev's escapes undone.
    private static func links(in folder: RawPath) -> [(device: UInt64, node: RawPath, name: String)] {
        guard let stream = folder.withCString({ opendir($0) }) else { return [] }
        defer { closedir(stream) }
        var links: [(UInt64, RawPath, String)] = []
        while let entry = readdir(stream) {
            // d_name is a NUL-terminated array of the entry that readdir owns until the next call.
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: UInt8.self, capacity: 256) { bytes in
                    RawPath(bytes: UnsafeBufferPointer(start: bytes, count: strlen(bytes)))
                }
            }
            let link = folder.appending(name)
            var status = stat()
            guard link.withCString({ stat($0, &status) }) == 0, status.st_mode & S_IFMT == S_IFBLK else { continue }
            links.append((UInt64(status.st_rdev), node(of: link), unescaped(name)))
        }
        return links
    }

    /// `/dev/sdb1` for a link to `../../sdb1`.
    private static func node(of link: RawPath) -> RawPath {
        link.withCString { path in
            guard let resolved = realpath(path, nil) else { return link }
            defer { free(resolved) }
            return RawPath(String(cString: resolved))
        }
    }

    /// udev writes bytes that a file name should not have as `\xNN`.
    static func unescaped(_ name: RawPath) -> String {
        var bytes: [UInt8] = []
        var rest = name.bytes[...]
        while let first = rest.first {
            if rest.starts(with: "\\x".utf8),
                let value = Hexadecimal.decode(String(decoding: rest.dropFirst(2).prefix(2), as: UTF8.self)),
                value.count == 1
            {
                bytes += value
                rest = rest.dropFirst(4)
            } else {
                bytes.append(first)
                rest = rest.dropFirst()
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension VolumeIdentity {
    fileprivate mutating func fill(from other: VolumeIdentity) {
        uuid = uuid ?? other.uuid
        label = label ?? other.label
        blockDevice = blockDevice ?? other.blockDevice
        usb = usb ?? other.usb
    }
}
