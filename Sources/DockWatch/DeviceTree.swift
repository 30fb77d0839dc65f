package import EvidenceModel
import FileAccess
import Glibc

/// The kernel's tree of devices, sysfs(5): which USB device a disk belongs to, and which there are.
///
/// What a device says of itself stands there as the kernel read it when it was plugged in. Asking touches no device, but
/// names and serial are shown under the device's lock, which the kernel holds while it resets the device: whoever asks for
/// them waits as long (drivers/usb/core/sysfs.c, usb_string_attr). Numbers and ports have no such lock.
package struct DeviceTree: Sendable {
    /// Of one attribute. A USB string has at most 126 UTF-16 units.
    private static let attributeBytes: Int64 = 512
    /// Folders between a partition and its USB device are fewer than ten; a tree of links without end ends here.
    private static let mostLevels = 32

    private let sysfs: RawPath

    /// - Parameter sysfs: where it is mounted.
    package init(sysfs: RawPath = RawPath("/sys")) {
        self.sysfs = sysfs
    }

    /// The nearest USB device above the block device `number` (a disk or a partition); none for any other disk.
    ///
    /// - Parameter withNames: names and serial too; may wait for a device that is being reset.
    package func usb(ofBlockDevice number: UInt64, withNames: Bool = true) -> USBIdentity? {
        let name = "\(DeviceNumber.major(number)):\(DeviceNumber.minor(number))"
        guard let top = resolved(sysfs), var folder = resolved(sysfs.appending("dev/block").appending(name)) else {
            return nil
        }
        for _ in 0..<Self.mostLevels {
            guard folder.isAtOrBelow(top), folder != top else { return nil }
            if let identity = identity(in: folder, withNames: withNames) { return identity }
            folder = folder.parent
        }
        return nil
    }

    /// Every USB device that is plugged in, by port; hubs among them, but not the machine's own (root hubs).
    package func usbDevices() -> [USBDevice] {
        let bus = sysfs.appending("bus/usb/devices")
        guard let names = try? OwnedDescriptor.open(absolute: bus, flags: O_RDONLY | O_DIRECTORY).names() else {
            return []
        }
        return names.compactMap { name in
            guard USBIdentity.isPort(name.display), let folder = resolved(bus.appending(name)) else { return nil }
            return device(in: folder)
        }.sorted { $0.identity.port < $1.identity.port }
    }

    private func device(in folder: RawPath) -> USBDevice? {
        guard let identity = identity(in: folder), let bus = number("busnum", in: folder),
            let device = number("devnum", in: folder)
        else { return nil }
        let node = "/dev/bus/usb/\(Self.threeDigits(bus))/\(Self.threeDigits(device))"
        return USBDevice(identity: identity, node: RawPath(node))
    }

    private func identity(in folder: RawPath, withNames: Bool = true) -> USBIdentity? {
        let port = folder.lastComponent.display
        guard USBIdentity.isPort(port), let vendor = attribute("idVendor", in: folder), USBIdentity.isNumber(vendor),
            let product = attribute("idProduct", in: folder), USBIdentity.isNumber(product)
        else { return nil }
        guard withNames else { return USBIdentity(vendorID: vendor, productID: product, port: port) }
        return USBIdentity(
            vendorID: vendor, productID: product, vendorName: attribute("manufacturer", in: folder),
            productName: attribute("product", in: folder), serial: attribute("serial", in: folder), port: port)
    }

    private func number(_ name: String, in folder: RawPath) -> Int? {
        attribute(name, in: folder).flatMap { Int($0) }.flatMap { (1...999).contains($0) ? $0 : nil }
    }

    /// The text of a small file, without space at its ends, control characters replaced; none where it is empty, not
    /// there, or no regular file.
    private func attribute(_ name: String, in folder: RawPath) -> String? {
        guard let directory = try? OwnedDescriptor.open(absolute: folder, flags: O_RDONLY | O_DIRECTORY),
            (try? directory.status(of: RawPath(name)).kind) == .regular,
            let file = try? directory.open(RawPath(name), flags: O_RDONLY),
            let bytes = try? file.readBytes(ByteSpan(offset: 0, length: Self.attributeBytes))
        else { return nil }
        let text = String(decoding: bytes, as: UTF8.self).unicodeScalars
        let shown = text.drop { $0.properties.isWhitespace }.reversed().drop { $0.properties.isWhitespace }.reversed()
        guard !shown.isEmpty else { return nil }
        return String(
            String.UnicodeScalarView(shown.map { $0.properties.generalCategory == .control ? "\u{FFFD}" : $0 }))
    }

    private func resolved(_ path: RawPath) -> RawPath? {
        path.withCString { name in
            guard let resolved = realpath(name, nil) else { return nil }
            defer { free(resolved) }
            return RawPath(
                bytes: UnsafeBufferPointer(start: resolved, count: strlen(resolved)).map { UInt8(bitPattern: $0) })
        }
    }

    private static func threeDigits(_ number: Int) -> String {
        String(repeating: "0", count: max(0, 3 - String(number).utf8.count)) + String(number)
    }
}

/// A USB device that is plugged in.
package struct USBDevice: Sendable, Hashable {
    package var identity: USBIdentity
    /// /dev/bus/usb/001/004. The last number is another one each time the device is plugged in, or begins anew as
    /// another kind of device.
    package var node: RawPath

    package init(identity: USBIdentity, node: RawPath) {
        self.identity = identity
        self.node = node
    }
}
