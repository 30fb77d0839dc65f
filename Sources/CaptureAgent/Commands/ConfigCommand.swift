import ArgumentParser
import EvidenceModel
import Foundation

struct ConfigCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config", abstract: "The configuration.", subcommands: [Check.self, Show.self])

    struct Check: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "check", abstract: "Read all configuration files and say what is wrong with them.")

        @OptionGroup var station: StationOptions
        @OptionGroup var output: OutputOptions

        private struct Report: Encodable {
            var file: String
            var notes: [String]
        }

        func run() async throws {
            let configuration = try station.configuration()
            _ = try StationFiles.deviceProfiles(configuration)
            _ = try StationFiles.deviceRegister(configuration)
            _ = try StationFiles.itemList(configuration)
            let notes = configuration.notes.map { "note: \($0)" }
            try output.print(
                JSONText.encode(Report(file: configuration.file, notes: configuration.notes)),
                (notes + ["\(configuration.file) is good"]).joined(separator: "\n"))
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show", abstract: "The configuration as it is understood, without secrets.")

        @OptionGroup var station: StationOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let report = ConfigurationReport(try station.configuration())
            try output.print(JSONText.encode(report), report.text)
        }
    }
}
