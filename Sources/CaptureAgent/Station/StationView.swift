import CustodyLedger
import EvidenceModel
import MediaIndex
import SyncEngine

/// A station as commands look at it that change nothing, whether an agent runs or not.
struct StationView: Sendable {
    let configuration: AgentConfiguration
    /// None before the agent ran for the first time.
    let database: StationDatabase?
    let catalogue = Catalogue()
    let docks = DockLog()
    let ledger = Ledger()
    let journal = UploadJournal()

    init(_ configuration: AgentConfiguration) throws(CommandFailure) {
        self.configuration = configuration
        database = try StationDatabase(reading: configuration.databasePath)
    }

    /// For a station that this process itself works on.
    init(_ station: Station) {
        configuration = station.configuration
        database = station.database
    }

    /// The recording that `text` names by its id, or by the beginning of it.
    func recording(named text: String) async throws -> Recording {
        let unknown = CommandFailure(
            .noInput, "no recording has the id \"\(text)\"", hint: "look for it with: capture-agent recordings list")
        guard let database, text.count >= 4, text.allSatisfy({ $0 == "-" || $0.isHexDigit }) else { throw unknown }
        let catalogue = catalogue
        let found = try await database.read { database in
            try catalogue.ids(startingWith: text.lowercased(), limit: 2, in: database)
                .compactMap { try catalogue.recording($0, in: database) }
        }
        if found.count > 1 {
            throw CommandFailure(
                .noInput, "several recordings have ids beginning with \"\(text)\"", hint: "give more of the id")
        }
        guard let recording = found.first else { throw unknown }
        return recording
    }
}
