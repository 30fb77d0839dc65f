import ArgumentParser
import EvidenceModel
import FileAccess
import Foundation
import MediaProbe

struct ProbeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "probe", abstract: "What files contain, without collecting them.")

    @OptionGroup var output: OutputOptions
    @Flag(help: "Decode everything, for as long as that takes, instead of looking at index and end.")
    var deep = false
    @OptionGroup var explanation: ExplainOptions
    @Argument(help: "The files.")
    var files: [String]

    private struct Report: Encodable {
        var file: String
        var facts: MediaFacts
        var fileTime: WallTime

        func encode(to encoder: any Encoder) throws {
            try facts.encode(to: encoder)
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(file, forKey: .file)
        }

        private enum CodingKeys: String, CodingKey { case file }
    }

    func run() async throws {
        StationProcess.ignoreBrokenPipesAndLeases()
        let ground = explanation.explain ? try explanation.ground() : nil
        let prober = try MediaProber(worker: MediaProber.defaultWorkerPath(), logger: logger)
        var reports: [Report] = []
        for file in files { reports.append(try await report(on: file, prober)) }
        await prober.stop()
        if let ground { return try explain(reports, ground) }
        try output.print(JSONText.encode(reports), Self.table(reports))
    }

    private func explain(_ reports: [Report], _ ground: ExplanationGround) throws {
        let explanations = reports.map { report in
            ground.explain(report.file, facts: report.facts, fileTime: report.fileTime, now: Station.now())
        }
        try output.print(JSONText.encode(explanations), explanations.map(\.text).joined(separator: "\n\n"))
    }

    private func report(on file: String, _ prober: MediaProber) async throws -> Report {
        let opened = try Self.open(file)
        let time = try opened.status().stamp.modifiedAt
        do throws(MediaProbeError) {
            let facts = try await prober.facts(of: opened, name: opened.path, isDeep: deep)
            return Report(file: file, facts: facts, fileTime: time)
        } catch {
            throw CommandFailure("\(file) cannot be probed", without: error)
        }
    }

    private static func open(_ file: String) throws(CommandFailure) -> OwnedDescriptor {
        do throws(FileAccessError) {
            // Not waiting at a FIFO; what is no regular file is told by its status.
            let opened = try OwnedDescriptor.open(absolute: RawPath(file), flags: O_RDONLY | O_NONBLOCK)
            guard try opened.status().kind == .regular else { throw opened.failure("open", code: EINVAL) }
            return opened
        } catch {
            throw CommandFailure(
                error.meaning == .forbidden ? .notPermitted : .noInput, "\(file) cannot be probed: \(error)",
                hint: "name a regular file that can be read")
        }
    }

    private static func table(_ reports: [Report]) -> String {
        var table = TextTable("FILE", "KIND", "CONTAINER", "LENGTH", "STREAMS", "HEALTH")
        for report in reports {
            let facts = report.facts
            let streams = facts.streams.map { "\($0.kind.rawValue) \($0.codec)" }.joined(separator: ", ")
            table.add(
                report.file, facts.kind.rawValue, facts.container,
                facts.durationSeconds.map { String(format: "%.2f s", $0) }, streams,
                ([facts.health.rawValue] + facts.healthDetails).joined(separator: "; "))
        }
        return table.text
    }
}
