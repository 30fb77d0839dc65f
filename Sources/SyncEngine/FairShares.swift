import EvidenceModel

/// Whose upload is next, so that no device waits for another's whole card: among those that wait, the share that was given
/// least begins (start-time fair queueing: Goyal, Vin, Cheng, SIGCOMM 1996). Important uploads go before all others.
///
/// A share that was away has no credit for that time: it begins where the others are.
struct FairShares: Sendable {
    /// Bytes given to a share, counted on from where all shares were when it came.
    private var given: [String: Int64] = [:]
    /// Where the share stood whose upload was started last.
    private var now: Int64 = 0

    /// - Parameter waiting: of each share its uploads in their order.
    func next(of waiting: [JournaledUpload]) -> JournaledUpload? {
        let important = waiting.filter { $0.turn.urgency == .important }
        let candidates = important.isEmpty ? waiting : important
        var best: JournaledUpload?
        for upload in candidates {
            if let best, standing(upload) >= standing(best) { continue }
            best = upload
        }
        return best
    }

    mutating func started(_ upload: JournaledUpload) {
        now = max(now, standing(upload))
        given[upload.turn.share] = standing(upload) + max(1, upload.plan.content.size)
        // Who stands behind the present has no claim left, and need not be remembered.
        if given.count > 1000 { given = given.filter { $0.value > now } }
    }

    private func standing(_ upload: JournaledUpload) -> Int64 {
        max(now, given[upload.turn.share] ?? now)
    }
}
