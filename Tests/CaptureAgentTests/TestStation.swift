import EvidenceModel
import Foundation
import StationTesting

/// A station in a temporary folder, worked on by the real program.
final class TestStation: Sendable {
    let folder: TemporaryDirectory
    private let environment: [String: String]

    /// The programs of the same build, beside the test's own.
    private static let programs = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        .deletingLastPathComponent().path

    /// - Parameters:
    ///   - sources: YAML of the list `sources`, with `@` for the folder.
    ///   - targets: YAML of the list `targets`, likewise.
    init(sources: String, targets: String, environment: [String: String] = [:]) throws {
        folder = try TemporaryDirectory()
        self.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        let text = """
            station: {id: test-01, name: 测试站, time_zone: Asia/Shanghai}
            state_directory: state
            devices_file: devices.yaml
            item_list_file: items.yaml
            sources:
            \(sources)
            targets:
            \(targets)
            """
        try write("capture-agent.yaml", text.replacingOccurrences(of: "@", with: folder.path.display))
        try write(
            "devices.yaml",
            #"""
            profiles:
              - name: body-camera
                patterns:
                  - {name: name, pattern: '^(?<device>K\d{4})_(?<officer>\d{6})_(?<time>\d{14})'}
            """#)
        try write(
            "items.yaml",
            """
            version: "2026-01"
            items: [{id: onsite-inspection, name: 现场检查, stages: [{id: arrival, name: 进入}]}]
            rules: [{id: insp, item: onsite-inspection, stage: arrival, folder: 'INSP', confidence: 0.9}]
            """)
    }

    func path(_ name: String) -> String { folder.path.appending(name).display }

    func write(_ name: String, _ text: String) throws {
        let file = path(name)
        try FileManager.default.createDirectory(
            atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try Data(text.utf8).write(to: URL(fileURLWithPath: file))
    }

    /// Bytes that no other file has.
    func writeRandom(_ name: String, bytes: Int) async throws {
        let file = path(name)
        try FileManager.default.createDirectory(
            atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try await Self.tool("dd", "if=/dev/urandom", "of=\(file)", "bs=1M", "iflag=count_bytes", "count=\(bytes)")
    }

    /// Runs a program of the system on a thread of its own: the few that all tests run on must not wait for it.
    @discardableResult
    static func tool(_ program: String, _ arguments: String...) async throws -> String {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread {
                continuation.resume(with: Result { try Tool.run(program, arguments) })
            }
        }
    }

    /// Starts `capture-agent` with `arguments` and this station's configuration.
    ///
    /// - Parameter more: variables of this program alone.
    func start(_ arguments: String..., with more: [String: String] = [:]) throws -> ChildProgram {
        try ChildProgram(
            ["\(Self.programs)/capture-agent"] + arguments + ["--config", path("capture-agent.yaml")],
            environment: environment.merging(more) { $1 })
    }

    /// Runs `capture-agent` to its end.
    func run(_ arguments: String...) async throws -> (status: Int32, output: String, errors: String) {
        let program = try ChildProgram(
            ["\(Self.programs)/capture-agent"] + arguments + ["--config", path("capture-agent.yaml")],
            environment: environment)
        let status = await program.ended()
        _ = await program.line { _ in false }
        return (status, program.output, program.errors)
    }

    /// A command's `--json` result.
    func json(_ arguments: String...) async throws -> JSONValue {
        let program = try ChildProgram(
            ["\(Self.programs)/capture-agent"] + arguments + ["--json", "--config", path("capture-agent.yaml")],
            environment: environment)
        _ = await program.ended()
        _ = await program.line { _ in false }
        guard !program.output.isEmpty else { throw JSONValue.Missing(what: "a result: \(program.errors)") }
        return try JSONValue(program.output)
    }

    /// Waits, asking again each time the agent says something, until `status` is as wanted.
    func status(_ agent: ChildProgram, isAs wanted: (JSONValue) -> Bool) async throws -> JSONValue {
        for _ in 0..<600 {
            let status = try await json("status")
            if wanted(status) { return status }
        }
        throw JSONValue.Missing(what: "a status as wanted; the agent said:\n\(agent.errors)")
    }

    /// The files below `name`, but manifests, with their SHA-256, by `sha256sum`: digest to names.
    func digests(below name: String) async throws -> [String: [String]] {
        let lines = try await Self.tool(
            "find", path(name), "-type", "f", "-not", "-name", "manifest-*.json", "-exec", "sha256sum", "{}", "+")
        var digests: [String: [String]] = [:]
        for line in lines.split(separator: "\n") {
            digests[String(line.prefix(64)), default: []].append(String(line.dropFirst(66)))
        }
        return digests
    }
}

/// JSON as a test reads it.
struct JSONValue {
    struct Missing: Error, CustomStringConvertible {
        var what: String
        var description: String { "missing: \(what)" }
    }

    let value: Any?

    init(_ text: String) throws {
        value = try JSONSerialization.jsonObject(with: Data(text.utf8), options: .fragmentsAllowed)
    }

    private init(value: Any?) {
        self.value = value
    }

    subscript(_ key: String) -> JSONValue { JSONValue(value: (value as? [String: Any])?[key]) }
    subscript(_ index: Int) -> JSONValue {
        let list = value as? [Any] ?? []
        return JSONValue(value: list.indices.contains(index) ? list[index] : nil)
    }

    var list: [JSONValue] { (value as? [Any] ?? []).map { JSONValue(value: $0) } }
    var text: String? { value as? String }
    var number: Int? { (value as? NSNumber)?.intValue }
    var flag: Bool? { (value as? NSNumber)?.boolValue }
    var isNull: Bool { value is NSNull }
    var keys: Set<String> { Set((value as? [String: Any] ?? [:]).keys) }
}
