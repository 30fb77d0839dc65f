package import EvidenceModel

/// A program of the office that is run when a device is plugged in: the vendor's tool that makes a camera show its files.
package struct AttachHook: Sendable, Hashable {
    /// What an argument may name. What is not known is empty.
    package enum Placeholder: String, Sendable, Hashable, CaseIterable {
        /// Where the device is mounted; not yet known when a USB device appears.
        case mountPoint = "mount_point"
        /// /dev/sdb1 of a docked device, /dev/bus/usb/001/004 of a USB device.
        case deviceNode = "device_node"
        case serial
        /// Four hexadecimal digits each.
        case vendor, product
        /// "1-1.4".
        case port
        /// The name of the bay.
        case bay
    }

    package enum Piece: Sendable, Hashable {
        case text(String)
        case value(Placeholder)
    }

    /// Absolute.
    package var program: RawPath
    /// Each of its pieces, one after the other.
    package var arguments: [[Piece]]
    /// Then it is ended, with everything it started.
    package var timeoutSeconds: Double

    package init(program: RawPath, arguments: [[Piece]] = [], timeoutSeconds: Double = 20) {
        self.program = program
        self.arguments = arguments
        self.timeoutSeconds = timeoutSeconds
    }

    /// The program and its arguments, as execve(2) takes them; no shell reads them.
    ///
    /// Nothing where a value would make an argument begin with "-": a device whose serial is an option of the program
    /// is no camera. Values behind a text, `--serial={serial}`, may begin with anything.
    package func command(_ values: [Placeholder: RawPath]) -> [RawPath]? {
        var command = [program]
        for pieces in arguments {
            var bytes: [UInt8] = []
            for piece in pieces {
                switch piece {
                case .text(let text): bytes += text.utf8
                case .value(let placeholder):
                    let value: [UInt8] = (values[placeholder] ?? RawPath("")).bytes.filter { $0 != 0 }
                    if bytes.isEmpty, value.first == UInt8(ascii: "-") { return nil }
                    bytes += value
                }
            }
            command.append(RawPath(bytes: bytes))
        }
        return command
    }
}

/// Which USB devices a profile is for.
package struct USBCondition: Sendable, Hashable {
    /// Four hexadecimal digits, lower case.
    package var vendorID: String
    /// None for every product of the vendor.
    package var productID: String?

    package init(vendorID: String, productID: String? = nil) {
        self.vendorID = vendorID
        self.productID = productID
    }

    func admits(_ usb: USBIdentity?) -> Bool {
        guard let usb else { return false }
        return usb.vendorID == vendorID && productID.map { $0 == usb.productID } ?? true
    }
}

extension DeviceProfiles {
    /// A hook, and the profile that it stands in.
    package struct ProfileHook: Sendable, Hashable {
        package var profile: String
        package var hook: AttachHook
    }

    /// What is to be run when a USB device appears, in the order of the profiles: hooks of profiles whose `usb` admits it.
    /// A camera that must be unlocked is no disk before.
    package func attachHooks(onUSB usb: USBIdentity) -> [ProfileHook] {
        hooks { $0.usb?.admits(usb) ?? false }
    }

    /// What is to be run when a device is docked, before its first scan: hooks of profiles without `usb` that admit it.
    ///
    /// - Parameter signs: read before, since `marker_file` asks for them.
    package func attachHooks(onDocking volumeLabel: String?, signs: DeviceSigns) -> [ProfileHook] {
        hooks { $0.usb == nil && $0.admits(volumeLabel: volumeLabel, signs: signs) }
    }

    /// Of equal hooks the first counts.
    private func hooks(_ isFor: (DeviceProfile) -> Bool) -> [ProfileHook] {
        var seen: Set<AttachHook> = []
        return profiles.filter(isFor).compactMap { profile in
            guard let hook = profile.attachHook, seen.insert(hook).inserted else { return nil }
            return ProfileHook(profile: profile.name, hook: hook)
        }
    }
}
