package import EvidenceModel

/// What the journal is told about an upload. Intents come before the request they are about, facts after it.
package enum JournalEntry: Sendable, Hashable {
    /// Intent: the object, or an upload for it, is about to be created.
    case creating
    /// Fact: the upload is open under this token; parts may be sent.
    case opened(token: String)
    /// Fact: the target has this part.
    case acknowledged(part: Int, tag: String)
    /// Fact: the target does not have these parts after all.
    case forgotten(parts: [Int])
    /// Intent: every part is acknowledged, completion is about to be asked for.
    case sealed
    /// Fact: the target says it made the object.
    case completed(tag: String)
    /// Fact: the target was asked afterwards, and everything agreed.
    case verified(StoredObject, method: String)
    /// Fact: the upload is gone at the target; everything begins again.
    case lost
    /// Fact: this copy waits for a person, or for a cause to go away.
    case parked(TargetFailure)

    /// Whether it must survive a power cut before the next step. Of the others a loss costs a question to the target.
    package var isDurable: Bool {
        switch self {
        case .creating, .opened, .sealed, .verified, .lost: true
        case .acknowledged, .forgotten, .completed, .parked: false
        }
    }
}

/// When it is an upload's turn.
package struct UploadTurn: Sendable, Hashable {
    package enum Urgency: Int, Sendable, Hashable, CaseIterable {
        /// Marked as important on the device.
        case important
        /// A part at most: before the large ones of its share.
        case small
        case usual
    }

    /// Who waits for it: uploads of one share go one after the other, shares get the link by turns.
    package var share: String
    package var urgency: Urgency
    /// Collected longer ago than the deadline when the copy was planned.
    package var isBackfill: Bool
    /// Less than a quarter of the time until its deadline is left.
    package var isPressing: Bool

    package init(share: String, urgency: Urgency, isBackfill: Bool = false, isPressing: Bool = false) {
        self.share = share
        self.urgency = urgency
        self.isBackfill = isBackfill
        self.isPressing = isPressing
    }

    package var uploadClass: UploadClass {
        switch (urgency, isPressing, isBackfill) {
        case (.important, _, _): .important
        case (_, true, _): .pressing
        case (_, _, true): .backfill
        case (_, _, false): .normal
        }
    }
}

/// One upload as the journal has it.
package struct JournaledUpload: Sendable, Hashable {
    package enum Progress: Sendable, Hashable {
        case planned
        case creating
        case open(token: String)
        case sealed(token: String)
        case completed(tag: String)

        /// Of the upload that may be unfinished at the target.
        package var token: String? {
            switch self {
            case .open(let token), .sealed(let token): token
            case .planned, .creating, .completed: nil
            }
        }
    }

    package var plan: UploadPlan
    package var turn: UploadTurn
    package var progress: Progress
    /// Tags of the acknowledged parts.
    package var tags: [Int: String]

    package init(
        plan: UploadPlan, turn: UploadTurn = UploadTurn(share: "", urgency: .usual), progress: Progress = .planned,
        tags: [Int: String] = [:]
    ) {
        self.plan = plan
        self.turn = turn
        self.progress = progress
        self.tags = tags
    }
}
