import ArgumentParser
import CustodyLedger
import EvidenceModel
import Foundation

struct LedgerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ledger", abstract: "The log of what happened to every recording.", subcommands: [Checkpoint.self])

    struct Checkpoint: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "checkpoint",
            abstract: "Size and head of the ledger's tree, computed from every entry. Not signed by this version.")

        @OptionGroup var station: StationOptions
        @OptionGroup var output: OutputOptions

        private struct Report: Encodable {
            var origin: String
            var size: Int64
            var root: String
        }

        func run() async throws {
            let view = try StationView(station.configuration())
            let report = Report(
                origin: view.configuration.station.id, size: 0, root: Data(MerkleHash.empty.bytes).base64EncodedString()
            )
            let full = try await checkpoint(report, view)
            // The three lines of C2SP tlog-checkpoint, without a signature.
            try output.print(JSONText.encode(full), "\(full.origin)\n\(full.size)\n\(full.root)")
        }

        private func checkpoint(_ empty: Report, _ view: StationView) async throws -> Report {
            guard let database = view.database else { return empty }
            do {
                let edge = try await database.read { try view.ledger.checkpoint(in: $0) }
                return Report(
                    origin: empty.origin, size: edge.size, root: Data(edge.head.bytes).base64EncodedString())
            } catch let error as LedgerError {
                throw CommandFailure(
                    .inputOutput, error.description, hint: "do not start the agent before a person has looked at it")
            }
        }
    }
}
