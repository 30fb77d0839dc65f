import Dispatch
package import EvidenceModel
import Glibc

/// Tells what is known of mounted file systems, from one reading of the mount table to the next: udev's links, and the
/// kernel's tree of devices.
///
/// Asks links, nodes and sysfs alone, and of each mount once: no device and no mounted file system is touched. The names of
/// a USB device that is being reset are waited for on a thread of their own, and not for long: it holds nothing else up.
package struct VolumeReader: Sendable {
    /// For the names of all new devices together.
    private static let patienceSeconds = 2.0

    /// What stays the same while a mount is there.
    private struct Key: Hashable {
        var mountID: Int
        var device: UInt64
        var source: RawPath
    }

    /// Of one mounted block device.
    private struct Found: Sendable {
        var number: UInt64
        var identity: VolumeIdentity
    }

    private let links: RawPath
    private let patienceSeconds: Double
    private let usb: @Sendable (_ blockDevice: UInt64, _ withNames: Bool) -> USBIdentity?
    /// Of the mounts of the last table; nothing for those that are no block device.
    private var known: [Key: Found?] = [:]

    package init(links: RawPath = RawPath("/dev/disk"), devices: DeviceTree = DeviceTree()) {
        self.init(links: links, patienceSeconds: Self.patienceSeconds) {
            devices.usb(ofBlockDevice: $0, withNames: $1)
        }
    }

    init(
        links: RawPath, patienceSeconds: Double,
        usb: @escaping @Sendable (_ blockDevice: UInt64, _ withNames: Bool) -> USBIdentity?
    ) {
        self.links = links
        self.patienceSeconds = patienceSeconds
        self.usb = usb
    }

    /// The identities of the mounted `entries`, the whole table. A USB device whose names cannot be had within 2 s, or
    /// until the task is cancelled, is known by its numbers and its port as long as it is mounted.
    package mutating func read(about entries: [MountEntry]) async -> VolumeIdentities {
        let before = known
        known = [:]
        var new: [(key: Key, node: RawPath, number: UInt64)] = []
        for entry in entries {
            let key = Key(mountID: entry.mountID, device: entry.device, source: entry.source)
            if let found = before[key] {
                known[key] = .some(found)
            } else if let number = entry.blockDeviceNumber {
                new.append((key, entry.source, number))
            } else {
                known[key] = .some(nil)
            }
        }
        let devices = await identities(ofBlockDevices: Set(new.map(\.number)))
        for (key, node, number) in new {
            let identity = VolumeIdentity(blockDevice: node, usb: devices[number])
            known[key] = Found(number: number, identity: identity)
        }
        var identities = VolumeIdentities.read(from: links)
        for case let (key, found?) in known {
            identities.note(found.identity, device: found.number, node: key.source)
        }
        return identities
    }

    private func identities(ofBlockDevices numbers: Set<UInt64>) async -> [UInt64: USBIdentity] {
        var identities: [UInt64: USBIdentity] = [:]
        for number in numbers { identities[number] = usb(number, false) }
        await withTaskGroup(of: (UInt64, USBIdentity?).self) { group in
            for number in identities.keys { group.addTask { (number, await self.named(number)) } }
            for await case (let number, let identity?) in group { identities[number] = identity }
        }
        return identities
    }

    /// Nothing where it takes too long; the thread that waits ends with the reset.
    private func named(_ number: UInt64) async -> USBIdentity? {
        let (answers, continuation) = AsyncStream.makeStream(of: USBIdentity?.self)
        let usb = usb
        DispatchQueue(label: "names of a USB device").async {
            continuation.yield(usb(number, true))
        }
        DispatchQueue.global().asyncAfter(deadline: .now() + patienceSeconds) {
            continuation.finish()
        }
        for await answer in answers { return answer }
        return nil
    }
}

extension MountEntry {
    /// The number of the block device that was mounted, stat(2) of its node.
    ///
    /// Not for a FUSE file system that is no `fuseblk`: what such a one calls its source is whatever its process says,
    /// and anybody may mount one.
    fileprivate var blockDeviceNumber: UInt64? {
        guard source.isAtOrBelow(RawPath("/dev")), fileSystemType != "fuse", !fileSystemType.hasPrefix("fuse.") else {
            return nil
        }
        var status = stat()
        guard source.withCString({ stat($0, &status) }) == 0, status.st_mode & S_IFMT == S_IFBLK else { return nil }
        return UInt64(status.st_rdev)
    }
}
