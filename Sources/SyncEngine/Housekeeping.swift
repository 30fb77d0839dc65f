package import EvidenceModel

/// An upload that a target holds and nobody has completed.
package struct UnfinishedUpload: Sendable, Hashable {
    /// The object's key, without the target's prefix.
    package var key: String
    package var token: String
    /// By the target's clock; nothing where the target does not say.
    package var startedAt: WallTime?

    package init(key: String, token: String, startedAt: WallTime?) {
        self.key = key
        self.token = token
        self.startedAt = startedAt
    }
}

/// One page of a target's unfinished uploads.
package struct UnfinishedPage: Sendable, Hashable {
    package var uploads: [UnfinishedUpload]
    /// The target's clock when it answered; nothing where it does not tell.
    package var at: WallTime?
    /// Where the next page begins; nothing on the last one.
    package var next: UnfinishedMarker?

    package init(uploads: [UnfinishedUpload], at: WallTime?, next: UnfinishedMarker? = nil) {
        self.uploads = uploads
        self.at = at
        self.next = next
    }
}

/// What a page ended with, in the target's own words.
package struct UnfinishedMarker: Sendable, Hashable {
    package var key: String
    package var token: String

    package init(key: String, token: String) {
        self.key = key
        self.token = token
    }
}

extension StorageTarget {
    /// A target that cannot list has none to show.
    package func unfinishedUploads(
        below folder: String, after marker: UnfinishedMarker?
    ) async throws(TargetFailure) -> UnfinishedPage { UnfinishedPage(uploads: [], at: nil) }

    package func giveUp(_ upload: UnfinishedUpload) async throws(TargetFailure) -> Bool { true }
}

/// Decides which unfinished uploads nobody will go on with.
///
/// What it never names: an upload of another station, one outside this station's folder, one that the journal knows or
/// may know, one that is younger than a day or whose age is not known.
package struct SweepRule: Sendable {
    /// Seconds by the target's clock; what runs is younger than its last restart, and the journal knows it.
    package static let leastAgeSeconds = 86_400.0
    /// Times that an upload is given up in one sweep: parts that were on their way can outlive a first one.
    package static let tries = 5

    package let station: String

    package init(station: String) {
        self.station = station
    }

    /// Where this station's recordings are at every target.
    package var folder: String { "recordings/\(station)/" }

    /// - Parameter known: those of the page that the journal has under way, or may have.
    package func orphans(_ page: UnfinishedPage, known: Set<UnfinishedUpload>) -> [UnfinishedUpload] {
        guard let now = page.at else { return [] }
        return page.uploads.filter { upload in
            // By bytes: to Swift a slash and a combining letter behind it are one character.
            guard upload.key.utf8.starts(with: folder.utf8), let startedAt = upload.startedAt,
                now.seconds(since: startedAt) >= Self.leastAgeSeconds
            else { return false }
            return !known.contains(upload)
        }
    }
}

/// What a sweep of a target came to.
package struct SweepOutcome: Sendable, Hashable {
    package var seen = 0
    package var givenUp: [UnfinishedUpload] = []
    /// The target holds them still; the next sweep tries again.
    package var left: [UnfinishedUpload] = []
}

/// Gives up what a target holds of this station's and nobody will go on with: page by page, one request at a time.
package struct Sweep: Sendable {
    private let target: any StorageTarget
    private let rule: SweepRule
    private let turns: any SpareRequests

    package init(target: any StorageTarget, rule: SweepRule, turns: any SpareRequests) {
        self.target = target
        self.rule = rule
        self.turns = turns
    }

    /// - Parameter known: those of a page that the journal has under way. It is asked after the target, so that an upload
    ///   that began meanwhile is known, or younger than a day.
    package func run(
        known: ([UnfinishedUpload]) async throws(TargetFailure) -> Set<UnfinishedUpload>
    ) async throws(TargetFailure) -> SweepOutcome {
        var outcome = SweepOutcome()
        var marker: UnfinishedMarker?
        var markers: Set<UnfinishedMarker> = []
        repeat {
            let (target, rule, from) = (target, rule, marker)
            let page = try await turns.spare(bytes: 0) { () async throws(TargetFailure) in
                try await target.unfinishedUploads(below: rule.folder, after: from)
            }
            outcome.seen += page.uploads.count
            for orphan in rule.orphans(page, known: try await known(page.uploads)) {
                if try await giveUp(orphan) { outcome.givenUp.append(orphan) } else { outcome.left.append(orphan) }
            }
            marker = page.next
            if let marker, !markers.insert(marker).inserted {
                throw TargetFailure(
                    kind: .serverFault, sentence: "\(target.name) lists the same page of unfinished uploads again")
            }
        } while marker != nil
        return outcome
    }

    private func giveUp(_ orphan: UnfinishedUpload) async throws(TargetFailure) -> Bool {
        for _ in 0..<SweepRule.tries {
            let target = target
            let isGone = try await turns.spare(bytes: 0) { () async throws(TargetFailure) in
                try await target.giveUp(orphan)
            }
            if isGone { return true }
        }
        return false
    }
}

/// Lets requests through that have time.
package protocol SpareRequests: Sendable {
    /// Makes a request when what is urgent leaves room.
    ///
    /// - Parameter bytes: of recordings that it moves; 0 for a question.
    /// - Throws: `TargetFailure` of kind `.cancelled` when the task is cancelled before its turn; what `body` throws.
    func spare<Result: Sendable>(
        bytes: Int64, _ body: () async throws(TargetFailure) -> Result
    ) async throws(TargetFailure) -> Result
}
