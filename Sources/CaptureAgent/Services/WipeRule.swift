import CustodyLedger
import EvidenceModel
import Foundation
import GRDB
import MediaIndex
import SyncEngine

/// Decides whether a file may be removed from its device, as far as the station's own records can tell (I5). What the
/// device itself must still show, the same bytes at a second reading, is asked by `Emptying` right before.
struct WipeRule: Sendable {
    struct Facts: Sendable, Hashable {
        /// By target, of the copies there are.
        var copies: [String: CopyState]
        /// Targets of which there is a receipt.
        var receipts: Set<String>
        /// Kinds of the ledger's entries about the recording; of `verified`, by target.
        var isCollectedInLedger: Bool
        var verifiedInLedger: Set<String>
        /// Could not be read in part.
        var isDamaged: Bool
        var isHeld: Bool
        /// It was read in full, under this name, and had this content.
        var isSeenWhole: Bool
    }

    enum Verdict: Sendable, Hashable {
        case mayGo
        /// A clause that follows "because".
        case stays(String)
    }

    /// What every removal needs a verified copy on.
    let targets: [String]

    func verdict(_ facts: Facts) -> Verdict {
        // Without a target there would be nothing to ask, and everything would go.
        guard !targets.isEmpty else { return .stays("no target is configured") }
        for target in targets {
            switch facts.copies[target] {
            case .verified: break
            case nil: return .stays("no copy to \(target) is planned yet")
            case .waiting, .uploading: return .stays("its copy on \(target) is not verified yet")
            case .parked, .missing: return .stays("its copy on \(target) is parked")
            }
            guard facts.receipts.contains(target) else { return .stays("\(target) has given no receipt") }
            guard facts.verifiedInLedger.contains(target) else {
                return .stays("the ledger does not say that the copy on \(target) is verified")
            }
        }
        if facts.isDamaged { return .stays("a part of it could not be read") }
        if !facts.isSeenWhole { return .stays("it is not the file that was collected") }
        if !facts.isCollectedInLedger { return .stays("the ledger does not say that it was collected") }
        if facts.isHeld { return .stays("it is held") }
        return .mayGo
    }
}

/// A file of a docking that could be removed, with what the records say of it.
struct WipeCandidate: Sendable, Hashable {
    var path: RawPath
    var recording: RecordingID
    var digest: ContentDigest
    /// Size and times that the file had when it was read in full, one for each such reading.
    var times: [FileTimes]
    var facts: WipeRule.Facts
}

extension StationView {
    /// Facts about the file `path` of a docking, or nothing where it is not in the log.
    func wipeCandidate(
        _ path: RawPath, source: String, fileSystem: String, docking: Int64, in database: Database
    ) throws -> WipeCandidate? {
        guard let id = try docks.recording(at: path, docking: docking, in: database),
            let recording = try catalogue.recording(id, in: database)
        else { return nil }
        let copies = try journal.copies(of: id, in: database)
        let entries = try ledger.entries(of: id, in: database).compactMap { LedgerSign($0.body) }
        let times = try catalogue.fileTimes(
            of: id, source: source, fileSystem: fileSystem, path: path, in: database)
        let facts = WipeRule.Facts(
            copies: Dictionary(copies.map { ($0.target, $0.state) }, uniquingKeysWith: { $1 }),
            receipts: Set(copies.filter { $0.verifiedAt != nil }.map(\.target)),
            isCollectedInLedger: entries.contains { $0.type == LedgerEventKind.collected.rawValue },
            verifiedInLedger: Set(entries.filter { $0.type == LedgerEventKind.verified.rawValue }.compactMap(\.target)),
            isDamaged: !recording.unreadable.isEmpty, isHeld: try catalogue.isHeld(id, in: database),
            isSeenWhole: !times.isEmpty)
        return WipeCandidate(
            path: path, recording: id, digest: recording.content.digest, times: times, facts: facts)
    }
}

/// What of a ledger entry the rule asks for.
private struct LedgerSign: Decodable {
    var type: String
    var target: String?

    init?(_ body: [UInt8]) {
        guard let sign = try? JSONDecoder().decode(Self.self, from: Data(body)) else { return nil }
        self = sign
    }
}
