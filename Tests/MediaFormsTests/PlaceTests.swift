import EvidenceModel
import MediaForms
import Testing

@Suite struct PlaceTests {
    @Test(
        arguments: [
            ("+34.3625+107.2370+615.000/", 34.3625, 107.237, 615), ("+34.3625+107.2370/", 34.3625, 107.237, nil),
            ("-12.5-045.25", -12.5, -45.25, nil), ("+3421.75+10714.22/", 34.3625, 107.237, nil),
            ("+342145+1071413.2/", 34.3625, 107.237, nil), ("+34.3625+107.2370-5/", 34.3625, 107.237, -5),
            ("+27.5916+086.5640+8850CRSWGS_84/", 27.5916, 86.564, 8850), ("+5.5+7.25/", 5.5, 7.25, nil),
        ] as [(String, Double, Double, Double?)])
    func iso6709(_ text: String, _ latitude: Double, _ longitude: Double, _ altitude: Double?) throws {
        let point = try #require(ISO6709.point(text))
        #expect(abs(point.latitude - latitude) < 1e-9 && abs(point.longitude - longitude) < 1e-9)
        #expect(point.altitudeMetres == altitude)
    }

    @Test(arguments: [
        "", "+", "34.3+107.2/", "+34.3", "+91.0+107.2/", "+34.3+181/", "+3460+10700/", "+34+107x", "+0+0/",
        "+340060+1070000/", "+346000+1070000/", "+345+107/",
        "+34.3625+107.2370+615.000/" + String(repeating: " ", count: 200), "+nan+nan/", "+1e1+1e1/",
        String(repeating: "+9", count: 60),
    ])
    func noPlace(_ text: String) {
        #expect(ISO6709.point(text) == nil)
    }

    @Test func thinned() {
        let points = (1...10).compactMap { GeoPoint(latitude: Double($0), longitude: 1) }
        #expect(Track.thinned(points, to: 10) == points)
        #expect(Track.thinned(points, to: 4).map(\.latitude) == [1, 4, 7, 10])
        #expect(Track.thinned(points, to: 2).map(\.latitude) == [1, 10])
        #expect(Track.thinned(points, to: 1).map(\.latitude) == [1])
        #expect(Track.thinned(points, to: 0).isEmpty)
        #expect(Track.thinned([], to: 5).isEmpty)
    }
}
