import EvidenceModel
import MediaForms
import Testing

@Suite struct SidecarTests {
    private func read(_ text: String) -> SidecarReading? { SidecarReading.read(Array(text.utf8)) }

    private func time(_ text: String) -> WallTime? { WallTime(rfc3339: text) }

    @Test(arguments: [
        "", "hello\nworld", "<html>gpx</html>", "1\n2\n3\n", "$GPGSV,1,1,00*79\n", "<?xml version='1.0'?>",
    ])
    func noSidecar(_ text: String) {
        #expect(read(text) == nil)
    }

    private static let gpx = """
        <?xml version="1.0" encoding="UTF-8"?>
        <gpx version="1.1" xmlns="http://www.topografix.com/GPX/1/1">
        <metadata><time>2020-01-01T00:00:00Z</time></metadata>
        <wpt lat="1" lon="2"><time>2021-01-01T00:00:00Z</time></wpt>
        <trk><trkseg>
        <trkpt lat="34.3625" lon="107.2370"><ele>615.5</ele><time>2026-11-22T01:30:00.250Z</time>
        <extensions><a><time>1999-01-01T00:00:00Z</time></a></extensions></trkpt>
        <trkpt lon="-107.25" lat="-34.5"><time>2026-11-22T09:30:10+08:00</time></trkpt>
        <trkpt lat="0" lon="0"/><trkpt lat="north"/>
        </trkseg></trk></gpx>
        """

    @Test func gpxTrack() throws {
        let found = try #require(read("\u{FEFF}" + Self.gpx))
        #expect(found.form == .gpx && found.localStart == nil)
        #expect(found.startedAt == time("2026-11-22T01:30:00.250Z"))
        #expect(
            found.positions == [
                // A waypoint's time is when it was set, not when the device was there.
                GeoPoint(latitude: 1, longitude: 2),
                GeoPoint(
                    latitude: 34.3625, longitude: 107.237, altitudeMetres: 615.5, at: time("2026-11-22T01:30:00.250Z")),
                GeoPoint(latitude: -34.5, longitude: -107.25, at: time("2026-11-22T01:30:10Z")),
            ])
        // Cut in the middle of the second point of the track: what was there counts.
        let cut = String(try #require(Self.gpx.split(separator: "+08:00").first))
        #expect(read(cut)?.positions.count == 2)
    }

    @Test func gpxWithEntities() throws {
        func file(_ declarations: String, _ use: String) -> String {
            "<!DOCTYPE gpx [\(declarations)]><gpx><wpt lat='1' lon='2'>\(use)</wpt></gpx>"
        }
        #expect(read(file("<!ELEMENT gpx ANY>", ""))?.positions.count == 1)
        #expect(read(file("<!ENTITY a 'x'>", "&a;")) == nil)
        #expect(read(file("<!ENTITY a SYSTEM 'file:///etc/passwd'>", "&a;")) == nil)
        #expect(read(file("<!ENTITY % a SYSTEM 'file:///etc/passwd'> %a;", "")) == nil)
        let tower = "<gpx>" + String(repeating: "<a>", count: 50_000) + "<wpt lat='1' lon='2'/>"
        #expect(read(tower)?.positions.isEmpty == true)
    }

    @Test func gpxHasAnEnd() throws {
        let many = "<gpx>" + String(repeating: "<wpt lat='1' lon='2'/>", count: 100_050) + "</gpx>"
        #expect(read(many)?.positions.count == 100_000)
    }

    @Test func sentences() throws {
        let found = try #require(
            read(
                """
                [1763775000000] a line of the logger
                $GPGGA,013000.00,3421.7500,N,10714.2200,E,1,08,0.9,615.4,M,,M,,*72
                $GPRMC,013000.00,A,3421.7500,N,10714.2200,E,0.1,,221126,,,A*72
                $GNRMC,013001.50,A,3421.7600,S,10714.2200,W,0.1,,221126,,,A\r
                $GPRMC,013002.00,V,,,,,,,,,,N
                $GPRMC,013003.00,A,3421.7500,N,10714.2200,E,0.1,,221126,,,A*00
                """))
        #expect(found.form == .nmea && found.positions.count == 2)
        #expect(found.startedAt == time("2026-11-22T01:30:00Z"))
        let first = try #require(found.positions.first)
        #expect(abs(first.latitude - 34.3625) < 1e-9 && abs(first.longitude - 107.237) < 1e-9)
        #expect(first.altitudeMetres == 615.4 && first.at == time("2026-11-22T01:30:00Z"))
        let second = try #require(found.positions.last)
        #expect(second.latitude < -34.36 && second.longitude < -107.2 && second.at == time("2026-11-22T01:30:01.5Z"))
    }

    @Test func sentencesWithoutAFix() throws {
        let found = try #require(read("$GPRMC,,V,,,,,,,,,,N*53\n"))
        #expect(found.form == .nmea && found.positions.isEmpty && found.startedAt == nil)
        // The first good sentence must come early, or any log would be one.
        let late = String(repeating: "line\n", count: 64) + "$GPRMC,,V,,,,,,,,,,N*53\n"
        #expect(read(late) == nil)
    }

    @Test(arguments: [
        "[latitude: 34.3625] [longitude: 107.2370] [rel_alt: 1.3 abs_alt: 615.5] </font>",
        "[iso : 100] [latitude : 34.3625] [longtitude : 107.2370] [altitude: 615.5]",
    ])
    func subtitlesOfDrones(_ line: String) throws {
        let found = try #require(read("1\r\n00:00:00,000 --> 00:00:01,000\r\n2026-11-22 09:30:00,118\r\n\(line)\r\n"))
        #expect(found.form == .srt && found.startedAt == nil)
        #expect(found.positions == [GeoPoint(latitude: 34.3625, longitude: 107.237, altitudeMetres: 615.5)])
        #expect(found.localStart == CalendarTime(year: 2026, month: 11, day: 22, hour: 9, minute: 30, second: 0))
    }

    @Test(arguments: [
        "GPS(7.5,34.5,15) BAROMETER:64.3", "GPS (34.5, 107.5, 0.0M)", "N:34.5 E:107.5 60km/h", "W: 7.5 S: 34.5",
    ])
    func otherSubtitles(_ line: String) throws {
        let found = try #require(read("\n7\n00:00:05,500 --> 00:00:06,000\n2026/11/22 00:00:03 \(line)\n"))
        let sign: Double = line.hasPrefix("W") ? -1 : 1
        let longitude = line.contains("107") ? 107.5 : 7.5
        #expect(found.positions == [GeoPoint(latitude: 34.5 * sign, longitude: longitude * sign)])
        // Less the five seconds before the cue.
        #expect(found.localStart == CalendarTime(year: 2026, month: 11, day: 21, hour: 23, minute: 59, second: 58))
    }

    @Test func subtitlesOfAFilm() throws {
        let found = try #require(read("1\n00:00:01,000 --> 00:00:02,000\nNowhere: EAST GPS lost\n"))
        #expect(found.form == .srt && found.positions.isEmpty && found.localStart == nil)
    }
}
