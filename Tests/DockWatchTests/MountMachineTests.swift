import DockWatch
import EvidenceModel
import StationTesting
import Testing

@Suite("Mount machine")
struct MountMachineTests {
    private let docks = MountSource(name: "docks", mountsUnder: RawPath("/media"))
    private var machine: MountMachine { MountMachine(sources: [docks]) }

    private func entry(
        _ point: String, id: Int = 1, device: UInt64 = 0x811, type: String = "vfat", source: String = "/dev/sdb1",
        isReadOnly: Bool = false
    ) -> MountEntry {
        MountEntry(
            mountID: id, device: device, mountPoint: RawPath(point), isReadOnly: isReadOnly, fileSystemType: type,
            source: RawPath(source))
    }

    private func root(
        _ point: String, source: String = "docks", device: UInt64? = 0x811, fileSystem: String = "/dev/sdb1",
        label: String? = nil, isReadOnly: Bool = false, type: String = "vfat"
    ) -> WatchedRoot {
        WatchedRoot(
            source: source, kind: .mount, path: RawPath(point), fileSystem: fileSystem, label: label, device: device,
            isReadOnly: isReadOnly, fileSystemType: type)
    }

    @Test func aCardComesAndGoes() {
        var machine = machine
        #expect(machine.tableRead([entry("/"), entry("/media/a")]) == [.attached(root("/media/a"))])
        #expect(machine.tableRead([entry("/"), entry("/media/a")]) == [])
        #expect(machine.tableRead([entry("/")]) == [.detached(root("/media/a"))])
        #expect(machine.tableRead([]) == [])
    }

    @Test(arguments: ["/", "/media", "/mediab/a", "/srv/media/a"])
    func whatIsNotBelowTheSourceIsNoDevice(point: String) {
        var machine = machine
        #expect(machine.tableRead([entry(point)]) == [])
    }

    @Test(arguments: ["vfat", "exfat", "ext4", "fuseblk", "fuse.fusefat", "tmpfs", "nfs4", "cifs", "overlay", "xfs"])
    func anyFileSystemIsADevice(type: String) {
        var machine = machine
        #expect(machine.tableRead([entry("/media/a", type: type)]).count == 1)
    }

    @Test(arguments: ["proc", "sysfs", "autofs", "cgroup2", "devtmpfs"])
    func windowsIntoTheKernelAreNoDevices(type: String) {
        var machine = machine
        #expect(machine.tableRead([entry("/media/a", type: type)]) == [])
    }

    @Test func ofStackedMountsTheLaterCounts() {
        var machine = machine
        let (lower, upper) = (entry("/media/a", id: 1), entry("/media/a", id: 2, device: 0x821, source: "/dev/sdc1"))
        let upperRoot = root("/media/a", device: 0x821, fileSystem: "/dev/sdc1")
        #expect(machine.tableRead([lower]) == [.attached(root("/media/a"))])
        #expect(machine.tableRead([lower, upper]) == [.detached(root("/media/a")), .attached(upperRoot)])
        #expect(machine.tableRead([lower]) == [.detached(upperRoot), .attached(root("/media/a"))])
    }

    @Test func aMountOnAnAutomountTriggerCounts() {
        var machine = machine
        let trigger = entry("/media/a", id: 1, device: 40, type: "autofs", source: "systemd-1")
        #expect(machine.tableRead([trigger]) == [])
        #expect(machine.tableRead([trigger, entry("/media/a", id: 2)]) == [.attached(root("/media/a"))])
    }

    @Test func anotherCardBetweenTwoReadingsIsAnotherDocking() {
        var machine = machine
        _ = machine.tableRead([entry("/media/a")])
        let next = entry("/media/a", device: 0x821, source: "/dev/sdc1")
        #expect(
            machine.tableRead([next]) == [
                .detached(root("/media/a")), .attached(root("/media/a", device: 0x821, fileSystem: "/dev/sdc1")),
            ])
    }

    @Test func aNewMountWithAnUsedDeviceNumberIsAnotherDocking() {
        var machine = machine
        _ = machine.tableRead([entry("/media/a", id: 7, device: 39, type: "fuse.fusefat", source: "fusefat")])
        #expect(
            machine.tableRead([entry("/media/a", id: 8, device: 39, type: "fuse.fusefat", source: "fusefat")]).count
                == 2)
    }

    @Test func becomingWritableIsTheSameDocking() {
        var machine = machine
        let readOnly = root("/media/a", isReadOnly: true)
        #expect(machine.tableRead([entry("/media/a", isReadOnly: true)]) == [.attached(readOnly)])
        #expect(machine.tableRead([entry("/media/a")]) == [])
        #expect(machine.tableRead([]) == [.detached(readOnly)])
    }

    @Test func theInnermostSourceOwnsAMount() {
        let room = MountSource(name: "room", mountsUnder: RawPath("/media/room"))
        var machine = MountMachine(sources: [docks, room, MountSource(name: "late", mountsUnder: RawPath("/media"))])
        let events = machine.tableRead([entry("/media/a"), entry("/media/room"), entry("/media/room/b")])
        #expect(
            events == [
                .attached(root("/media/a")), .attached(root("/media/room")),
                .attached(root("/media/room/b", source: "room")),
            ])
    }

    @Test func aFileSystemIsCalledByItsUUID() {
        var identities = VolumeIdentities()
        identities.note(VolumeIdentity(uuid: "1A2B-3C4D"), device: 0x811, node: RawPath("/dev/sdb1"))
        identities.note(VolumeIdentity(label: "CAM01"), device: 0x811, node: RawPath("/dev/sdb1"))
        var machine = machine
        let named = root("/media/a", fileSystem: "1A2B-3C4D", label: "CAM01")
        #expect(machine.tableRead([entry("/media/a")], identities: identities) == [.attached(named)])
        #expect(machine.tableRead([entry("/media/a")]) == [])
        #expect(machine.attached == [named])
    }

    @Test func aDockingKeepsWhatItLiesOn() {
        let camera = USBIdentity(vendorID: "2207", productID: "0006", serial: "K0001", port: "1-1.4")
        var identities = VolumeIdentities()
        let node = RawPath("/dev/sdb1")
        identities.note(VolumeIdentity(blockDevice: node, usb: camera), device: 0x811, node: node)
        identities.note(VolumeIdentity(usb: nil), device: 0x811, node: node)
        var machine = machine
        var named = root("/media/a")
        (named.blockDevice, named.usb) = (node, camera)
        #expect(machine.tableRead([entry("/media/a")], identities: identities) == [.attached(named)])
        #expect(machine.tableRead([], identities: VolumeIdentities()) == [.detached(named)])
    }

    @Test func subvolumesHaveNoDeviceNumberToHoldThemTo() {
        var identities = VolumeIdentities()
        identities.note(VolumeIdentity(uuid: "u"), device: 0x811, node: RawPath("/dev/sdb1"))
        var machine = machine
        let events = machine.tableRead([entry("/media/a", device: 50, type: "btrfs")], identities: identities)
        #expect(events == [.attached(root("/media/a", device: nil, fileSystem: "u", type: "btrfs"))])
    }

    @Test(arguments: [1, 2, 3, 4, 5, 6, 7, 8])
    func anyWalkKeepsTheInvariants(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var machine = machine
        var table: [MountEntry] = []
        var attached: [RawPath: WatchedRoot] = [:]
        for step in 0..<400 {
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                if Bool.random(using: &random), !table.isEmpty {
                    table.remove(at: Int.random(in: 0..<table.count, using: &random))
                } else {
                    let device = UInt64.random(in: 1...4, using: &random)
                    let point = "/media/\(Int.random(in: 0...3, using: &random))"
                    let type = Int.random(in: 0...9, using: &random) == 0 ? "autofs" : "vfat"
                    table.append(
                        entry(point, id: step, device: device, type: type, isReadOnly: .random(using: &random)))
                }
            }
            for event in machine.tableRead(table) {
                switch event {
                case .attached(let root): #expect(attached.updateValue(root, forKey: root.path) == nil)
                case .detached(let root): #expect(attached.removeValue(forKey: root.path) == root)
                }
            }
            let tops = Dictionary(table.map { ($0.mountPoint, $0) }) { $1 }.filter {
                $0.value.fileSystemType != "autofs"
            }
            #expect(attached.mapValues(\.device) == tops.mapValues(\.device))
            #expect(Set(machine.attached) == Set(attached.values))
        }
    }
}
