import ArgumentParser
import Console
import EvidenceModel
import MediaIndex

struct HoldCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hold", abstract: "Keep a recording, whatever its retention says, until it is released.")

    @OptionGroup var station: StationOptions
    @OptionGroup var output: OutputOptions
    @Argument(help: "The recording's id, or its beginning.")
    var id: String
    @Option(help: "Why; it stands in the ledger.")
    var reason: String

    func run() async throws {
        let configuration = try station.configuration()
        let recording = try await StationView(configuration).recording(named: id)
        let reason = reason
        let change = StationChange<HeldReport>(
            byAgent: { try await $0.post(["recordings", recording.id.text, "holds"], HoldOrder(reason: reason)) },
            byHand: { try await $0.hold(recording, reason: reason, by: $1) })
        let report = try await change.carryOut(configuration, logger: logger)
        try output.print(JSONText.encode(report), "\(report.recording) is held: hold \(report.hold.id)")
    }
}

struct ReleaseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "release", abstract: "End a hold on a recording.")

    @OptionGroup var station: StationOptions
    @OptionGroup var output: OutputOptions
    @Argument(help: "The recording's id, or its beginning.")
    var id: String
    @Option(help: "The hold's number, where the recording has several.")
    var hold: Int64?
    @Option(help: "Why; it stands in the ledger.")
    var reason: String?

    func run() async throws {
        let configuration = try station.configuration()
        let view = try StationView(configuration)
        let recording = try await view.recording(named: id)
        guard let database = view.database else { return }
        let (catalogue, wanted, reason) = (view.catalogue, hold, reason)
        let open = try await database.read { try catalogue.holds(of: recording.id, in: $0) }
        let number = try Station.choose(wanted, of: open.filter { $0.releasedAt == nil }, recording).number
        let change = StationChange<HeldReport>(
            byAgent: {
                try await $0.delete(
                    ["recordings", recording.id.text, "holds", "\(number)"],
                    query: reason.map { [("reason", $0)] } ?? [])
            },
            byHand: { try await $0.release(number, of: recording, reason: reason, by: $1) })
        let report = try await change.carryOut(configuration, logger: logger)
        try output.print(JSONText.encode(report), "\(report.recording) is released from hold \(report.hold.id)")
    }
}
