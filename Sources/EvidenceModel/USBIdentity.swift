/// What a USB device says of itself, and where it is plugged in.
///
/// Names and serial are the device's own words: anybody can build one that says the same. Control characters are
/// replaced, so that they can be shown.
package struct USBIdentity: Sendable, Hashable, Codable {
    /// `idVendor`, four hexadecimal digits in lower case.
    package var vendorID: String
    /// `idProduct`, likewise.
    package var productID: String
    package var vendorName: String?
    package var productName: String?
    /// None where the device has no serial; makers also give one serial to all devices of a batch.
    package var serial: String?
    /// The port as the kernel counts it: bus, and the port of each hub on the way, "1-1.4". The same slot of a dock is
    /// the same port as long as the hubs stay plugged in where they are.
    package var port: String

    package init(
        vendorID: String, productID: String, vendorName: String? = nil, productName: String? = nil,
        serial: String? = nil, port: String
    ) {
        self.vendorID = vendorID
        self.productID = productID
        self.vendorName = vendorName
        self.productName = productName
        self.serial = serial
        self.port = port
    }

    /// Whether `text` is the path of a port: "1-1.4". Root hubs ("usb1") and interfaces ("1-1.4:1.0") have none.
    package static func isPort(_ text: String) -> Bool {
        let bus = text.split(separator: "-", omittingEmptySubsequences: false)
        guard bus.count == 2 else { return false }
        return ([bus[0]] + bus[1].split(separator: ".", omittingEmptySubsequences: false)).allSatisfy { number in
            (1...3).contains(number.utf8.count) && number.utf8.allSatisfy { (48...57).contains($0) }
        }
    }

    /// Whether `text` is a vendor's or a product's number as the kernel writes it.
    package static func isNumber(_ text: String) -> Bool {
        text.utf8.count == 4 && text.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
    }
}
