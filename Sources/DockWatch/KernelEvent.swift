package import EvidenceModel

/// What the kernel says when a device comes or goes (kobject_uevent in its Documentation/core-api/kobject.rst):
/// `add@/devices/…/1-1.4`, NUL, then `KEY=value` texts, each ended by NUL.
package struct KernelEvent: Sendable, Hashable {
    /// `add`, `remove`, `change`, `bind`.
    package var action: String
    /// Below sysfs, with a leading slash.
    package var devicePath: RawPath
    /// `usb`, `block`.
    package var subsystem: String
    /// `usb_device`, `usb_interface`, `disk`; not every device has one.
    package var deviceType: String?

    package init(action: String, devicePath: RawPath, subsystem: String, deviceType: String? = nil) {
        self.action = action
        self.devicePath = devicePath
        self.subsystem = subsystem
        self.deviceType = deviceType
    }

    /// Nothing where the message is none of the kernel's: udev's begin with "libudev", and anything may be cut. The
    /// first line and the keys must agree; a key that stands twice is a message that somebody made up.
    package init?(message: [UInt8]) {
        guard message.last == 0 else { return nil }
        let texts = message.dropLast().split(separator: 0, omittingEmptySubsequences: false)
        guard let head = texts.first, let at = head.firstIndex(of: UInt8(ascii: "@")) else { return nil }
        var values: [String: ArraySlice<UInt8>] = [:]
        for text in texts.dropFirst() {
            guard let equals = text.firstIndex(of: UInt8(ascii: "=")), equals > text.startIndex else { return nil }
            let key = String(decoding: text[..<equals], as: UTF8.self)
            guard values.updateValue(text[(equals + 1)...], forKey: key) == nil else { return nil }
        }
        func value(_ key: String) -> String? { values[key].flatMap { String(validating: $0, as: UTF8.self) } }
        let path = head[(at + 1)...]
        guard let action = value("ACTION"), action.utf8.elementsEqual(head[..<at]), !action.isEmpty,
            let subsystem = value("SUBSYSTEM"), let devicePath = values["DEVPATH"], devicePath == path,
            path.first == UInt8(ascii: "/")
        else { return nil }
        self.init(
            action: action, devicePath: RawPath(bytes: path), subsystem: subsystem, deviceType: value("DEVTYPE"))
    }

    /// A USB device came or went, or is another kind of device from now on.
    var concernsUSBDevice: Bool {
        subsystem == "usb" && deviceType == "usb_device" && ["add", "remove", "change"].contains(action)
    }
}
