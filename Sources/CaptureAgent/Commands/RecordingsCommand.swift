import ArgumentParser
import CustodyLedger
import EvidenceModel
import Foundation
import MediaIndex

struct RecordingsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "recordings", abstract: "Look for recordings, and keep them.",
        subcommands: [List.self, Show.self, PosterCommand.self, HoldCommand.self, ReleaseCommand.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "Recordings, newest first; every filter given must hold.")

        @OptionGroup var station: StationOptions
        @OptionGroup var output: OutputOptions
        @OptionGroup var filters: RecordingFilters

        func run() async throws {
            let configuration = try station.configuration()
            let view = try StationView(configuration)
            let query = try filters.query(configuration)
            let (reports, next) = try await Self.page(query, of: view)
            let list = RecordingListReport(recordings: reports, next: next?.text)
            try output.print(JSONText.encode(list), RecordingReport.table(reports))
            if !output.json, let next { Terminal.standard.write("more with: --after \(next.text)") }
        }

        private static func page(
            _ query: RecordingQuery, of view: StationView
        ) async throws -> ([RecordingReport], RecordingQuery.Cursor?) {
            guard let database = view.database else { return ([], nil) }
            return try await database.read { database in
                let page = try view.catalogue.page(query, in: database)
                return (try page.recordings.map { try RecordingReport($0, of: view, in: database) }, page.next)
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show", abstract: "Everything about one recording, with its history.")

        @OptionGroup var station: StationOptions
        @OptionGroup var output: OutputOptions
        @Argument(help: "The recording's id, or its beginning.")
        var id: String

        func run() async throws {
            let view = try StationView(station.configuration())
            let recording = try await view.recording(named: id)
            guard let database = view.database else { return }
            let (report, page) = try await database.read { database in
                let report = try RecordingReport(recording, of: view, in: database)
                let entries = try view.ledger.entries(of: recording.id, in: database)
                return (report, RecordingPageText.page(report, history: entries))
            }
            try output.print(JSONText.encode(report, pretty: true), page)
        }
    }
}

/// The filters of `recordings list`.
struct RecordingFilters: ParsableArguments {
    @Option(help: "Started at this time or later: 2026-11-22, or 2026-11-22T09:30:00 with or without an offset.")
    var since: String?
    @Option(help: "Started before this time.")
    var until: String?
    @Option(help: "The officer's number.")
    var officer: String?
    @Option(help: "The device's serial.")
    var device: String?
    @Option(help: "An item of the item list.")
    var item: String?
    @Option(help: "A stage of an item.")
    var stage: String?
    @Option(name: .customLong("case"), help: "A case number.")
    var caseNumber: String?
    @Option(help: "video, audio, photo, sidecar or unknown.")
    var kind: MediaKind?
    @Option(help: "collected, uploading, verified or parked.")
    var state: RecordingState?
    @Option(help: "intact, truncated, damaged, unreadable, empty or encrypted.")
    var health: MediaHealth?
    @Option(help: "The id of a take's first recording.")
    var take: String?
    @Option(help: "A piece of the file's name or path.")
    var text: String?
    @Option(help: "How many at most, 1 to 1000.")
    var limit = 50
    @Option(help: "Go on behind this cursor.")
    var after: String?

    func validate() throws {
        guard (1...1000).contains(limit) else { throw ValidationError("--limit is \(limit), expected 1 to 1000") }
    }

    func query(_ configuration: AgentConfiguration) throws -> RecordingQuery {
        var query = RecordingQuery(limit: limit)
        query.since = try since.map { try time($0, "--since", configuration) }
        query.until = try until.map { try time($0, "--until", configuration) }
        (query.officer, query.device, query.item, query.stage) = (officer, device, item, stage)
        (query.caseNumber, query.kind, query.state, query.health) = (caseNumber, kind, state, health)
        query.text = text
        query.take = try take.map { text in
            guard let id = RecordingID(text) else {
                throw ValidationError("--take \"\(text)\" is no id; `recordings show` tells a recording's take")
            }
            return id
        }
        query.after = try after.map { text in
            guard let cursor = RecordingQuery.Cursor(text: text) else {
                throw ValidationError("--after \"\(text)\" is no cursor that a list gave")
            }
            return cursor
        }
        return query
    }

    /// A time without an offset is meant in the station's zone.
    private func time(_ text: String, _ option: String, _ configuration: AgentConfiguration) throws -> WallTime {
        guard let time = configuration.station.zone.readTime(text) else {
            throw ValidationError("\(option) \"\(text)\" is no time; an example: 2026-11-22T09:30:00+08:00")
        }
        return time
    }
}

extension MediaKind: ExpressibleByArgument {}
extension RecordingState: ExpressibleByArgument {}
extension MediaHealth: ExpressibleByArgument {}
