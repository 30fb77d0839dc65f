import EvidenceModel
import LocatedYAML
import MediaIndex
import StationTesting
import Testing

private func complaint(_ text: String) -> String? {
    do throws(YAMLError) {
        _ = try profiles(text)
        return nil
    } catch {
        return error.description
    }
}

private let camera = USBIdentity(vendorID: "2207", productID: "0006", serial: "K0001", port: "1-1.4")

@Suite("Bays")
struct BayTests {
    private func root(_ usb: USBIdentity?) -> WatchedRoot {
        WatchedRoot(source: "docks", kind: .mount, path: RawPath("/media/usb-7"), fileSystem: "x", usb: usb)
    }

    @Test func aBayIsAPort() throws {
        let bays = try profiles(
            "bays: [{port: 1-1.4, name: Bay 4}, {port: '2-1', name: 五号位}]\nprofiles: []\n"
        ).bays
        #expect(bays.name(of: root(camera)) == "Bay 4")
        #expect(bays.name(ofPort: "2-1") == "五号位")
        var other = camera
        other.port = "1-1.3"
        #expect(bays.name(of: root(other)) == "1-1.3")
        #expect(bays.name(of: root(nil)) == "usb-7")
        #expect(try profiles("profiles: []\n").bays == BayNames())
    }

    @Test(arguments: [
        ("[{port: usb1, name: a}]", "bays.0.port: is \"usb1\", expected a USB port"),
        ("[{port: 1-1, name: a}, {port: 1-1, name: b}]", "bays.1: the port \"1-1\" stands twice"),
        ("[{port: 1-1, name: a}, {port: 1-2, name: a}]", "bays.1: the bay \"a\" stands twice"),
        ("[{port: 1-1, name: ' '}]", "bays.0.name: is empty"),
        ("[{port: 1-1}]", "bays.0: the key \"name\" is missing"),
        ("[{port: 1-1, name: a, slot: 3}]", "bays.0: the key \"slot\" is not known"),
        ("{1-1: a}", "bays: expected a list"),
    ])
    func aWrongBayHasItsLine(_ bays: String, _ expected: String) {
        let found = complaint("profiles: []\nbays: \(bays)\n")
        #expect(found?.hasPrefix("x.yaml:2: \(expected)") == true, "\(found ?? "no complaint")")
    }
}

@Suite("Programs that are run when a device is plugged in")
struct AttachHookTests {
    private func profile(_ line: String) -> String {
        "profiles:\n  - name: p\n    \(line)\n    patterns: [{name: n, pattern: '(?<device>a)'}]\n"
    }

    @Test(arguments: [
        ("on_attach: {}", "on_attach: the key \"command\" is missing"),
        ("on_attach: {command: []}", "on_attach.command: is empty"),
        ("on_attach: {command: [unlock]}", "on_attach.command.0: is \"unlock\", expected the absolute path"),
        ("on_attach: {command: ['/bin/{serial}']}", "on_attach.command.0: is \"/bin/{serial}\", expected the absolute"),
        ("on_attach: {command: [/bin/a, '{seral}']}", "on_attach.command.1: names {seral}, which is not known"),
        ("on_attach: {command: [/bin/a], timeout_seconds: 0}", "on_attach.timeout_seconds: is 0, expected 1.0 to 600"),
        ("usb: {vendor: '22g7'}", "usb.vendor: is \"22g7\", expected four hexadecimal digits"),
        ("usb: {vendor: 781}", "usb.vendor: is \"781\", expected four hexadecimal digits"),
        ("usb: {product: '0001'}", "usb: the key \"vendor\" is missing"),
    ])
    func aWrongKeyHasItsLine(_ line: String, _ expected: String) {
        let found = complaint(profile(line))
        #expect(found?.hasPrefix("x.yaml:3: profiles.0.\(expected)") == true, "\(found ?? "no complaint")")
    }

    @Test func beforeAMountThereIsNoMountPoint() {
        let hook = "usb: {vendor: '2207'}\n    on_attach: {command: [/bin/a, '{mount_point}']}"
        #expect(complaint(profile(hook))?.contains("names {mount_point}: with usb the command is run when") == true)
        #expect(complaint(profile("on_attach: {command: [/bin/a, '{mount_point}']}")) == nil)
    }

    private static let text = #"""
        profiles:
          - name: locked
            usb: {vendor: "2207", product: "000A"}
            on_attach: {command: [/opt/unlock, "--serial={serial}", "{device_node}", "{}", ""], timeout_seconds: 5}
            patterns: []
          - name: any-of-them
            usb: {vendor: "2207"}
            on_attach: {command: [/opt/led, "{port}/{bay}"]}
            patterns: [{name: n, pattern: '(?<device>K\d+)'}]
          - name: card
            volume_label: '^CAM'
            on_attach: {command: [/opt/mounted, "{mount_point}"]}
            patterns: [{name: n, pattern: '(?<device>C\d+)'}]
          - {name: again, on_attach: {command: [/opt/mounted, "{mount_point}"]}, patterns: []}
        """#

    @Test func aHookIsForWhomItsProfileIsFor() throws {
        let profiles = try profiles(Self.text)
        var locked = camera
        locked.productID = "000a"
        #expect(profiles.attachHooks(onUSB: locked).map(\.profile) == ["locked", "any-of-them"])
        #expect(profiles.attachHooks(onUSB: camera).map(\.profile) == ["any-of-them"])
        #expect(profiles.attachHooks(onUSB: USBIdentity(vendorID: "0781", productID: "000a", port: "1-1")) == [])
        // The same command is run once.
        #expect(profiles.attachHooks(onDocking: "CAM01", signs: DeviceSigns()).map(\.profile) == ["card"])
        #expect(profiles.attachHooks(onDocking: nil, signs: DeviceSigns()).map(\.profile) == ["again"])
        #expect(profiles.profiles[0].attachHook?.timeoutSeconds == 5)
        #expect(profiles.profiles[1].attachHook?.timeoutSeconds == 20)
    }

    @Test func aProfileMayBeForOneVendor() throws {
        let profiles = try profiles(Self.text)
        var signs = DeviceSigns()
        #expect(profiles.read(path: RawPath("K1.MP4"), volumeLabel: nil, signs: signs).profile == nil)
        signs.usb = camera
        #expect(profiles.read(path: RawPath("K1.MP4"), volumeLabel: nil, signs: signs).device == "K1")
    }

    @Test func argumentsAreFilledInWithoutAShell() throws {
        let hooks = try profiles(Self.text).profiles.compactMap(\.attachHook)
        let values: [AttachHook.Placeholder: RawPath] = [
            .serial: RawPath("-rf $(reboot); 'x'"), .deviceNode: RawPath(bytes: [0x2F, 0xFF, 0]), .port: RawPath("1-1"),
        ]
        let command = try #require(hooks[0].command(values))
        #expect(command[0] == RawPath("/opt/unlock") && command.count == 5)
        #expect(command[1] == RawPath("--serial=-rf $(reboot); 'x'"))
        #expect(command[2] == RawPath(bytes: [0x2F, 0xFF]))
        #expect(command[3] == RawPath("{}") && command[4] == RawPath(""))
        #expect(hooks[1].command(values)?[1] == RawPath("1-1/"))
        let bare = AttachHook(program: RawPath("/opt/a"), arguments: [[.value(.serial)]])
        #expect(bare.command(values) == nil)
        #expect(bare.command([:]) == [RawPath("/opt/a"), RawPath("")])
    }
}
