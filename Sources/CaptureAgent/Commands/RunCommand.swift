import ArgumentParser
import EvidenceModel
import Logging

struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Watch the sources, collect, tag and upload, until SIGTERM.")

    @OptionGroup var station: StationOptions
    @OptionGroup var output: OutputOptions

    @Flag(help: "Stop when what the sources hold now is verified on every target; exit 1 when it cannot be.")
    var once = false

    func run() async throws {
        let configuration = try station.configuration()
        for note in configuration.notes { logger.notice("\(note)") }
        let station = try Station.open(configuration, logger: logger)
        defer { station.database.close() }
        let verdict = try await Agent(station: station, once: once).run()
        guard once else { return }
        let report = try await StatusReport.make(StationView(station), agent: nil, isWatched: true, at: Station.now())
        try output.print(report.json(), report.page)
        if verdict != .verified { throw ExitCode(CommandFailure.Code.attention.rawValue) }
    }
}

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Docks, queue, targets, parked work, overdue recordings.")

    @OptionGroup var station: StationOptions
    @OptionGroup var output: OutputOptions
    @Flag(help: "Go on and tell what changes, until the agent stops.")
    var follow = false

    func run() async throws {
        let configuration = try station.configuration()
        if follow { return try await StatusFollower(configuration, json: output.json).run() }
        let holder = StationLock.holder(stateDirectory: configuration.stateDirectory)
        let report = try await StatusReport.make(
            StationView(configuration), agent: holder, isWatched: holder != nil, at: Station.now())
        try output.print(report.json(), report.page)
    }
}
