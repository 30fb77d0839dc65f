import EvidenceModel
import MediaIndex
import Testing

private let shanghai = StationZone(identifier: "Asia/Shanghai") ?? .utc
private let berlin = StationZone(identifier: "Europe/Berlin") ?? .utc

private func time(_ text: String) throws -> WallTime { try #require(WallTime(rfc3339: text)) }

private func clocks(_ change: (inout DeviceClocks) -> Void = { _ in }) -> DeviceClocks {
    var clocks = DeviceClocks()
    change(&clocks)
    return clocks
}

@Suite("Evidence of a start")
struct EvidenceTests {
    private let fileTime = WallTime(millisecondsSince1970: 1_795_311_020_500)

    private func embedded(_ text: String, _ clocks: DeviceClocks, length: Double? = 20) -> String? {
        let facts = MediaFacts(kind: .video, durationSeconds: length, creationTime: text, health: .intact)
        return EvidenceRule(clocks: clocks, station: shanghai).evidence(of: facts, fileTime: fileTime)
            .first { $0.basis == .embedded }.map { "\($0.at.rfc3339()) \($0.readAs)" }
    }

    @Test(
        arguments: [
            ("2026-11-22T01:30:00Z", "2026-11-22T01:30:00Z as UTC"),
            ("2026-11-22T01:30:00.250000Z", "2026-11-22T01:30:00.250Z as UTC"),
            ("2026-11-22T09:30:00", "2026-11-22T01:30:00Z in Asia/Shanghai"),
            ("2026-11-22T09:30:00.5", "2026-11-22T01:30:00.500Z in Asia/Shanghai"),
            ("2026-11-22T10:30:00+09:00", "2026-11-22T01:30:00Z with its own offset"),
            ("2026-11-22 10:30:00+09:00", "2026-11-22T01:30:00Z with its own offset"),
            ("2000-01-01T00:00:00Z", "2000-01-01T00:00:00Z as UTC"),
            ("1904-01-01T00:00:00Z", nil), ("1904-01-01T08:00:00", nil), ("0", nil), ("", nil),
            ("2026-13-01T00:00:00Z", nil),
        ] as [(String, String?)])
    func theContainersTime(_ text: String, _ expected: String?) {
        #expect(embedded(text, clocks()) == expected)
    }

    @Test func localDigitsWrittenAsUTC() {
        let device = clocks { $0.embeddedZone = .device }
        #expect(
            embedded("2026-11-22T09:30:00Z", device) == "2026-11-22T01:30:00Z written as UTC, read in Asia/Shanghai")
        #expect(embedded("2026-11-22T10:30:00+09:00", device) == "2026-11-22T01:30:00Z with its own offset")
        let elsewhere = clocks { ($0.embeddedZone, $0.zone) = (.device, .fixed(berlin)) }
        #expect(embedded("2026-07-22T09:30:00Z", elsewhere)?.hasPrefix("2026-07-22T07:30:00Z") == true)
        let end = clocks { $0.embeddedMarks = .end }
        #expect(embedded("2026-11-22T01:30:20Z", end) == "2026-11-22T01:30:00Z as UTC, the end, minus 20.00 s")
        for length in [nil, 0, -5, .infinity, .nan, 1e300] as [Double?] {
            #expect(embedded("2026-11-22T01:30:20Z", end, length: length) == "2026-11-22T01:30:20Z as UTC")
        }
    }

    private func modified(_ kind: MediaKind, _ clocks: DeviceClocks, playable: Double? = nil) -> String? {
        let facts = MediaFacts(kind: kind, durationSeconds: 20, playableSeconds: playable, health: .intact)
        return EvidenceRule(clocks: clocks, station: shanghai).evidence(of: facts, fileTime: fileTime)
            .first { $0.basis == .fileTime }.map { "\($0.original) → \($0.at.rfc3339())" }
    }

    @Test func theFilesTimeIsTheEnd() {
        let original = "2026-11-22T01:30:20.500Z"
        #expect(fileTime.rfc3339() == original)
        #expect(modified(.video, clocks()) == "\(original) → 2026-11-22T01:30:00.500Z")
        #expect(modified(.audio, clocks(), playable: 12) == "\(original) → 2026-11-22T01:30:08.500Z")
        #expect(modified(.photo, clocks()) == "\(original) → \(original)")
        #expect(modified(.sidecar, clocks()) == "\(original) → \(original)")
        let device = clocks { $0.fileTimeZone = .device }
        #expect(modified(.video, device) == "\(original) → 2026-11-21T17:30:00.500Z")
    }

    @Test func aSatellitesTimeIsTrue() throws {
        let at = try time("2026-11-22T01:29:58Z")
        let points = [
            GeoPoint(latitude: 34, longitude: 107), GeoPoint(latitude: 34, longitude: 107, at: at),
            GeoPoint(latitude: 34, longitude: 107, at: at.adding(seconds: 9)),
        ].compactMap(\.self)
        let rule = EvidenceRule(clocks: clocks { $0.embeddedZone = .device }, station: shanghai)
        let gpx = MediaFacts(kind: .sidecar, creationTime: "2026-11-22T01:29:57Z", positions: points, health: .intact)
        let told = rule.evidence(fromSidecar: gpx, named: RawPath("X.gpx"))
        #expect(told.map(\.basis) == [.sidecar, .gps] && !told.contains(where: \.isByDeviceClock))
        #expect(told.map { $0.at.rfc3339() } == ["2026-11-22T01:29:57Z", "2026-11-22T01:29:58Z"])
        #expect(told[1].readAs == "as UTC, the first place with a time, of X.gpx")
        let own = rule.evidence(of: gpx, fileTime: fileTime)
        #expect(own.map(\.basis) == [.sidecar, .gps, .fileTime])
        let srt = MediaFacts(kind: .sidecar, creationTime: "2026-11-22T09:30:01", health: .intact)
        let local = rule.evidence(fromSidecar: srt, named: RawPath("X.srt"))
        #expect(local.map { $0.at.rfc3339() } == ["2026-11-22T01:30:01Z"] && local[0].isByDeviceClock)
    }

    /// A camera's own small copy is no receiver: its time is the camera's, whatever letter stands behind it.
    @Test func previewsHaveTheCamerasClock() {
        let rule = EvidenceRule(clocks: clocks { $0.embeddedZone = .device }, station: shanghai)
        let preview = MediaFacts(
            kind: .sidecar, container: "mp4", creationTime: "2026-11-22T09:30:00.000000Z", health: .intact)
        let told = rule.evidence(fromSidecar: preview, named: RawPath("GL010001.LRV"))
        #expect(told.map(\.basis) == [.sidecar])
        #expect(told.map { $0.at.rfc3339() } == ["2026-11-22T01:30:00Z"])
        #expect(told.map(\.isByDeviceClock) == [true])
    }
}

@Suite("Start rule")
struct StartRuleTests {
    private static let collected = "2026-11-24T00:00:00Z"

    private func evidence(_ text: String) throws -> [TimeEvidence] {
        try text.split(separator: " ").map { piece in
            let parts = piece.split(separator: "=")
            let basis = try #require(TimeEvidence.Basis(rawValue: String(parts[0])))
            return TimeEvidence(
                basis: basis, original: "", readAs: "", at: try time(String(parts[1])), isByDeviceClock: basis != .gps)
        }
    }

    private func judge(_ text: String, offset: Double? = nil, order: [TimeEvidence.Basis]? = nil) throws -> String {
        let rule = StartRule(
            order: order ?? DeviceClocks().order, offset: offset.map { ClockOffset(seconds: $0, method: .timeFile) },
            collectedAt: try time(Self.collected))
        let evidence = try evidence(text)
        let (start, basis) = rule.start(evidence)
        let verdicts = rule.judge(evidence).map { "\($0.evidence.basis.rawValue):\($0.verdict.rawValue)" }
        return ([start?.rfc3339() ?? "-", basis.rawValue] + verdicts).joined(separator: " ")
    }

    @Test(arguments: [
        ("", "- unknown"),
        (
            "file_time=2026-11-22T01:00:03Z embedded=2026-11-22T01:00:02Z file_name=2026-11-22T01:00:01Z",
            "2026-11-22T01:00:01Z file_name file_name:chosen embedded:later file_time:later"
        ),
        (
            "file_name=1970-01-01T00:00:00Z embedded=1980-01-01T00:00:00Z sidecar=2000-01-01T00:00:00Z "
                + "gps=2026-11-22T01:00:00Z file_time=2009-12-31T23:59:59Z",
            "2026-11-22T01:00:00Z gps file_name:too_early embedded:too_early sidecar:too_early gps:chosen "
                + "file_time:too_early"
        ),
        (
            "file_name=2026-11-25T00:00:01Z embedded=2026-11-25T00:00:00Z",
            "2026-11-25T00:00:00Z embedded file_name:after_collection embedded:chosen"
        ),
        ("file_name=2010-01-01T00:00:00Z", "2010-01-01T00:00:00Z file_name file_name:chosen"),
        ("file_name=2036-01-01T00:00:00Z", "- unknown file_name:after_collection"),
    ])
    func theFirstPlausibleWins(_ text: String, _ expected: String) throws {
        #expect(try judge(text) == expected)
    }

    @Test func theProfilesOrderCounts() throws {
        let text = "file_name=2026-11-22T01:00:01Z gps=2026-11-22T01:00:02Z embedded=2026-11-22T01:00:03Z"
        #expect(
            try judge(text, order: [.gps, .embedded])
                == "2026-11-22T01:00:02Z gps gps:chosen embedded:later file_name:not_in_order")
        #expect(try judge(text, order: [.fileTime]).hasPrefix("- unknown"))
    }

    @Test func theDevicesClockIsCorrectedTheSatellitesIsNot() throws {
        #expect(
            try judge("file_name=2026-11-22T01:00:00Z", offset: 312.5).hasPrefix("2026-11-22T00:54:47.500Z file_name"))
        #expect(try judge("gps=2026-11-22T01:00:00Z", offset: 312.5).hasPrefix("2026-11-22T01:00:00Z gps"))
        // A clock that began at 1970 when its battery was empty, and was measured.
        let wrong = try time("1970-01-02T00:00:00Z").seconds(since: time("2026-11-24T00:00:00Z"))
        #expect(try judge("file_name=1970-01-01T12:00:00Z", offset: wrong).hasPrefix("2026-11-23T12:00:00Z file_name"))
        #expect(try judge("file_name=2026-11-26T00:00:00Z", offset: 2 * 86_400).hasPrefix("2026-11-24T00:00:00Z"))
    }
}

@Suite("Clock rule")
struct ClockRuleTests {
    private struct Device {
        var yaml = ""
        var label: String?
        var timeFile: (text: String, modified: String)?
        var newest: String? = "2026-11-24T01:00:00Z"
        var isFresh = true
    }

    /// The station's clock shows 09:00 in Shanghai.
    private static let now = "2026-11-24T01:00:00Z"

    private func offset(_ device: Device) throws -> String {
        let text = """
            profiles:
              - name: p
            \(device.yaml)
                patterns: [{name: n, pattern: '(?<device>.)'}]
            """
        let now = try time(Self.now)
        var signs = DeviceSigns()
        if let file = device.timeFile {
            signs.note(
                .init(bytes: Array(file.text.utf8), modifiedAt: try time(file.modified), readAt: now),
                at: "LOG/TIME.TXT")
        }
        let newest = try device.newest.map { (path: RawPath("a.mp4"), modifiedAt: try time($0)) }
        let rule = ClockRule(profiles: try profiles(text), station: shanghai)
        let found = rule.offset(
            ClockRule.Docking(
                volumeLabel: device.label, signs: signs, newest: newest, dockedAt: now, lookedAt: now,
                isFresh: device.isFresh))
        return found.map { "\($0.seconds) \($0.method.rawValue)" } ?? "-"
    }

    private static let timeFile = "    clock: {file: log/time.txt, pattern: 'now (?<time>.*)'}"

    @Test(arguments: [
        ("now 2026-11-24 09:05:12", "2026-11-24T01:05:12Z", "312.0 time_file"),
        ("now 2026-11-24 08:59:00", "2026-11-24T00:59:00Z", "-60.0 time_file"),
        // Mounted with its local digits as UTC: the text tells.
        ("now 2026-11-24 09:05:12", "2026-11-24T09:05:12Z", "312.0 time_file"),
        // An empty battery: far off, and measured.
        ("now 2026-11-20 09:00:00", "2026-11-24T01:00:00Z", "-345600.0 time_file"),
        // Left over from the connection before: a recording is newer.
        ("now 2026-11-23 09:00:00", "2026-11-24T00:58:59Z", "-"),
        ("now yesterday", "2026-11-24T01:00:00Z", "-"),
        ("", "2026-11-24T01:00:00Z", "-"),
    ])
    func theDevicesTimeFile(_ text: String, _ modified: String, _ expected: String) throws {
        #expect(try offset(Device(yaml: Self.timeFile, timeFile: (text, modified))) == expected)
    }

    @Test func whatMayBeStaleIsNotMeasured() throws {
        let file = ("now 2026-11-24 08:00:00", "2026-11-24T00:00:00Z")
        #expect(try offset(Device(yaml: Self.timeFile, timeFile: file, newest: nil, isFresh: false)) == "-")
        #expect(try offset(Device(yaml: Self.timeFile, timeFile: file, newest: nil)) == "-3600.0 time_file")
        #expect(try offset(Device(yaml: Self.timeFile)) == "-")
    }

    private static let newestFile = "    volume_label: '^CAM'\n    clock: {newest_file_seconds: 120}"

    @Test(arguments: [
        ("2026-11-24T01:01:40Z", "100.0 newest_file"), ("2026-11-24T00:58:01Z", "-119.0 newest_file"),
        ("2026-11-24T00:57:59Z", "-"), ("2026-11-22T00:00:00Z", "-"),
    ])
    func theNewestFile(_ newest: String, _ expected: String) throws {
        #expect(try offset(Device(yaml: Self.newestFile, label: "CAM1", newest: newest)) == expected)
        #expect(try offset(Device(yaml: Self.newestFile, label: "USB", newest: "2026-11-24T00:59:00Z")) == "-")
    }

    @Test(arguments: [
        // Nothing says what the mount shows: an hour ahead may be local digits shown as UTC.
        ("", "2026-11-24T02:00:00Z", "-"), ("", "2026-11-24T09:00:03Z", "-"),
        ("", "2026-11-24T09:01:00Z", "60.0 newest_file_ahead"),
        ("    file_time_zone: as_mounted", "2026-11-24T02:00:00Z", "3600.0 newest_file_ahead"),
        ("    file_time_zone: as_mounted", "2026-11-24T01:00:03Z", "-"),
        ("    file_time_zone: device", "2026-11-24T09:00:04Z", "4.0 newest_file_ahead"),
        ("    file_time_zone: device", "2026-11-24T02:00:00Z", "-"),
        ("    file_time_zone: as_mounted", "2026-11-25T03:00:01Z", "-"),
        ("    zone: America/New_York", "2026-11-24T01:01:00Z", "60.0 newest_file_ahead"),
    ])
    func aFileFromTheFuture(_ yaml: String, _ newest: String, _ expected: String) throws {
        #expect(try offset(Device(yaml: yaml, newest: newest)) == expected)
        #expect(try offset(Device(yaml: yaml, newest: newest, isFresh: false)) == expected, "no staleness can feign it")
    }
}
