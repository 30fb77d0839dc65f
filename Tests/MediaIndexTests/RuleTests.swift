import EvidenceModel
import Foundation
import LocatedYAML
import MediaIndex
import StationTesting
import Testing

private func complaint(_ text: String, _ read: (YAMLFile) throws(YAMLError) -> Void) -> String? {
    do throws(YAMLError) {
        try read(try YAMLFile(name: "x.yaml", text: text))
        return nil
    } catch {
        return error.description
    }
}

private func listComplaint(_ text: String) -> String? {
    complaint(text) { (file) throws(YAMLError) in _ = try ItemList(file: file) }
}

private let head = """
    version: "1"
    items:
      - id: visit
        name: 现场检查
        stages:
          - {id: arrival, name: 到达}
      - id: hearing
        name: 听证

    """

@Suite("Item list")
struct ItemListTests {
    @Test(arguments: [
        ("  - {id: visit, name: again}\n", "x.yaml:9: items.2: the id \"visit\" stands twice"),
        ("  - {id: Visit, name: x}\n", "x.yaml:9: items.2.id: is \"Visit\", expected 1 to 63 of a-z, 0-9 and -"),
        ("rules:\n  - {id: r, item: vist}\n", "x.yaml:10: rules.0.item: the list has no item \"vist\""),
        (
            "rules:\n  - {id: r, item: hearing, stage: arrival}\n",
            "x.yaml:10: rules.0.stage: the item \"hearing\" has no stage \"arrival\""
        ),
        (
            "rules:\n  - {id: r, item: visit, confidence: 2}\n",
            "x.yaml:10: rules.0.confidence: is 2, expected 0.0 to 1.0"
        ),
        ("rules:\n  - {item: visit}\n", "x.yaml:10: rules.0: the key \"id\" is missing"),
    ])
    func anErrorHasItsLine(_ text: String, _ expected: String) {
        #expect(listComplaint(head.replacing("\n\n", with: "\n") + text) == expected)
    }

    @Test func aPatternThatDoesNotCompileHasItsLine() {
        let found = listComplaint(head + "rules:\n  - {id: r, item: visit, file_name: '('}\n")
        #expect(found?.hasPrefix("x.yaml:10: rules.0.file_name: is no regular expression") == true, "\(found ?? "")")
        let profile = complaint("profiles:\n  - name: p\n    patterns:\n      - {name: n, pattern: '['}\n") {
            (file) throws(YAMLError) in _ = try DeviceProfiles(file: file)
        }
        #expect(
            profile?.hasPrefix("x.yaml:4: profiles.0.patterns.0.pattern: is no regular") == true, "\(profile ?? "")")
    }

    @Test func aListIsReadAsItStands() throws {
        let list = try ItemList(file: YAMLFile(name: "x.yaml", text: head))
        #expect(list.version == "1" && list.rules.isEmpty)
        #expect(list.items.map(\.id) == ["visit", "hearing"])
        #expect(list.items[0].stages.map { [$0.id, $0.name] } == [["arrival", "到达"]])
    }
}

@Suite("Tagger")
struct TaggerTests {
    private func tags(_ rules: String, _ change: (inout Recording) -> Void = { _ in }) throws -> [String] {
        let list = try ItemList(file: YAMLFile(name: "x.yaml", text: head + "rules:\n" + rules))
        var random = SeededRandom(seed: 11)
        var recording = random.recording(name: RawPath("R-001.mp4"))
        change(&recording)
        let time = WallTime(millisecondsSince1970: 3)
        let tags = Tagger(list: list).tags(for: recording, at: time)
        #expect(tags.allSatisfy { $0.at == time && $0.listVersion == "1" })
        return tags.map { "\($0.item)/\($0.stage ?? "-")/\($0.by)/\($0.confidence)" }
    }

    @Test func oneTagForEachItemTheSurestFirst() throws {
        let rules = """
              - {id: a, item: visit, confidence: 0.4}
              - {id: b, item: visit, stage: arrival, confidence: 0.9}
              - {id: c, item: hearing}
              - {id: d, item: visit, confidence: 0.9}
              - {id: e, item: hearing, confidence: 0.5}
            """
        #expect(try tags(rules) == ["visit/arrival/rule:b/0.9", "hearing/-/rule:c/0.5"])
    }

    @Test func everyConditionMustHold() throws {
        let rule = "  - {id: a, item: visit, source: docks, device: '^K', folder: '^DCIM$', file_name: '^R-'}\n"
        let found = ["visit/-/rule:a/0.5"]
        #expect(try tags(rule) { $0.device = "K1" } == found)
        #expect(try tags(rule) == [], "a rule about devices is none about a file without one")
        #expect(try tags(rule) { $0.device = "XK1" } == [])
        #expect(try tags(rule) { ($0.device, $0.source) = ("K1", "other") } == [])
        #expect(try tags(rule) { ($0.device, $0.sourcePath) = ("K1", RawPath("a/R-001.mp4")) } == [])
        #expect(try tags(rule) { ($0.device, $0.fileName) = ("K1", RawPath("x.mp4")) } == [])
    }
}

@Suite("Device profiles")
struct DeviceProfileTests {
    private struct Told: Equatable {
        var device: String?
        var officer: String?
        var startedAt: CalendarTime?
    }

    private func read(_ path: RawPath, label: String?) throws -> Told {
        let text = #"""
            profiles:
              - name: labelled
                volume_label: '^CAM'
                patterns:
                  - {name: name, pattern: '^(?<device>K\d{4})_(?<officer>\d{6})_(?<time>\d{14})'}
                  - {name: folder, of: path, pattern: '(?<device>DEV\d+)/.*?(?<time>\d{4}-\d\d-\d\d[ _]\d\d\.\d\d\.\d\d)'}
                  - {name: label, of: volume_label, pattern: '(?<officer>\d+)$'}
              - name: any
                patterns:
                  - {name: time, pattern: '(?<time>[\d_]{14,})'}
            """#
        let profiles = try DeviceProfiles(file: YAMLFile(name: "x.yaml", text: text))
        let reading = profiles.read(path: path, volumeLabel: label)
        return Told(device: reading.device, officer: reading.officer, startedAt: reading.startedAt)
    }

    private let time = CalendarTime(year: 2026, month: 11, day: 22, hour: 9, minute: 30, second: 0)

    @Test func theFirstPatternThatTellsAFieldWins() throws {
        let name = try read(RawPath("DCIM/K0001_061234_20261122093000.MP4"), label: "CAM77")
        #expect(name == Told(device: "K0001", officer: "061234", startedAt: time))
        let folder = try read(RawPath("DEV9/a/2026-11-22_09.30.00.mp4"), label: "CAM77")
        #expect(folder == Told(device: "DEV9", officer: "77", startedAt: time))
    }

    @Test func aProfileOfAnotherLabelIsPassedOver() throws {
        let found = try read(RawPath("K0001-20261122093000.MP4"), label: "NIKON")
        #expect(found == Told(startedAt: time))
        #expect(try read(RawPath("x/2026_11_22_09_30_00"), label: nil) == Told(startedAt: time))
        #expect(try read(RawPath("clip.mp4"), label: nil) == Told())
    }

    @Test func aTimeThatCannotBeIsNone() throws {
        for digits in ["20261322093000", "20260229093000", "20261122240000", "00000000000000"] {
            #expect(try read(RawPath("a_\(digits)"), label: nil).startedAt == nil, "\(digits)")
        }
        #expect(try read(RawPath(bytes: [0xFF] + Array("20261122093000".utf8)), label: nil).startedAt == time)
    }
}

@Suite("Station zone")
struct StationZoneTests {
    private func zone(_ name: String) throws -> StationZone { try #require(StationZone(identifier: name)) }

    private func moment(_ zone: StationZone, _ text: String) throws -> String {
        let local = try #require(WallTime(rfc3339: text))
        return zone.wallTime(CalendarTime(local, offsetSeconds: 0)).rfc3339()
    }

    @Test func berlinAroundItsChanges() throws {
        let berlin = try zone("Europe/Berlin")
        #expect(try moment(berlin, "2026-03-29T01:59:59") == "2026-03-29T00:59:59Z")
        #expect(try moment(berlin, "2026-03-29T03:00:00") == "2026-03-29T01:00:00Z")
        #expect(try moment(berlin, "2026-10-25T01:59:59") == "2026-10-24T23:59:59Z")
        #expect(try moment(berlin, "2026-10-25T02:30:00") == "2026-10-25T00:30:00Z", "the earlier of two")
        #expect(try moment(berlin, "2026-10-25T03:00:00") == "2026-10-25T02:00:00Z")
        // No clock shows it; what is told is less than an hour away.
        let gap = try #require(WallTime(rfc3339: moment(berlin, "2026-03-29T02:30:00")))
        let change = try #require(WallTime(rfc3339: "2026-03-29T01:00:00Z"))
        #expect(abs(gap.seconds(since: change)) <= 1800)
    }

    @Test func textHasTheOffsetOfItsMoment() throws {
        let (berlin, shanghai) = (try zone("Europe/Berlin"), try zone("Asia/Shanghai"))
        let summer = try #require(WallTime(rfc3339: "2026-07-01T00:00:00.5Z"))
        let winter = try #require(WallTime(rfc3339: "2026-01-01T00:00:00Z"))
        #expect(berlin.text(summer) == "2026-07-01T02:00:00.500+02:00")
        #expect(berlin.text(winter) == "2026-01-01T01:00:00+01:00")
        #expect(shanghai.text(summer) == "2026-07-01T08:00:00.500+08:00")
        #expect(StationZone(identifier: "Nowhere/At_All") == nil)
    }

    @Test(arguments: ["Europe/Berlin", "Asia/Shanghai", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia"])
    func everyMomentComesBackFromItsClock(_ name: String) throws {
        let zone = try zone(name)
        var random = SeededRandom(seed: 12)
        for _ in 0..<1500 {
            let time = WallTime(
                millisecondsSince1970: Int64.random(in: 500_000_000...2_000_000_000, using: &random) * 1000)
            let local = CalendarTime(time, offsetSeconds: zone.offsetSeconds(at: time))
            let told = zone.wallTime(local)
            #expect(told <= time && time.seconds(since: told) <= 86_400, "\(time.rfc3339())")
            #expect(CalendarTime(told, offsetSeconds: zone.offsetSeconds(at: told)) == local)
        }
    }
}
