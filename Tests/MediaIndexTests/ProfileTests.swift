import EvidenceModel
import Foundation
import LocatedYAML
import MediaIndex
import StationTesting
import Testing

func profiles(_ text: String) throws(YAMLError) -> DeviceProfiles {
    try DeviceProfiles(file: YAMLFile(name: "x.yaml", text: text))
}

private func complaint(_ text: String) -> String? {
    do throws(YAMLError) {
        _ = try profiles(text)
        return nil
    } catch {
        return error.description
    }
}

private func file(_ bytes: [UInt8]) -> DeviceSigns.File {
    DeviceSigns.File(
        bytes: bytes, modifiedAt: WallTime(millisecondsSince1970: 0), readAt: WallTime(millisecondsSince1970: 0))
}

@Suite("Profiles in YAML")
struct ProfileFileTests {
    @Test(arguments: [
        ("{name: n, pattern: 'x(\\d+)'}", "patterns.0.pattern: tells nothing: it names none of the groups device, "),
        (
            "{name: n, pattern: '(?<oficer>x)'}",
            "patterns.0.pattern: names the group \"oficer\", which is not known, the nearest known one is \"officer\""
        ),
        (
            "{name: n, pattern: '(?<device>a)'}, {name: n, pattern: '(?<part>b)'}",
            "patterns.1: the pattern \"n\" stands twice"
        ),
        ("{name: n, of: marker_file, pattern: '(?<device>a)'}", "patterns.0: the key \"file\" is missing"),
        ("{name: n, of: path, file: A, pattern: '(?<device>a)'}", "patterns.0: the key \"file\" is not known"),
        (
            "{name: n, of: marker_file, file: ../A, pattern: '(?<device>a)'}",
            "patterns.0.file: is \"../A\", expected a path"
        ),
        (
            "{name: n, of: marker_file, file: /A, pattern: '(?<device>a)'}",
            "patterns.0.file: is \"/A\", expected a path"
        ),
        ("{name: n, of: foldr, pattern: '(?<device>a)'}", "patterns.0.of: is \"foldr\", expected one of: folder, path"),
    ])
    func aWrongPatternHasItsLine(_ patterns: String, _ expected: String) {
        let found = complaint("profiles:\n  - name: p\n    patterns: [\(patterns)]\n")
        #expect(found?.hasPrefix("x.yaml:3: profiles.0.\(expected)") == true, "\(found ?? "no complaint")")
    }

    @Test(arguments: [
        ("start: [embedded, exif]", "start.1: is \"exif\", expected one of: embedded, sidecar"),
        ("start: [gps, gps]", "start.1: \"gps\" stands twice"),
        ("start: []", "start: is empty"),
        ("zone: Asia/Shanghi", "zone: is \"Asia/Shanghi\", expected station, utc or a time zone's name"),
        ("embedded_zone: local", "embedded_zone: is \"local\", expected one of: utc, device"),
        ("embedded_marks: middle", "embedded_marks: is \"middle\", expected one of: start, end"),
        ("file_time_zone: utc", "file_time_zone: is \"utc\", expected one of: as_mounted, device"),
        ("clock: {newest_file_seconds: 9}", "clock.newest_file_seconds: is for profiles with volume_label"),
        ("clock: {file: T, newest_file_seconds: 9}", "clock: has a file and newest_file_seconds"),
        ("clock: {file: T, pattern: '(?<device>x)'}", "clock.pattern: names the group \"device\""),
        ("clock: {pattern: '(?<time>x)'}", "clock: the key \"file\" is missing"),
        ("marker_file: 'a//b'", "marker_file: is \"a//b\", expected a path"),
    ])
    func aWrongClockHasItsLine(_ line: String, _ expected: String) {
        let found = complaint(
            "profiles:\n  - name: p\n    \(line)\n    patterns: [{name: n, pattern: '(?<device>a)'}]\n")
        #expect(found?.hasPrefix("x.yaml:3: profiles.0.\(expected)") == true, "\(found ?? "no complaint")")
    }

    @Test func aNameThatStandsTwiceHasItsLine() {
        let one = "  - {name: p, patterns: [{name: n, pattern: '(?<device>a)'}]}\n"
        let found = complaint("profiles:\n" + one + one)
        #expect(found == "x.yaml:3: profiles.1: the profile \"p\" stands twice")
        let many = (0..<17).map { "{name: n\($0), of: marker_file, file: F\($0), pattern: '(?<device>a)'}" }
        let files = complaint("profiles:\n  - {name: p, patterns: [\(many.joined(separator: ", "))]}\n")
        #expect(files == "x.yaml:2: profiles: name 17 files on devices, 16 are the most")
    }

    @Test func whatLooksLikeAGroupIsNone() throws {
        let read = try profiles(
            "profiles: [{name: p, patterns: [{name: n, pattern: '\\(?<x>[(?<y>]?(?=b)(?<device>b)'}]}]")
        #expect(read.profiles[0].patterns[0].expression.groupNames == ["device"])
    }

    @Test func theClocksAreReadAsTheyStand() throws {
        let text = #"""
            profiles:
              - name: p
                marker_file: ID.TXT
                start: [gps, file_time]
                zone: Europe/Berlin
                embedded_zone: device
                embedded_marks: end
                file_time_zone: device
                clock: {newest_file_seconds: 120}
                patterns: [{name: n, of: marker_file, file: Id.txt, pattern: '(?<device>a)'}]
              - name: q
                clock: {file: LOG/TIME.TXT, pattern: '(?<time>.*)'}
                patterns: [{name: n, pattern: '(?<device>a)'}]
            """#
        let read = try profiles(text)
        let clocks = read.profiles[0].clocks
        #expect(
            clocks.order == [.gps, .fileTime] && clocks.zone == .fixed(StationZone(identifier: "Europe/Berlin") ?? .utc)
        )
        #expect(clocks.embeddedZone == .device && clocks.embeddedMarks == .end && clocks.fileTimeZone == .device)
        #expect(read.deviceFiles == ["Id.txt", "LOG/TIME.TXT"])
        #expect(read.clocks(of: "q").order == [.fileName, .embedded, .sidecar, .gps, .fileTime])
        #expect(read.clocks(of: "gone").fileTimeZone == nil && read.clocks(of: nil).embeddedZone == .utc)
    }
}

@Suite("Signs on a device")
struct DeviceSignTests {
    private static let text = #"""
        profiles:
          - name: marked
            marker_file: WIDKEY/WOFFICER.TXT
            patterns:
              - {name: file, of: marker_file, file: widkey/wofficer.txt, pattern: '(?<officer>\d{4,})'}
              - {name: folder, of: folder, pattern: '^(?<device>\w+)/.*(?<important>LOCK)?$'}
          - {name: other, patterns: [{name: name, pattern: '(?<device>K\d+)'}]}
        """#

    @Test func aMarkerTellsOfEveryFile() throws {
        let profiles = try profiles(Self.text)
        var signs = DeviceSigns()
        #expect(profiles.read(path: RawPath("A1/K5.MP4"), volumeLabel: nil, signs: signs).profile == "other")
        signs.note(file(Array("officer 061234\r\n".utf8)), at: "WIDKEY/WOFFICER.TXT")
        let reading = profiles.read(path: RawPath("A1/b/K5.MP4"), volumeLabel: nil, signs: signs)
        #expect(reading.profile == "marked" && reading.officer == "061234" && reading.device == "A1")
        #expect(reading.fields[.officer]?.pattern == "file")
        #expect(reading.fields[.officer]?.subject.description == "marker_file widkey/wofficer.txt")
        #expect(reading.fields[.device]?.subject == .folder && !reading.marks.isImportant)
    }

    @Test(
        arguments: [
            (Array("\u{FEFF}张三 1234".utf8), "张三 1234"),
            ([0xD5, 0xC5, 0xC8, 0xFD, 0x31], "张三1"),
            ([0xFF, 0xFF, 0x41], "ÿÿA"),
            ([], ""),
        ] as [([UInt8], String)])
    func bytesAreText(_ bytes: [UInt8], _ expected: String) {
        #expect(file(bytes).text == expected)
    }

    @Test func aCharacterCutInTwoIsLeftOut() {
        let bytes = Array(String(repeating: "张", count: 2000).utf8.prefix(Int(DeviceSigns.fileBytes)))
        #expect(file(bytes).text == String(repeating: "张", count: 1365))
        var random = SeededRandom(seed: 21)
        for length in 0..<300 {
            let noise = (0..<length).map { _ in UInt8.random(in: 0...255, using: &random) }
            #expect(length == 0 || !file(noise).text.isEmpty)
        }
    }

    @Test func digitsThatAreNoTimeLeaveItToTheNextPattern() throws {
        let profiles = try profiles(
            #"""
            profiles:
              - name: p
                patterns:
                  - {name: a, pattern: '^(?<time>\d{14})(?<part>\w+)'}
                  - {name: b, pattern: '_(?<time>\d{14})_(?<part>\d+)'}
            """#)
        let reading = profiles.read(path: RawPath("99999999999999_20261122093000_12"), volumeLabel: nil)
        #expect(reading.fields[.time]?.pattern == "b" && reading.fields[.part]?.pattern == "b")
        #expect(reading.marks.part == 12)
    }
}

@Suite("Example of devices.yaml")
struct ExampleProfileTests {
    private func read(_ path: String, label: String? = nil, marker: String? = nil) throws -> String {
        let text = try String(contentsOfFile: Repository.path("Config/devices.yaml"), encoding: .utf8)
        let profiles = try DeviceProfiles(file: YAMLFile(name: "devices.yaml", text: text))
        var signs = DeviceSigns()
        if let marker { signs.note(file(Array(marker.utf8)), at: "widkey/wofficer.txt") }
        let reading = profiles.read(path: RawPath(path), volumeLabel: label, signs: signs)
        let time = reading.startedAt.map { $0.wallTime(offsetSeconds: 0).rfc3339().dropLast() }
        let fields: [String?] = [
            reading.profile, reading.device, reading.officer, time.map(String.init),
            reading.marks.part.map(String.init),
            reading.marks.takeKey, reading.marks.camera, reading.marks.isImportant ? "!" : nil,
        ]
        return fields.map { $0 ?? "-" }.joined(separator: " ")
    }

    @Test(arguments: [
        ("K0001_061234_20261122093000.MP4", "body-camera K0001 061234 2026-11-22T09:30:00 - - - -"),
        ("DSJ0001-061234-20261122-093000-0002-IMP.MP4", "body-camera DSJ0001 061234 2026-11-22T09:30:00 2 - - !"),
        ("DSJ0001061234202611220930000002IMP.MP4", "body-camera DSJ0001 061234 2026-11-22T09:30:00 2 - - !"),
        ("DSJ000106123420261122093000.MP4", "body-camera DSJ0001 061234 2026-11-22T09:30:00 - - - -"),
        ("DSJ0001@061234@20261122093000_IMP.JPG", "body-camera DSJ0001 061234 2026-11-22T09:30:00 - - - !"),
        ("DSJ0001_20261122093000.MP4", "body-camera DSJ0001 - 2026-11-22T09:30:00 - - - -"),
        ("Video/Normal/2026_1122_093000_001A.MP4", "dash-cam - - 2026-11-22T09:30:00 - - A -"),
        ("CARDV/EVENT/20261122093000_000123F.MP4", "dash-cam - - 2026-11-22T09:30:00 - - F !"),
        ("DCIM/Crash/20261122_093000_R.mp4", "dash-cam - - 2026-11-22T09:30:00 - - R !"),
        ("RO/20261122093000_1.TS", "dash-cam - - 2026-11-22T09:30:00 - - - !"),
        ("DCIM/100GOPRO/GX010123.MP4", "action-camera - - - 1 0123 - -"),
        ("DCIM/100GOPRO/GH110123.MP4", "action-camera - - - 11 0123 - -"),
        ("DCIM/100GOPRO/GOPR0123.MP4", "action-camera - - - - 0123 - -"),
        ("DCIM/100GOPRO/GP020123.MP4", "action-camera - - - 2 0123 - -"),
        ("DCIM/Camera/IMG_20261122_093000.jpg", "timed-photo - - 2026-11-22T09:30:00 - - - -"),
        ("DCIM/100CANON/IMG_0001.JPG", "still-camera CANON - - - - - -"),
        ("RECORD/A/R20261122-093000.WAV", "voice-recorder - - 2026-11-22T09:30:00 - - - -"),
        ("REC_20261122_093000.MP3", "voice-recorder - - 2026-11-22T09:30:00 - - - -"),
        ("room-1/2026-11-22_09-30-00.mkv", "hearing-room room-1 - 2026-11-22T09:30:00 - - - -"),
        ("CH01_20261122093000.mp4", "hearing-room CH01 - 2026-11-22T09:30:00 - - - -"),
        ("holiday.mp4", "- - - - - - - -"),
    ])
    func aNameIsRead(_ path: String, _ expected: String) throws {
        #expect(try read(path) == expected)
    }

    @Test func signsAreRead() throws {
        #expect(
            try read("20261122/1M123455.mp4", label: "CAR_7", marker: "061234") == "officer-file CAR_7 061234 - - - - -"
        )
        #expect(try read("MOVI0001.MP4", label: "DSJ-K0001") == "body-camera K0001 - - - - - -")
        #expect(try read("A.WAV", label: "VR-12") == "voice-recorder VR-12 - - - - - -")
    }
}
