import ArgumentParser
import EvidenceModel
import Foundation
import Logging
import Console
import CustodyLedger
import SyncEngine
import MediaIndex
import FileAccess
import GRDB

/// The program: parses, runs one command, and turns what went wrong into a sentence and an exit code.
@main
enum Program {
    static func main() async {
        LoggingSystem.bootstrap { _ in TerminalLogHandler() }
        let isJSON = CommandLine.arguments.contains("--json")
        do {
            var command = try CaptureAgentCommand.parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch let failure as CommandFailure {
            Terminal.standard.write(failure.text(json: isJSON))
            exit(failure.code.rawValue)
        } catch {
            guard let failure = localFailure(error) else { CaptureAgentCommand.exit(withError: error) }
            Terminal.standard.write(failure.text(json: isJSON))
            exit(failure.code.rawValue)
        }
    }

    /// What the station's own disk or database failed with, from wherever it came.
    private static func localFailure(_ error: any Error) -> CommandFailure? {
        switch error {
        case let error as ControlSocketError: CommandFailure(error)
        case is DatabaseError, is FileAccessError, is CatalogueError, is JournalError, is LedgerError:
            .local(error)
        default: nil
        }
    }
}

struct CaptureAgentCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "capture-agent",
        abstract: "Collects recordings from docked devices and recorders, and proves that they are safe.",
        version: version,
        subcommands: [
            RunCommand.self, DemoCommand.self, StatusCommand.self, RecordingsCommand.self, ProbeCommand.self,
            VerifyCommand.self, DevicesCommand.self, WipeCommand.self, LedgerCommand.self, ConfigCommand.self,
            DoctorCommand.self,
        ])

    static let version = "0.1.0"
}

/// What every command about a station takes.
struct StationOptions: ParsableArguments {
    @Option(help: "The configuration; else $CAPTURE_AGENT_CONFIG, else \(StationFiles.defaultPath).")
    var config: String?

    func configuration() throws(CommandFailure) -> AgentConfiguration {
        try StationFiles.configuration(named: config)
    }
}

/// How a command prints its result.
struct OutputOptions: ParsableArguments {
    @Flag(help: "Print the result as JSON.")
    var json = false

    /// Prints `value` as JSON, or `text` for people.
    func print(_ value: @autoclosure () throws -> String, _ text: @autoclosure () -> String) rethrows {
        Swift.print(json ? try value() : text())
    }
}

extension AsyncParsableCommand {
    var logger: Logger { Logger(label: "capture-agent") }
}
