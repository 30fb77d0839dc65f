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

    private func dock(_ action: String, _ name: String, onUSB: Bool = false) throws {
        try bash("\(Repository.path("Config/mounting/dock")) \(action) \(name)", onUSB: onUSB)
    }

    /// - Parameter onUSB: whether all devices are in one slot on USB.
    private func bash(_ script: String, onUSB: Bool = false) throws {
        let folders = ["MEDIA": "media", "DOCK_STATE": "state", "REQUESTS": "requests"].map { key, folder in
            "CAPTURE_AGENT_\(key)=\(directory.path.appending(folder).display)"
        }
        let sysfs = onUSB ? directory.path.appending("sys").display : "/sys"
        let settings = folders + ["CAPTURE_AGENT_USER=root", "CAPTURE_AGENT_SYSFS=\(sysfs)"]
        _ = try Tool.run("env", settings + ["bash", "-euc", script])
    }

    /// The loop device of a new card, which `onUSB` finds in the slot 1-1.4.
    private func device(_ label: String) throws -> (name: String, node: String) {
        let card = try CardImage(.ext4, label: label, in: directory)
        let node = try Tool.run("losetup", "-f", "--show", card.image.display).trimmingCharacters(in: .newlines)
        let name = RawPath(node).lastComponent.display
        let host = "devices/usb1/1-1/1-1.4/1-1.4:1.0/host1/target1:0:0/1:0:0:0/block/\(name)"
        let folder = try directory.folder("sys/\(host)")
        let link = try directory.folder("sys/class/block").appending(name)
        try FileManager.default.createSymbolicLink(atPath: link.display, withDestinationPath: folder.display)
        return (name, node)
    }

    private func entry(_ point: RawPath) throws -> MountEntry? {
        try table().last { $0.mountPoint == point }
    }

    private func table() throws -> [MountEntry] {
        let file = try OwnedDescriptor.open(absolute: RawPath("/proc/self/mountinfo"), flags: O_RDONLY)
        return MountTable.parse(try file.readBytes(ByteSpan(offset: 0, length: 1 << 20))).entries
    }

    @Test(.enabled(if: CardImage.isAvailable(.ext4), "mounting an ext4 image needs root and loop devices"))
    func aDeviceIsReadOnlyUntilItIsAskedFor() throws {
        let (name, node) = try device("CAM01")
        defer { _ = try? Tool.run("losetup", "-d", node) }
        try dock("mount", name)
        // No USB port: the name of the device.
        let point = directory.path.appending("media").appending(name)
        let mounted = try #require(try entry(point))
        #expect(mounted.isReadOnly && mounted.fileSystemType == "ext4" && mounted.source == RawPath(node))
        #expect(throws: POSIXError.self) { try write("x", to: point.appending("a")) }

        // Nobody asked, or asks any more.
        try dock("writable", name)
        #expect(try entry(point)?.isReadOnly == true)
        // Asking again renews the request, and is granted at once.
        let asking = """
            dock=\(Repository.path("Config/mounting/dock")) ask=\(Repository.path("Config/mounting/ask-writable"))
            request=$CAPTURE_AGENT_REQUESTS/\(name)
            mkdir -p "$CAPTURE_AGENT_REQUESTS"; touch "$request"
            $dock writable \(name) &
            $ask \(point.display)
            touch -d '14 minutes ago' "$request"
            timeout 5 $ask \(point.display)
            [[ $(find "$request" -mmin -1) ]]
            $ask --done \(point.display)
            [[ ! -e $request ]]
            wait $!
            """
        try bash(asking)
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

    @Test(.enabled(if: CardImage.isAvailable(.ext4), "mounting an ext4 image needs root and loop devices"))
    func theNextCardOfASlotStays() throws {
        let (first, firstNode) = try device("CAM01")
        defer { _ = try? Tool.run("losetup", "-d", firstNode) }
        let (next, nextNode) = try device("CAM02")
        defer { _ = try? Tool.run("losetup", "-d", nextNode) }
        let point = directory.path.appending("media/usb-1-1.4")
        try dock("mount", first, onUSB: true)
        #expect(try entry(point)?.source == RawPath(firstNode))
        let request = try directory.file("requests/usb-1-1.4")
        try dock("mount", next, onUSB: true)
        #expect(try entry(point)?.source == RawPath(nextNode))
        // It was asked for the first card.
        #expect(access(request.display, F_OK) != 0)
        // Told late that the first one went.
        try dock("unmount", first, onUSB: true)
        #expect(try entry(point)?.source == RawPath(nextNode))
        try dock("unmount", next, onUSB: true)
        #expect(try entry(point) == nil)
    }

    @Test(.enabled(if: CardImage.isAvailable(.ext4), "mounting an ext4 image needs root and loop devices"))
    func cardsThatComeTogetherDoNotRace() throws {
        let devices = try (0..<4).map { try device("CAM0\($0)") }
        defer { for device in devices { _ = try? Tool.run("losetup", "-d", device.node) } }
        let program = Repository.path("Config/mounting/dock")
        try bash(devices.map { "\(program) mount \($0.name) &\n" }.joined() + "wait")
        for device in devices {
            #expect(try entry(directory.path.appending("media/\(device.name)"))?.source == RawPath(device.node))
        }
        let stage = directory.path.appending("state/stage")
        let stages = try table().filter { $0.mountPoint.isAtOrBelow(stage) }
        #expect(stages.map(\.mountPoint) == [stage])
        for device in devices { try dock("unmount", device.name) }
    }

    @Test(.enabled(if: geteuid() == 0, "mounting needs root"))
    func aRequestThatCannotBeGrantedIsTakenBack() throws {
        let request = try directory.file("requests/usb-1-1.4")
        #expect(throws: Tool.Failure.self) { try dock("writable", "usb-1-1.4") }
        #expect(access(request.display, F_OK) != 0)
        // Ended while it waits.
        let ask = Repository.path("Config/mounting/ask-writable")
        let script = """
            \(ask) /media/usb-1-1.4 & asking=$!
            until [[ -e \(request.display) ]]; do :; done
            kill $asking
            wait $asking || [[ ! -e \(request.display) ]]
            """
        try bash(script)
        #expect(access(request.display, F_OK) != 0)
        // Refused while it waits.
        let refusal = "until rm \(request.display) 2>/dev/null; do :; done & ! \(ask) /media/usb-1-1.4"
        try bash(refusal)
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
