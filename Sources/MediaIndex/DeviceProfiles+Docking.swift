import EvidenceModel
package import LocatedYAML

extension BayNames {
    /// Reads `bays`, a list of ports and their names.
    init(_ value: YAMLValue?) throws(YAMLError) {
        self.init()
        guard let value else { return }
        var used: Set<String> = []
        _ = try value.list { (element) throws(YAMLError) in
            let (port, name) = try element.mapping { (bay) throws(YAMLError) in
                (try Self.port(bay.required("port")), try Self.name(bay.required("name")))
            }
            guard names.updateValue(name, forKey: port) == nil else {
                throw element.error("the port \"\(port)\" stands twice")
            }
            guard used.insert(name).inserted else { throw element.error("the bay \"\(name)\" stands twice") }
        }
    }

    private static func port(_ value: YAMLValue) throws(YAMLError) -> String {
        let text = try value.string()
        guard USBIdentity.isPort(text) else {
            throw value.error(
                "is \"\(text)\", expected a USB port such as 1-1.4; capture-agent status shows a device's")
        }
        return text
    }

    private static func name(_ value: YAMLValue) throws(YAMLError) -> String {
        let text = try value.string()
        guard !text.allSatisfy(\.isWhitespace) else { throw value.error("is empty") }
        return text
    }
}

extension USBCondition {
    /// Reads `usb: {vendor: "1234", product: "abcd"}`.
    init(_ value: YAMLValue) throws(YAMLError) {
        self = try value.mapping { (keys) throws(YAMLError) in
            USBCondition(
                vendorID: try Self.number(keys.required("vendor")),
                productID: try keys.optional("product").map(Self.number))
        }
    }

    private static func number(_ value: YAMLValue) throws(YAMLError) -> String {
        let text = try value.string()
        guard USBIdentity.isNumber(text.lowercased()) else {
            throw value.error("is \"\(text)\", expected four hexadecimal digits in quotes, as lsusb shows them")
        }
        return text.lowercased()
    }
}

extension AttachHook {
    private static let longestSeconds = 600.0

    /// Reads `on_attach: {command: […], timeout_seconds: 20}`.
    ///
    /// - Parameter isBeforeMount: it is run when a USB device appears.
    package init(_ value: YAMLValue, isBeforeMount: Bool) throws(YAMLError) {
        self = try value.mapping { (keys) throws(YAMLError) in
            let commandValue = try keys.required("command")
            var program: RawPath?
            var arguments: [[Piece]] = []
            _ = try commandValue.list { (element) throws(YAMLError) in
                if program == nil {
                    program = try Self.program(element)
                } else {
                    arguments.append(try Self.pieces(element, isBeforeMount: isBeforeMount))
                }
            }
            guard let program else { throw commandValue.error("is empty, expected a program and its arguments") }
            let seconds = try keys.optional("timeout_seconds").map { (value) throws(YAMLError) in
                try value.number(in: 1...Self.longestSeconds)
            }
            return AttachHook(program: program, arguments: arguments, timeoutSeconds: seconds ?? 20)
        }
    }

    private static func program(_ value: YAMLValue) throws(YAMLError) -> RawPath {
        let text = try value.string()
        guard text.hasPrefix("/"), !text.contains("{"), !text.utf8.contains(0) else {
            throw value.error("is \"\(text)\", expected the absolute path of a program: no shell looks for it")
        }
        return RawPath(text)
    }

    /// Text, and names in braces; braces around anything that is no name are text.
    private static func pieces(_ value: YAMLValue, isBeforeMount: Bool) throws(YAMLError) -> [Piece] {
        let text = try value.string()
        if text.utf8.contains(0) { throw value.error("has a NUL character, which no argument can have") }
        var pieces: [Piece] = []
        var rest = text[...]
        while let match = rest.firstMatch(of: /\{([a-z_]+)\}/) {
            if match.range.lowerBound > rest.startIndex {
                pieces.append(.text(String(rest[..<match.range.lowerBound])))
            }
            pieces.append(.value(try placeholder(String(match.output.1), value, isBeforeMount: isBeforeMount)))
            rest = rest[match.range.upperBound...]
        }
        if !rest.isEmpty || pieces.isEmpty { pieces.append(.text(String(rest))) }
        return pieces
    }

    private static func placeholder(
        _ name: String, _ value: YAMLValue, isBeforeMount: Bool
    ) throws(YAMLError) -> Placeholder {
        guard let placeholder = Placeholder(rawValue: name) else {
            let names = Placeholder.allCases.map { "{\($0.rawValue)}" }.joined(separator: ", ")
            throw value.error("names {\(name)}, which is not known; known are \(names)")
        }
        if isBeforeMount && placeholder == .mountPoint {
            throw value.error(
                "names {mount_point}: with usb the command is run when the device is plugged in, before it is mounted")
        }
        return placeholder
    }
}
