import ContentHash
import EvidenceModel
import GRDB
import MediaIndex
import SyncEngine

extension Station {
    /// The manifest to `target` that is to be brought there now; made here where one is wished and none is on its way, so
    /// that its bytes, key and UUID are durable before the first request.
    func nextManifest(target: String) async throws -> Manifest? {
        let (station, now) = (self, Station.now())
        let (due, wished) = try await database.read { database in
            (
                try station.journal.dueManifest(target: target, at: now, in: database),
                try station.journal.wishedManifest(target: target, in: database)
            )
        }
        if due != nil || wished == nil { return due }
        return try await database.write(durable: true) { database in
            guard let id = try station.journal.wishedManifest(target: target, in: database) else { return nil }
            let number = try station.journal.nextManifestNumber(of: id, target: target, in: database)
            let manifest = try station.manifest(of: id, number: number, target: target, at: now, in: database)
            try station.journal.insert(manifest, at: now, in: database)
            return manifest
        }
    }

    /// Writes what came of bringing a manifest to its target. Where its key was taken, one of the next number is made.
    func write(_ ending: ManifestDelivery.Ending, of manifest: Manifest) async throws {
        let (station, now) = (self, Station.now())
        try await database.write(durable: true) { database in
            switch ending {
            case .verified: try station.journal.write(.verified, of: manifest, at: now, in: database)
            case .parked(let failure): try station.journal.write(.parked(failure), of: manifest, at: now, in: database)
            case .taken:
                let plan = manifest.plan
                let other = try station.manifest(
                    of: plan.recording, number: manifest.number + 1, target: plan.target, at: now, in: database)
                try station.journal.replace(manifest, by: other, at: now, in: database)
            }
        }
    }

    private func manifest(
        of id: RecordingID, number: Int, target: String, at time: WallTime, in database: Database
    ) throws -> Manifest {
        let copies = try journal.copies(of: id, in: database)
        guard let recording = try catalogue.recording(id, in: database),
            let key = copies.first(where: { $0.target == target })?.key
        else { throw JournalError(upload: "manifest of \(id)") }
        let body = try ManifestReport(
            recording, number: number, target: target, at: time, of: StationView(self), in: database
        ).bytes()
        let digest = ContentDigest.sha256(of: body)
        var generator = SystemRandomNumberGenerator()
        let layout = PartLayout(size: Int64(body.count), partSize: Int64(body.count))
        return Manifest(
            plan: UploadPlan(
                upload: UniversalID.random(using: &generator), recording: id, target: target,
                key: RawPath(key).parent.appending("manifest-\(number).json").display,
                content: StoredContent(layout: layout, digest: digest, partDigests: [digest])),
            number: number, body: body)
    }
}
