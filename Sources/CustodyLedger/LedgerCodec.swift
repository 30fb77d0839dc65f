package import EvidenceModel

/// An entry of the ledger as bytes: canonical JSON, that is keys sorted, UTF-8, no blanks (RFC 8785 for the kinds of
/// values that occur). The same event has the same bytes on every machine.
package enum LedgerCodec {
    /// The most an entry may have: its length is written as 16 bits (C2SP tlog-tiles, entry bundles).
    package static let mostBytes = 65_535

    /// The entry, or nothing when it would be longer than `mostBytes`.
    package static func encode(_ event: LedgerEvent) -> [UInt8]? {
        var fields: [String: LedgerEvent.Detail] = event.details
        fields["v"] = .number(1)
        fields["type"] = .text(event.kind.rawValue)
        fields["at"] = .text(event.at.rfc3339())
        fields["station"] = .text(event.station)
        fields["recording"] = event.recording.map { .text($0.text) }
        fields["sha256"] = event.digest.map { .text($0.hex) }
        // The names of fields are ASCII, so the order of their bytes is the order of their UTF-16 that RFC 8785 asks.
        let members = fields.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
            .map { quoted($0.key) + ":" + text($0.value) }
        let bytes = Array(("{" + members.joined(separator: ",") + "}").utf8)
        return bytes.count <= mostBytes ? bytes : nil
    }

    private static func text(_ value: LedgerEvent.Detail) -> String {
        switch value {
        case .text(let text): quoted(text)
        case .number(let number): String(number)
        }
    }

    /// A JSON string with the least escaping (RFC 8785, section 3.2.2.2).
    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\u{8}": result += "\\b"
            case "\u{C}": result += "\\f"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case "\u{0}"..."\u{1F}": result += "\\u00" + Hexadecimal.encode([UInt8(scalar.value)])
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
