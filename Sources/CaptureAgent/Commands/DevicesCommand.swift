import ArgumentParser
import Console
import EvidenceModel
import MediaIndex

struct DevicesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "devices", abstract: "The device register: who has which device, and since when.",
        subcommands: [List.self, Show.self, Set.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "All devices that are registered or were seen.")

        @OptionGroup var station: StationOptions
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let configuration = try station.configuration()
            let report = try await DevicesReport.make(
                StationView(configuration), fileRegister: StationFiles.deviceRegister(configuration),
                at: Station.now())
            try output.print(JSONText.encode(report), report.table)
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show", abstract: "One device: its entries in the register, and its dockings.")

        @OptionGroup var station: StationOptions
        @OptionGroup var output: OutputOptions
        @Argument(help: "The device's serial.")
        var serial: String

        private static let dockings = 50

        func run() async throws {
            let configuration = try station.configuration()
            let view = try StationView(configuration)
            let all = try await DevicesReport.make(
                view, fileRegister: StationFiles.deviceRegister(configuration), at: Station.now())
            guard let device = all.devices.first(where: { $0.serial == serial }) else {
                throw CommandFailure(
                    .noInput, "no device \"\(serial)\" is registered or was seen",
                    hint: "look for it with: capture-agent devices list")
            }
            let report = DeviceHistoryReport(device: device, dockings: try await dockings(of: view))
            try output.print(JSONText.encode(report, pretty: true), report.page)
        }

        private func dockings(of view: StationView) async throws -> [DeviceHistoryReport.Docking] {
            guard let database = view.database else { return [] }
            let (docks, serial, zone) = (view.docks, serial, view.configuration.station.zone)
            return try await database.read { database in
                try docks.dockings(ofDevice: serial, limit: Self.dockings, in: database)
                    .map { DeviceHistoryReport.Docking($0, zone) }
            }
        }
    }

    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "set",
            abstract: "Enter who has a device; what is entered later goes before what was entered earlier.")

        @OptionGroup var station: StationOptions
        @OptionGroup var output: OutputOptions
        @Argument(help: "The device's serial.")
        var serial: String
        @Option(help: "The officer's number.")
        var officer: String
        @Option(help: "The officer's name.")
        var name: String?
        @Option(
            help: "The first moment: 2026-11-01, or 2026-11-01T08:00:00 with or without an offset; else ever since.")
        var from: String?
        @Option(help: "The first moment after it; else until further notice.")
        var until: String?

        func run() async throws {
            let configuration = try station.configuration()
            let (serial, order) = (serial, DeviceOrder(officer: officer, name: name, from: from, until: until))
            let change = StationChange<AssignmentReport>(
                byAgent: { try await $0.put(["devices", serial], order) },
                byHand: { try await $0.assign(order, to: serial, by: $1) })
            let report = try await change.carryOut(configuration, logger: logger)
            try output.print(
                JSONText.encode(report),
                Text.printable("\(report.serial): \(report.entry.line)")
                    + "\n\(report.recordingsChanged) recordings have another officer now")
        }
    }
}
