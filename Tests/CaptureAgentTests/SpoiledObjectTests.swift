import StationTesting
import Testing

/// A target whose bytes change behind its back.
@Suite(.timeLimit(.minutes(1)))
struct SpoiledObjectTests {
    @Test(arguments: CrashJourney.Place.allCases)
    func readingBackFindsIt(_ place: CrashJourney.Place) async throws {
        let journey = try CrashJourney(place)
        try await journey.station.writeRandom("room/1.ts", bytes: 5000)
        #expect(try await journey.station.run("run", "--once").status == 0)
        #expect(try await journey.station.run("verify", "--deep").status == 0)
        try await journey.tamper(.spoilsObjects)
        #expect(try await journey.station.run("verify", "--deep").status == 1)
        #expect(try await journey.station.json("recordings", "list")["recordings"][0]["state"].text == "parked")
    }
}
