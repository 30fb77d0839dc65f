import ArgumentParser
import EvidenceModel
import Foundation
import Logging
import MediaIndex

struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "Make a temporary station with sample recordings, collect and verify them, and show what happened.")

    @OptionGroup var output: OutputOptions
    @Option(help: "Where to make the station; it must not exist yet. Else a folder under the temporary directory.")
    var directory: String?

    func run() async throws {
        let folder = try DemoStation.makeFolder(directory)
        Terminal.standard.write("a station is made in \(folder.path); ffmpeg makes its recordings …")
        let file = try DemoStation.make(in: folder)
        let configuration = try StationFiles.configuration(named: file.path, environment: [:])
        var quiet = logger
        quiet.logLevel = .warning
        let station = try Station.open(configuration, logger: quiet)
        defer { station.database.close() }
        let verdict = try await Agent(station: station, once: true).run()
        let reports = try await reports(StationView(station))
        let list = RecordingListReport(recordings: reports, next: nil)
        try output.print(JSONText.encode(list), Self.page(reports, file))
        if verdict != .verified { throw ExitCode(CommandFailure.Code.attention.rawValue) }
    }

    private func reports(_ view: StationView) async throws -> [RecordingReport] {
        guard let database = view.database else { return [] }
        return try await database.read { database in
            try view.catalogue.page(RecordingQuery(limit: 1000), in: database).recordings
                .map { try RecordingReport($0, of: view, in: database) }
        }
    }

    private static func page(_ reports: [RecordingReport], _ file: URL) -> String {
        let verified = reports.filter { $0.recording.state == .verified }.count
        return """
            \(RecordingReport.table(reports))

            \(verified) of \(reports.count) recordings are verified: collected from a card, probed, tagged, copied, and read \
            back from the target.
            Look around:
              capture-agent status --config \(file.path)
              capture-agent recordings show \(reports.first?.recording.id.text ?? "ID") --config \(file.path)
              capture-agent verify --deep --config \(file.path)
            """
    }
}
