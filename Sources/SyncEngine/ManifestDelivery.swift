import EvidenceModel

/// What came of a try to store a manifest.
package enum ManifestOutcome: Sendable, Hashable {
    /// The target took it, under this tag; it is still to be asked.
    case stored(tag: String)
    /// The target was asked, and everything agreed.
    case verified
    /// It waits, and is tried again much later.
    case parked(TargetFailure)
}

/// Brings one manifest to its target: asks, stores what is not there, and asks again.
///
/// Begun anew it does what is left, whatever came between: the bytes, the key and the UUID in the metadata were durable
/// before the first request. Nothing is replaced, since it is asked first.
package struct ManifestDelivery: Sendable {
    package enum Ending: Sendable, Hashable {
        case verified
        /// Something else lies under the key.
        case taken
        case parked(TargetFailure)
    }

    private let target: any StorageTarget
    private let turns: any SpareRequests

    package init(target: any StorageTarget, turns: any SpareRequests) {
        self.target = target
        self.turns = turns
    }

    /// - Parameter note: writes that the target took it, and what it called it.
    /// - Throws: what the target as a whole, or the network, failed with: the manifest is tried again soon.
    package func run(
        _ manifest: Manifest, note: (ManifestOutcome) async throws(TargetFailure) -> Void
    ) async throws(TargetFailure) -> Ending {
        let (target, plan) = (target, manifest.plan)
        do throws(TargetFailure) {
            if let object = try await ask(plan, named: manifest.storedTag) {
                return Self.agrees(target.verdict(plan, object: object, tag: manifest.storedTag)) ? .verified : .taken
            }
            let tag = try await turns.spare(bytes: plan.content.size) { () async throws(TargetFailure) in
                try await target.putWhole(plan, bytes: PartBytes(manifest.body))
            }
            try await note(.stored(tag: tag))
            guard let object = try await ask(plan, named: tag) else {
                throw TargetFailure(
                    kind: .serverFault, sentence: "\(plan.key) is not at \(target.name) after it was stored there")
            }
            switch target.verdict(plan, object: object, tag: tag) {
            case .matches: return .verified
            case .differs(let differences):
                return .parked(TargetFailure(kind: .differs, sentence: differences.joined(separator: "; ")))
            }
        } catch {
            guard error.consequence == .park else { throw error }
            return .parked(error)
        }
    }

    private func ask(_ plan: UploadPlan, named tag: String?) async throws(TargetFailure) -> StoredObject? {
        let target = target
        var plan = plan
        plan.given.object = tag
        let named = plan
        return try await turns.spare(bytes: 0) { () async throws(TargetFailure) in try await target.inspect(named) }
    }

    private static func agrees(_ verdict: CopyVerdict) -> Bool {
        if case .matches = verdict { true } else { false }
    }
}
