import Foundation
import LocatedYAML
import MediaProbe

/// A command did not do what it was asked: what was tried, on what, and what to do; and the exit code.
struct CommandFailure: Error, Sendable, Hashable {
    /// Exit codes of sysexits.h, and two of our own.
    enum Code: Int32, Sendable, CaseIterable {
        case attention = 1
        case usage = 64
        case noInput = 66
        case unavailable = 69
        case inputOutput = 74
        case stationHeld = 75
        case notPermitted = 77
        case configuration = 78

        /// For programs.
        var name: String {
            switch self {
            case .attention: "attention"
            case .usage: "usage"
            case .noInput: "no_input"
            case .unavailable: "unavailable"
            case .inputOutput: "input_output"
            case .stationHeld: "station_held"
            case .notPermitted: "not_permitted"
            case .configuration: "configuration"
            }
        }
    }

    var code: Code
    var message: String
    var hint: String

    init(_ code: Code, _ message: String, hint: String) {
        self.code = code
        self.message = message
        self.hint = hint
    }

    init(configuration error: YAMLError) {
        self.init(.configuration, error.description, hint: "correct the file and try: capture-agent config check")
    }

    /// What was tried in vain, because the worker that looks into recordings is not there.
    init(_ tried: String, without error: MediaProbeError) {
        self.init(.unavailable, "\(tried): \(error)", hint: "is capture-probe beside capture-agent?")
    }

    /// One sentence for people, or the JSON object of the contract.
    func text(json: Bool) -> String {
        guard json else { return "capture-agent: \(message) — \(hint)" }
        struct Body: Encodable {
            struct Problem: Encodable { var code, message, hint: String }
            var error: Problem
        }
        let body = Body(error: .init(code: code.name, message: message, hint: hint))
        return (try? JSONText.encode(body)) ?? message
    }
}

/// JSON as the commands print it: sorted keys, slashes as they are.
enum JSONText {
    static func encode(_ value: some Encodable, pretty: Bool = false) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        if pretty { encoder.outputFormatting.insert(.prettyPrinted) }
        return try String(decoding: encoder.encode(value), as: UTF8.self)
    }

    /// With the names of Swift's properties as JSON keys of the contract: `filesTotal` as `files_total`.
    static func snakeCase(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        return try String(decoding: encoder.encode(value), as: UTF8.self)
    }
}
