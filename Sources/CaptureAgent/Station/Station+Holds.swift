import CustodyLedger
import EvidenceModel
import GRDB
import MediaIndex
import SyncEngine

/// Recordings that people keep.
extension Station {
    private static let mostReasonCharacters = 1000

    /// Keeps a recording until the hold is released; the ledger is told in the same transaction.
    func hold(_ recording: Recording, reason: String, by user: String) async throws -> HeldReport {
        let reason = try Self.reason(reason)
        let (station, now) = (self, Station.now())
        let hold = try await database.write(durable: true) { database in
            let hold = try station.catalogue.hold(recording.id, reason: reason, by: user, at: now, in: database)
            try station.tell(.held, hold, of: recording, by: user, reason: reason, at: now, in: database)
            return hold
        }
        return HeldReport(recording: recording.id, hold: HoldReport(hold, configuration.station.zone))
    }

    /// Ends a hold; the ledger is told in the same transaction.
    ///
    /// - Parameter number: none for the only one there is.
    /// - Throws: `CommandFailure` where there is no such hold that is not released.
    func release(
        _ number: Int64?, of recording: Recording, reason: String?, by user: String
    ) async throws -> HeldReport {
        let reason = try reason.map(Self.reason)
        let (station, now) = (self, Station.now())
        let released = try await database.write(durable: true) { database in
            let open = try station.catalogue.holds(of: recording.id, in: database).filter { $0.releasedAt == nil }
            var hold = try Self.choose(number, of: open, recording)
            try station.catalogue.release(hold.number, by: user, at: now, in: database)
            (hold.releasedBy, hold.releasedAt) = (user, now)
            try station.tell(.released, hold, of: recording, by: user, reason: reason, at: now, in: database)
            return hold
        }
        return HeldReport(recording: recording.id, hold: HoldReport(released, configuration.station.zone))
    }

    /// The hold that is meant, of those that are not released.
    static func choose(
        _ number: Int64?, of open: [Hold], _ recording: Recording
    ) throws(CommandFailure) -> Hold {
        guard let number else {
            if let only = open.first, open.count == 1 { return only }
            let list = open.map { "\($0.number) (\($0.reason.prefix(40)), \($0.by))" }.joined(separator: ", ")
            throw open.isEmpty
                ? CommandFailure(
                    .noInput, "recording \(recording.id) is not held",
                    hint: "capture-agent recordings show \(recording.id) tells its history")
                : CommandFailure(
                    .usage, "recording \(recording.id) has several holds: \(list)", hint: "name one with --hold")
        }
        guard let hold = open.first(where: { $0.number == number }) else {
            throw CommandFailure(
                .noInput, "recording \(recording.id) has no hold \(number) that is not released",
                hint: "capture-agent recordings show \(recording.id) tells its holds")
        }
        return hold
    }

    private func tell(
        _ kind: LedgerEventKind, _ hold: Hold, of recording: Recording, by user: String, reason: String?,
        at time: WallTime, in database: Database
    ) throws {
        var details: [String: LedgerEvent.Detail] = ["hold": .number(hold.number), "by": .text(user)]
        details["reason"] = reason.map { .text($0) }
        try journal.wishManifests(of: recording.id, at: time, in: database)
        try ledger.append(
            event(kind, at: time, recording: recording.id, digest: recording.content.digest, details: details),
            in: database)
    }

    private static func reason(_ text: String) throws(CommandFailure) -> String {
        guard text.contains(where: { !$0.isWhitespace }), text.unicodeScalars.count <= mostReasonCharacters else {
            throw CommandFailure(
                .usage, "the reason is empty, or longer than \(mostReasonCharacters) characters",
                hint: "say in a sentence why; who asks later reads it")
        }
        return text
    }
}
