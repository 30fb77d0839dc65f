import Console
import EvidenceModel
import Glibc
import MediaIndex

/// The station as the console asks it: each request goes to the same functions that the commands call, and what they fail
/// with becomes a problem.
struct StationConsole: ConsoleStation {
    let station: Station
    private var view: StationView { StationView(station) }

    init(station: Station) {
        self.station = station
    }

    func status() async throws(ConsoleProblem) -> String {
        try await answering {
            try await StatusReport.make(view, agent: String(getpid()), isWatched: true, at: Station.now()).json()
        }
    }

    func devices() async throws(ConsoleProblem) -> String {
        try await answering {
            try await JSONText.encode(
                DevicesReport.make(view, fileRegister: station.fileRegister, at: Station.now()))
        }
    }

    func assign(_ order: DeviceOrder, to serial: String, by user: String) async throws(ConsoleProblem) -> String {
        try await answering { try await JSONText.encode(station.assign(order, to: serial, by: user)) }
    }

    func hold(_ recording: String, _ order: HoldOrder, by user: String) async throws(ConsoleProblem) -> String {
        try await answering {
            let recording = try await view.recording(named: recording)
            return try await JSONText.encode(station.hold(recording, reason: order.reason, by: user))
        }
    }

    func release(
        _ hold: Int64, of recording: String, reason: String?, by user: String
    ) async throws(ConsoleProblem) -> String {
        try await answering {
            let recording = try await view.recording(named: recording)
            return try await JSONText.encode(station.release(hold, of: recording, reason: reason, by: user))
        }
    }

    func checkReadiness() async throws(ConsoleProblem) {
        let catalogue = station.catalogue
        _ = try await answering { try await station.database.read { try catalogue.hasUndescribed(in: $0) } }
    }

    private func answering<Value>(_ body: () async throws -> Value) async throws(ConsoleProblem) -> Value {
        do {
            return try await body()
        } catch let failure as CommandFailure {
            throw ConsoleProblem(failure)
        } catch {
            throw ConsoleProblem(CommandFailure.local(error))
        }
    }
}

extension ConsoleProblem {
    init(_ failure: CommandFailure) {
        let (status, title) =
            switch failure.code {
            case .usage: (400, "not understood")
            case .noInput: (404, "not found")
            case .attention, .stationHeld: (409, "not possible now")
            case .notPermitted: (403, "not permitted")
            case .unavailable: (503, "not available")
            case .inputOutput, .configuration: (500, "failed")
            }
        self.init(status, title, failure.message, code: failure.code.name, hint: failure.hint)
    }
}

extension CommandFailure {
    init(_ error: ControlSocketError) {
        self.init(
            error.isPath ? .configuration : .inputOutput, error.sentence,
            hint: error.isPath ? "set state_directory to a shorter path" : "look at the state directory")
    }

    init(_ problem: ConsoleProblem) {
        let code = Code.allCases.first { $0.name == problem.code } ?? .inputOutput
        self.init(code, problem.detail, hint: problem.hint)
    }

    /// What the station's own disk or database failed with.
    static func local(_ error: any Error) -> CommandFailure {
        CommandFailure(
            .inputOutput, "the station could not go on: \(error)",
            hint: "look at the disk of the state directory; what was collected is kept")
    }
}
