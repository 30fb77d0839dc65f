import EvidenceModel
import Logging
import SyncEngine

/// Keeps in the station's database what stores are known to do.
struct StationCapabilities: CapabilityMemory {
    let view: StationView
    /// The station where this process works on it: what is found is then kept.
    let station: Station?

    func recall(target: String) async -> S3KnownCapabilities? {
        guard let database = view.database else { return nil }
        let journal = view.journal
        // Where it cannot be read the store is tried out once more, which costs seconds.
        return try? await database.read { try journal.capabilities(target: target, in: $0) }
    }

    func remember(_ known: S3KnownCapabilities, target: String) async {
        guard let station else { return }
        let journal = station.journal
        do {
            try await station.database.write(durable: false) { try journal.save(known, target: target, in: $0) }
        } catch {
            station.logger.error("what a store does cannot be kept", metadata: ["error": "\(error)"])
        }
        station.logger.info(
            "a store was tried out",
            metadata: ["target": "\(target)", "capabilities": "\(known.capabilities.words.joined(separator: " "))"])
    }
}
