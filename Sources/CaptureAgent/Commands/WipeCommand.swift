import ArgumentParser
import EvidenceModel
import MediaIndex

/// What emptying would do. Only the agent empties devices: it alone holds a device while it proves and removes.
struct WipeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "wipe",
        abstract: "Report which files could be removed from the docked devices, and why the others stay.",
        discussion: """
            The running agent removes files by itself, from devices of sources with "wipe: after_receipt", after it has \
            read each of them a second time. This command removes nothing, reads nothing on the devices, and asks the \
            records alone: a file it calls removable can still stay because its second reading differs.
            """)

    @OptionGroup var station: StationOptions
    @OptionGroup var output: OutputOptions
    @Flag(help: "Required: nothing but a report can be asked for.")
    var dryRun = false

    func validate() throws {
        guard dryRun else {
            throw ValidationError("devices are emptied by the running agent alone: say --dry-run for a report")
        }
    }

    func run() async throws {
        let view = try StationView(station.configuration())
        let report = try await WipeReport.make(view)
        try output.print(JSONText.encode(report), report.text)
    }
}
