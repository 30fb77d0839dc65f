import DockWatch
import EvidenceModel
import FileAccess
import Glibc
import StationTesting
import Testing

@Suite("Device tree")
struct DeviceTreeTests {
    private let directory: TemporaryDirectory
    private let sysfs: RawPath

    init() throws {
        directory = try TemporaryDirectory()
        sysfs = try directory.folder("sys")
        for folder in ["dev/block", "bus/usb/devices"] { try directory.folder("sys/" + folder) }
    }

    private var tree: DeviceTree { DeviceTree(sysfs: sysfs) }

    private static let host = "devices/pci0000:00/0000:00:14.0/usb1"

    /// A USB device below the controller: `port` "1-1.4" lies in 1-1/1-1.4.
    private func plug(_ folders: String, _ attributes: [String: String]) throws {
        let folder = "\(Self.host)/\(folders)"
        for (name, text) in attributes { try directory.file("sys/\(folder)/\(name)", text) }
        let port = RawPath(folder).lastComponent.display
        #expect(symlink("../../../\(folder)", sysfs.appending("bus/usb/devices/\(port)").display) == 0)
    }

    /// A disk or partition at `folder`.
    private func disk(_ number: String, at folder: String) throws {
        try directory.folder("sys/" + folder)
        #expect(symlink("../../\(folder)", sysfs.appending("dev/block/\(number)").display) == 0)
    }

    private let camera = [
        "idVendor": "2207\n", "idProduct": "0006\n", "manufacturer": "Body Cam Ltd\n", "product": "执法记录仪 \n",
        "serial": "K0001\n", "busnum": "1\n", "devnum": "7\n",
    ]
    private static let storage = "1-1.4:1.0/host3/target3:0:0/3:0:0:0/block/sdb"

    private func number(_ major: UInt32, _ minor: UInt32) -> UInt64 { DeviceNumber.make(major: major, minor: minor) }

    @Test func aPartitionBelongsToTheNearestDevice() throws {
        try plug("1-1", ["idVendor": "05e3\n", "idProduct": "0610\n", "product": "USB2.0 Hub\n"])
        try plug("1-1/1-1.4", camera)
        try disk("8:16", at: "\(Self.host)/1-1/1-1.4/\(Self.storage)")
        try disk("8:17", at: "\(Self.host)/1-1/1-1.4/\(Self.storage)/sdb1")
        let expected = USBIdentity(
            vendorID: "2207", productID: "0006", vendorName: "Body Cam Ltd", productName: "执法记录仪", serial: "K0001",
            port: "1-1.4")
        #expect(tree.usb(ofBlockDevice: number(8, 16)) == expected)
        #expect(tree.usb(ofBlockDevice: number(8, 17)) == expected)
        #expect(tree.usb(ofBlockDevice: number(8, 18)) == nil)
        #expect(tree.usbDevices() == [USBDevice(identity: expected, node: RawPath("/dev/bus/usb/001/007"))])
    }

    @Test func otherDisksHaveNone() throws {
        try directory.file("sys/\(Self.host)/idVendor", "1d6b\n")
        try directory.file("sys/\(Self.host)/idProduct", "0002\n")
        try disk("259:0", at: "devices/pci0000:00/0000:00:1d.0/nvme/nvme0/nvme0n1")
        try disk("8:0", at: "\(Self.host)/odd/block/sda")
        #expect(tree.usb(ofBlockDevice: number(259, 0)) == nil)
        #expect(tree.usb(ofBlockDevice: number(8, 0)) == nil)
        #expect(symlink("/etc", sysfs.appending("dev/block/8:32").display) == 0)
        #expect(tree.usb(ofBlockDevice: number(8, 32)) == nil)
        #expect(DeviceTree(sysfs: directory.path.appending("none")).usbDevices().isEmpty)
    }

    @Test func whatADeviceSaysIsBounded() throws {
        var hostile = camera
        hostile["serial"] = "\n"
        hostile["product"] = String(repeating: "x", count: 1 << 20)
        hostile["manufacturer"] = "a\u{1B}[2Jb\u{7}"
        try plug("1-2", hostile)
        let secret = sysfs.appending("\(Self.host)/1-2/serial")
        try disk("8:16", at: "\(Self.host)/1-2/1-2:1.0/block/sdb")
        let usb = try #require(tree.usb(ofBlockDevice: number(8, 16)))
        #expect(usb.serial == nil)
        #expect(usb.productName?.utf8.count == 512)
        #expect(usb.vendorName == "a\u{FFFD}[2Jb\u{FFFD}")
        #expect(unlink(secret.display) == 0 && symlink("/etc/hostname", secret.display) == 0)
        #expect(tree.usb(ofBlockDevice: number(8, 16))?.serial == nil)
        #expect(unlink(secret.display) == 0 && mkfifo(secret.display, 0o600) == 0)
        #expect(tree.usb(ofBlockDevice: number(8, 16))?.serial == nil)
    }

    @Test(arguments: [["idVendor": "220"], ["idVendor": "22G7"], ["idProduct": ""], ["idVendor": "2207 0006"]])
    func aNumberThatIsNoneIsNoDevice(wrong: [String: String]) throws {
        try plug("1-3", camera.merging(wrong) { $1 })
        try disk("8:16", at: "\(Self.host)/1-3/1-3:1.0/block/sdb")
        #expect(tree.usb(ofBlockDevice: number(8, 16)) == nil)
        #expect(tree.usbDevices().isEmpty)
    }

    @Test(arguments: ["usb1", "1-1:1.0", "1-", "-1", "1-1.", "1-1..2", "a-1", "1-1000", "1-1.4/..", ""])
    func whatIsNoPort(text: String) {
        #expect(!USBIdentity.isPort(text))
        #expect(USBIdentity.isPort("1-1") && USBIdentity.isPort("12-1.4.3"))
    }

    @Test(.enabled(if: CardImage.isAvailable(.ext4), "mounting an ext4 image needs root and loop devices"))
    func aLoopDeviceHasABlockDeviceAndNoUSB() async throws {
        let card = try CardImage(.ext4, in: directory)
        try card.mount(at: directory.path.appending("card"))
        let entry = try #require(try table().last { $0.mountPoint == directory.path.appending("card") })
        let identities = await read([entry])
        let found = identities.identity(device: entry.device, source: entry.source)
        #expect(found == VolumeIdentity(blockDevice: entry.source))
        // The same loop device, were it a USB disk.
        let number = "\(DeviceNumber.major(entry.device)):\(DeviceNumber.minor(entry.device))"
        try plug("1-1", camera)
        try disk(number, at: "\(Self.host)/1-1/1-1:1.0/block/sdb")
        let onUSB = await read([entry], tree)
        #expect(onUSB.identity(device: entry.device, source: entry.source)?.usb?.serial == "K0001")
        card.close()
    }

    @Test(.enabled(if: CardImage.isAvailable(.exfat), "mounting exFAT needs root, /dev/fuse, loop devices, exfat-fuse"))
    func aFUSEDriverOnABlockDeviceHasIt() async throws {
        let card = try CardImage(.exfat, in: directory)
        try card.mount(at: directory.path.appending("card"))
        let entry = try #require(try table().last { $0.mountPoint == directory.path.appending("card") })
        let identities = await read([entry])
        #expect(entry.fileSystemType == "fuseblk")
        #expect(identities.identity(device: entry.device, source: entry.source)?.blockDevice == entry.source)
        // Anybody may mount this one, and call it what he likes.
        var made = entry
        made.fileSystemType = "fuse.mine"
        #expect(await read([made]) == VolumeIdentities())
        card.close()
    }

    private func read(_ entries: [MountEntry], _ devices: DeviceTree = DeviceTree()) async -> VolumeIdentities {
        var reader = VolumeReader(links: directory.path.appending("none"), devices: devices)
        return await reader.read(about: entries)
    }

    private func table() throws -> [MountEntry] {
        let file = try OwnedDescriptor.open(absolute: RawPath("/proc/self/mountinfo"), flags: O_RDONLY)
        return MountTable.parse(try file.readBytes(ByteSpan(offset: 0, length: 1 << 20))).entries
    }
}
