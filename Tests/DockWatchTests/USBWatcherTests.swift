@testable import DockWatch
import EvidenceModel
import FileAccess
import Glibc
import StationTesting
import Testing

@Suite("USB devices that come and go", .timeLimit(.minutes(1)))
struct USBWatcherTests {
    private func message(_ texts: String...) -> [UInt8] { texts.flatMap { Array($0.utf8) + [0] } }

    private static let path = "/devices/pci0000:00/0000:00:14.0/usb1/1-1/1-1.4"

    @Test func aMessageIsRead() {
        let add = message(
            "add@\(Self.path)", "ACTION=add", "DEVPATH=\(Self.path)", "SUBSYSTEM=usb", "MAJOR=189", "MINOR=6",
            "DEVNAME=bus/usb/001/007", "DEVTYPE=usb_device", "PRODUCT=2207/6/310", "EMPTY=", "SEQNUM=2788")
        let event = KernelEvent(message: add)
        let expected = KernelEvent(
            action: "add", devicePath: RawPath(Self.path), subsystem: "usb", deviceType: "usb_device")
        #expect(event == expected && expected.concernsUSBDevice)
        #expect(!KernelEvent(action: "bind", devicePath: RawPath("/a"), subsystem: "usb").concernsUSBDevice)
        let interface = KernelEvent(
            action: "add", devicePath: RawPath("/a"), subsystem: "usb", deviceType: "usb_interface")
        #expect(!interface.concernsUSBDevice)
    }

    @Test(
        arguments: [
            [], ["libudev", "ACTION=add"], ["add@/a"], ["add@/a", "ACTION=add", "DEVPATH=/a"],
            ["add@/a", "ACTION=remove", "DEVPATH=/a", "SUBSYSTEM=usb"],
            ["add@/a", "ACTION=add", "DEVPATH=/b", "SUBSYSTEM=usb"],
            ["add@a", "ACTION=add", "DEVPATH=a", "SUBSYSTEM=usb"],
            ["@/a", "ACTION=", "DEVPATH=/a", "SUBSYSTEM=usb"],
            ["add@/a", "ACTION=add", "DEVPATH=/a", "SUBSYSTEM=usb", "SUBSYSTEM=usb"],
            ["add@/a", "ACTION=add", "DEVPATH=/a", "SUBSYSTEM=usb", "=x"],
            ["add@/a", "ACTION=add", "DEVPATH=/a", "SUBSYSTEM=usb", ""],
            ["add@/a", "ACTION=add", "DEVPATH=/a", "SUBSYSTEM=usb", "NOTHING"],
        ] as [[String]])
    func aMessageThatIsNone(texts: [String]) {
        #expect(KernelEvent(message: texts.flatMap { Array($0.utf8) + [0] }) == nil)
    }

    @Test func aMessageThatWasCutOrMadeUpNeverTraps() {
        let whole = message("add@/a", "ACTION=add", "DEVPATH=/a", "SUBSYSTEM=usb", "DEVTYPE=usb_device")
        #expect(KernelEvent(message: whole) != nil)
        #expect((0..<whole.count - 1).allSatisfy { KernelEvent(message: Array(whole[..<$0]))?.deviceType == nil })
        var random = SeededRandom(seed: 3)
        for _ in 0..<5000 {
            var bytes = whole
            for _ in 0..<3 {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            if let event = KernelEvent(message: bytes) { #expect(event.devicePath.bytes.first == 47) }
        }
    }

    private func device(_ port: String, _ number: Int = 1) -> USBDevice {
        USBDevice(
            identity: USBIdentity(vendorID: "2207", productID: "0006", port: port),
            node: RawPath("/dev/bus/usb/001/00\(number)"))
    }

    @Test func devicesComeAndGo() {
        var machine = USBMachine()
        #expect(machine.listed([device("1-1")]) == [.appeared(device("1-1"))])
        #expect(machine.listed([device("1-1"), device("1-2", 2)]) == [.appeared(device("1-2", 2))])
        #expect(machine.listed([device("1-2", 2)]) == [.left(device("1-1"))])
        // Out and in again between two lists, or a camera that is a disk from now on.
        #expect(machine.listed([device("1-2", 3)]) == [.left(device("1-2", 2)), .appeared(device("1-2", 3))])
        #expect(machine.listed([device("1-2", 3), device("1-2", 4)]) == [])
        #expect(machine.present == [device("1-2", 3)])
    }

    @Test(arguments: [1, 2, 3, 4])
    func anyWalkKeepsTheInvariants(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var machine = USBMachine()
        var known: [String: USBDevice] = [:]
        for _ in 0..<500 {
            let list = (0..<Int.random(in: 0...4, using: &random)).map { _ in
                device("1-\(Int.random(in: 1...3, using: &random))", Int.random(in: 1...3, using: &random))
            }
            for event in machine.listed(list) {
                switch event {
                case .left(let device): #expect(known.removeValue(forKey: device.identity.port) == device)
                case .appeared(let device): #expect(known.updateValue(device, forKey: device.identity.port) == nil)
                }
            }
            #expect(Set(known.values) == Set(machine.present))
            #expect(Set(known.keys) == Set(list.map(\.identity.port)))
        }
    }

    private static let loopEvents = "/sys/block/loop0/uevent"

    /// The kernel tells of a loop device that is told to tell.
    @Test(.enabled(if: access(loopEvents, W_OK) == 0, "asking the kernel for an event needs root and a loop device"))
    func theKernelTellsAndTheListIsReadAnew() async throws {
        let directory = try TemporaryDirectory()
        let sysfs = try directory.folder("sys")
        let devices = try directory.folder("sys/bus/usb/devices")
        let watcher = try USBWatcher(devices: DeviceTree(sysfs: sysfs)) { $0.subsystem == "block" }
        var lists = watcher.lists.makeAsyncIterator()
        #expect(await lists.next() == [])
        for (name, text) in ["idVendor": "2207", "idProduct": "0006", "busnum": "1", "devnum": "2"] {
            try write(text, to: devices.appending("1-1").appending(name))
        }
        try write("change", to: RawPath(Self.loopEvents))
        #expect(await lists.next()?.map(\.identity.port) == ["1-1"])
        watcher.stop()
        watcher.stop()
        while await lists.next() != nil {}
    }

    @Test(.enabled(if: geteuid() == 0, "sending to such a socket needs root"))
    func whatOthersSendIsNoNews() throws {
        let socket = try KernelEventSocket()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        var address = sockaddr_storage()
        let named = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(socket.number, $0, &length) }
        }
        try #require(named == 0)
        let sender = Glibc.socket(16, Int32(SOCK_DGRAM.rawValue), 15)  // AF_NETLINK, NETLINK_KOBJECT_UEVENT
        defer { close(sender) }
        // nl_groups off: to this socket alone.
        withUnsafeMutableBytes(of: &address) { $0.storeBytes(of: 0, toByteOffset: 8, as: UInt32.self) }
        let text = message("add@/a", "ACTION=add", "DEVPATH=/a", "SUBSYSTEM=usb", "DEVTYPE=usb_device")
        let sent = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(sender, text, text.count, 0, $0, length)
            }
        }
        try #require(sent == text.count)
        var received = socket.receive()
        // Another test's event of the kernel may stand before it.
        while case .message = received { received = socket.receive() }
        #expect(received == .foreign)
    }
}
