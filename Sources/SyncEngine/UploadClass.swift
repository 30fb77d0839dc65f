/// How soon a request's turn comes at its target: every request of an earlier class goes before those of a later one.
package enum UploadClass: Int, Sendable, Hashable, Comparable, CaseIterable {
    /// Marked as important on the device.
    case important
    /// Less than a quarter of the time until its deadline is left, or none.
    case pressing
    case normal
    /// Collected longer ago than the deadline when the copy was planned, as for a target that is new.
    case backfill
    /// Asking again about copies that are verified: only when nothing else waits.
    case recheck

    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// What a request asks for when it waits for its turn at a target.
package struct RequestClaim: Sendable, Hashable {
    /// Who waits for it: see `UploadTurn`.
    package var share: String
    package var uploadClass: UploadClass
    /// Bytes of recordings that it carries to the target; 0 for a question or a command.
    package var bytes: Int64

    package init(share: String, uploadClass: UploadClass, bytes: Int64) {
        self.share = share
        self.uploadClass = uploadClass
        self.bytes = bytes
    }
}
