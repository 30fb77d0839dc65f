@testable import DockWatch
import EvidenceModel
import Foundation
import StationTesting
import Synchronization
import Testing

/// A reader whose USB devices are made up, on block devices that are there.
@Suite("What mounts lie on, from table to table", .timeLimit(.minutes(1)))
struct VolumeReaderTests {
    private static let hasLoopDevices = [0, 1].allSatisfy { number in
        var status = stat()
        return stat("/dev/loop\(number)", &status) == 0
    }

    /// Counts what is asked for with names; answers for the first loop device come when they are let out.
    private final class Devices: Sendable {
        let asked = Mutex<[UInt64: Int]>([:])
        let isReset: Bool
        let reset = DispatchSemaphore(value: 0)

        init(isReset: Bool = false) {
            self.isReset = isReset
        }

        func usb(_ number: UInt64, _ withNames: Bool) -> USBIdentity? {
            let port = "1-\(number & 0xff + 1)"
            guard withNames else { return USBIdentity(vendorID: "2207", productID: "0006", port: port) }
            asked.withLock { $0[number, default: 0] += 1 }
            if isReset, number & 0xff == 0 { reset.wait() }
            return USBIdentity(vendorID: "2207", productID: "0006", serial: "K\(number & 0xff)", port: port)
        }
    }

    private func reader(_ devices: Devices, patienceSeconds: Double = 30) -> VolumeReader {
        VolumeReader(links: RawPath("/none"), patienceSeconds: patienceSeconds) { devices.usb($0, $1) }
    }

    private func entry(_ number: Int, mountID: Int = 1) throws -> MountEntry {
        let node = "/dev/loop\(number)"
        var status = stat()
        try #require(stat(node, &status) == 0)
        return MountEntry(
            mountID: mountID, device: UInt64(status.st_rdev), mountPoint: RawPath("/media/\(number)"),
            fileSystemType: "ext4", source: RawPath(node))
    }

    private func usb(_ identities: VolumeIdentities, _ entry: MountEntry) -> USBIdentity? {
        identities.identity(device: entry.device, source: entry.source)?.usb
    }

    @Test(.enabled(if: hasLoopDevices, "needs /dev/loop0 and /dev/loop1"))
    func aMountIsAskedAboutOnce() async throws {
        let devices = Devices()
        var reader = reader(devices)
        let (first, second) = (try entry(0), try entry(1, mountID: 2))
        #expect(usb(await reader.read(about: [first]), first)?.serial == "K0")
        var writable = first
        writable.isReadOnly.toggle()
        let both = await reader.read(about: [writable, second])
        #expect(usb(both, first)?.serial == "K0" && usb(both, second)?.serial == "K1")
        #expect(devices.asked.withLock { $0 } == [first.device: 1, second.device: 1])
        // Gone, and another card in the same node.
        #expect(usb(await reader.read(about: [second]), first) == nil)
        #expect(usb(await reader.read(about: [try entry(0, mountID: 3), second]), first)?.serial == "K0")
        #expect(devices.asked.withLock { $0 } == [first.device: 2, second.device: 1])
    }

    @Test(.enabled(if: hasLoopDevices, "needs /dev/loop0 and /dev/loop1"))
    func aDeviceThatIsResetHoldsNobodyUp() async throws {
        let devices = Devices(isReset: true)
        defer { devices.reset.signal() }
        var reader = reader(devices, patienceSeconds: 0.5)
        let (hanging, other) = (try entry(0), try entry(1, mountID: 2))
        let found = await reader.read(about: [hanging, other])
        #expect(usb(found, hanging) == USBIdentity(vendorID: "2207", productID: "0006", port: "1-1"))
        #expect(usb(found, other)?.serial == "K1")
        // Not asked again, and so not waited for.
        #expect(usb(await reader.read(about: [hanging]), hanging)?.serial == nil)
        #expect(devices.asked.withLock { $0[hanging.device] } == 1)
    }
}
