import DockWatch
import EvidenceModel
import FileAccess
import Foundation
import StationTesting
import Testing

/// What Config/mounting does, as far as it can be done without udev and systemd.
@Suite("Mounting by the example of Config", .serialized, .timeLimit(.minutes(1)))
struct MountingTests {
    private let directory: TemporaryDirectory

    init() throws {
        directory = try TemporaryDirectory()
    }

    private func dock(_ action: String, _ name: String) throws {
        let folders = ["MEDIA": "media", "DOCK_STATE": "state", "REQUESTS": "requests"].map { key, folder in
            "CAPTURE_AGENT_\(key)=\(directory.path.appending(folder).display)"
        }
        let program = Repository.path("Config/mounting/dock")
        _ = try Tool.run("env", folders + ["CAPTURE_AGENT_USER=root", program, action, name])
    }

    private func entry(_ point: RawPath) throws -> MountEntry? {
        let file = try OwnedDescriptor.open(absolute: RawPath("/proc/self/mountinfo"), flags: O_RDONLY)
        let table = MountTable.parse(try file.readBytes(ByteSpan(offset: 0, length: 1 << 20)))
        return table.entries.last { $0.mountPoint == point }
    }

    @Test(.enabled(if: CardImage.isAvailable(.ext4), "mounting an ext4 image needs root and loop devices"))
    func aDeviceIsReadOnlyUntilItIsAskedFor() throws {
        let card = try CardImage(.ext4, in: directory)
        let node = try Tool.run("losetup", "-f", "--show", card.image.display).trimmingCharacters(in: .newlines)
        defer { _ = try? Tool.run("losetup", "-d", node) }
        let name = RawPath(node).lastComponent.display
        try dock("mount", name)
        // No USB port: the name of the device.
        let point = directory.path.appending("media").appending(name)
        let mounted = try #require(try entry(point))
        #expect(mounted.isReadOnly && mounted.fileSystemType == "ext4" && mounted.source == RawPath(node))
        #expect(throws: POSIXError.self) { try write("x", to: point.appending("a")) }

        // Nobody asks any more, so this ends at once; what is made read-only again is then up to the unit.
        try dock("writable", name)
        #expect(try entry(point)?.isReadOnly == false)
        try write("x", to: point.appending("a"))
        try dock("readonly", name)
        #expect(try entry(point)?.isReadOnly == true)
        #expect(throws: POSIXError.self) { try write("x", to: point.appending("b")) }

        try dock("unmount", name)
        #expect(try entry(point) == nil)
        #expect(!FileManager.default.fileExists(atPath: point.display))
        #expect(throws: Tool.Failure.self) { try dock("unmount", name) }
        #expect(throws: Tool.Failure.self) { try dock("mount", "../\(name)") }
    }

    private static let units = [
        "capture-agent.service", "mounting/capture-agent-mount@.service", "mounting/capture-agent-writable@.service",
        "mounting/capture-agent-writable@.path",
    ]

    /// Each line is a section, a comment or a setting, and what a unit runs is there.
    @Test(arguments: units)
    func unitsAreParseable(name: String) throws {
        let text = try String(contentsOfFile: Repository.path("Config/" + name), encoding: .utf8)
        let lines = text.split(separator: "\n").filter { !$0.hasPrefix("#") }
        #expect(lines.allSatisfy { $0.wholeMatch(of: /\[[A-Z][a-z]+\]|[A-Z][A-Za-z]+=.*/) != nil })
        for line in lines where line.hasPrefix("Exec") && name.hasPrefix("mounting/") {
            let action = line.split(separator: " ").dropFirst().first.map(String.init) ?? ""
            let script = try String(contentsOfFile: Repository.path("Config/mounting/dock"), encoding: .utf8)
            #expect(script.contains("\n  \(action)) "), "\(line)")
        }
    }

    @Test func rulesNameTheUnitThatMounts() throws {
        let path = Repository.path("Config/mounting/90-capture-agent.rules")
        let rules = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").filter {
            !$0.hasPrefix("#")
        }
        // udev(7): keys with an operator and a value in quotes, separated by commas.
        let form = /[A-Z]+(\{[A-Z_]+\})?(==|!=|\+=|=)"[^"]*"(, [A-Z]+(\{[A-Z_]+\})?(==|!=|\+=|=)"[^"]*")*/
        for rule in rules { #expect(rule.wholeMatch(of: form) != nil, "\(rule)") }
        #expect(rules.contains { $0.contains(#"ENV{SYSTEMD_WANTS}+="capture-agent-mount@%k.service""#) })
    }
}
