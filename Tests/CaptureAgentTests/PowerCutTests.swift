import Foundation
import StationTesting
import Testing

/// After a power cut the database may be an older one, have a torn end, or be gone with its disk.
@Suite("Power cuts", .timeLimit(.minutes(2)))
struct PowerCutTests {
    private static let names = ["station.sqlite", "station.sqlite-wal", "station.sqlite-shm"]

    private func copyDatabase(_ station: TestStation, from: String, to: String) throws {
        let files = FileManager.default
        try files.createDirectory(atPath: station.path(to), withIntermediateDirectories: true)
        for name in Self.names {
            try? files.removeItem(atPath: station.path("\(to)/\(name)"))
            guard files.fileExists(atPath: station.path("\(from)/\(name)")) else { continue }
            try files.copyItem(atPath: station.path("\(from)/\(name)"), toPath: station.path("\(to)/\(name)"))
        }
    }

    /// The upload had been completed; the database is from before it was created, or from its middle.
    @Test(arguments: ["step.create.before", "journal.acknowledged.after"], CrashJourney.Place.allCases)
    func anOlderDatabase(_ moment: String, _ place: CrashJourney.Place) async throws {
        let journey = try CrashJourney(place)
        try await journey.station.writeRandom("room/1.ts", bytes: (17 << 20) + 5)
        try await journey.die(at: moment)
        try copyDatabase(journey.station, from: "state", to: "older")
        try await journey.die(at: "step.complete.after")
        try copyDatabase(journey.station, from: "older", to: "state")
        let (status, output, errors) = try await journey.station.run("run", "--once")
        #expect(status == 0, "\(output)\n\(errors)")
        try await journey.expectEverything("\(place), back to \(moment)")
    }

    /// What SQLite had not finished writing ends where its checksums end.
    @Test(arguments: [1, 100, 4096, 5000], CrashJourney.Place.allCases)
    func aTornLog(_ bytes: Int, _ place: CrashJourney.Place) async throws {
        let journey = try CrashJourney(place)
        try await journey.station.writeRandom("room/1.ts", bytes: (17 << 20) + 5)
        try await journey.die(at: "journal.sealed.after")
        let log = journey.station.path("state/station.sqlite-wal")
        let size = try #require(try FileManager.default.attributesOfItem(atPath: log)[.size] as? Int)
        try #require(size > bytes && truncate(log, size - bytes) == 0)
        let (status, output, errors) = try await journey.station.run("run", "--once")
        #expect(status == 0, "\(output)\n\(errors)")
        try await journey.expectEverything("\(place), \(bytes) bytes torn off")
    }

    /// A station that has forgotten everything collects what is there once more: a second object, under another key.
    @Test(arguments: CrashJourney.Place.allCases)
    func noDatabase(_ place: CrashJourney.Place) async throws {
        let journey = try CrashJourney(place)
        try await journey.station.writeRandom("room/1.ts", bytes: 5000)
        #expect(try await journey.station.run("run", "--once").status == 0)
        for name in Self.names { try? FileManager.default.removeItem(atPath: journey.station.path("state/\(name)")) }
        let (status, output, errors) = try await journey.station.run("run", "--once")
        #expect(status == 0, "\(output)\n\(errors)")
        try await journey.expectEverything("\(place), forgotten", copies: 2)
    }
}
