import ArgumentParser
import EvidenceModel
import Foundation

struct VerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Ask every target again whether it has what it was given; exit 1 where something differs.")

    @OptionGroup var station: StationOptions
    @OptionGroup var output: OutputOptions
    @Argument(help: "Recordings by id, or its beginning; all verified ones when none is named.")
    var ids: [String] = []
    @Option(help: "Ask only this target.")
    var target: String?
    @Flag(help: "Read the objects back and hash them.")
    var deep = false

    func run() async throws {
        let configuration = try station.configuration()
        if let target, !configuration.targetNames.contains(target) {
            throw CommandFailure(
                .configuration, "the configuration has no target \"\(target)\"",
                hint: "its targets are: \(configuration.targetNames.joined(separator: ", "))")
        }
        let audit = try await audit(configuration)
        var recordings: [RecordingID?] = []
        for id in ids { recordings.append(try await audit.view.recording(named: id).id) }
        if ids.isEmpty { recordings = [nil] }
        var findings: [TargetAudit.Finding] = []
        for recording in recordings {
            findings += try await audit.run(recording, target: target, isDeep: deep)
        }
        try output.print(JSONText.encode(TargetAudit.Report(findings)), TargetAudit.table(findings))
        if !output.json, let holder = audit.holder {
            Terminal.standard.write("not recorded: process \(holder) is working on the station")
        }
        if findings.contains(where: { $0.result != .matches }) {
            throw ExitCode(CommandFailure.Code.attention.rawValue)
        }
    }

    /// With the station where nobody works on it, so that what is found is recorded; else only looking.
    private func audit(_ configuration: AgentConfiguration) async throws -> TargetAudit {
        if let holder = StationLock.holder(stateDirectory: configuration.stateDirectory) {
            return TargetAudit(view: try StationView(configuration), station: nil, holder: holder)
        }
        guard try StationView(configuration).database != nil else {
            return TargetAudit(view: try StationView(configuration), station: nil, holder: nil)
        }
        let station = try Station.open(configuration, logger: logger)
        return TargetAudit(view: StationView(station), station: station, holder: nil)
    }
}
