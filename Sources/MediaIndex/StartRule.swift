package import EvidenceModel

/// Chooses when a recording started from all that tells it.
///
/// The first kind in the profile's order wins, of one kind the first piece, if it is plausible once it is corrected by
/// the device's clock offset: not before 2010, since clocks whose battery was empty begin at 1904, 1970, 1980 or 2000,
/// and not more than a day after the file was collected.
package struct StartRule: Sendable {
    /// Why a piece of evidence was taken or not.
    package enum Verdict: String, Sendable, Hashable {
        case chosen
        /// Plausible, but something before it was chosen.
        case later
        /// The profile does not believe this kind.
        case notInOrder = "not_in_order"
        case tooEarly = "too_early"
        case afterCollection = "after_collection"
    }

    /// One piece of evidence, judged.
    package struct Judged: Sendable, Hashable {
        package var evidence: TimeEvidence
        /// Corrected by the clock's offset, where the device's clock wrote it.
        package var start: WallTime
        package var verdict: Verdict
    }

    private let order: [TimeEvidence.Basis]
    private let offset: ClockOffset?
    private let collectedAt: WallTime

    private static let earliest = WallTime(millisecondsSince1970: 1_262_304_000_000)  // 2010-01-01
    private static let secondsAfterCollection = 86_400.0

    package init(order: [TimeEvidence.Basis], offset: ClockOffset?, collectedAt: WallTime) {
        self.order = order
        self.offset = offset
        self.collectedAt = collectedAt
    }

    /// Every piece of `evidence`, in the order in which it is believed, those of kinds that are not believed last.
    package func judge(_ evidence: [TimeEvidence]) -> [Judged] {
        var isChosen = false
        let believed = order.flatMap { basis in evidence.filter { $0.basis == basis } }
        let strangers = evidence.filter { !order.contains($0.basis) }
        return (believed + strangers).map { piece in
            let start = corrected(piece)
            let verdict = flaw(piece, start) ?? (isChosen ? .later : .chosen)
            isChosen = isChosen || verdict == .chosen
            return Judged(evidence: piece, start: start, verdict: verdict)
        }
    }

    /// The start, and what it rests on.
    package func start(_ evidence: [TimeEvidence]) -> (WallTime?, StartBasis) {
        guard let chosen = judge(evidence).first(where: { $0.verdict == .chosen }) else { return (nil, .unknown) }
        return (chosen.start, chosen.evidence.basis.startBasis)
    }

    private func corrected(_ piece: TimeEvidence) -> WallTime {
        piece.isByDeviceClock ? offset.map { piece.at.adding(seconds: -$0.seconds) } ?? piece.at : piece.at
    }

    private func flaw(_ piece: TimeEvidence, _ start: WallTime) -> Verdict? {
        if !order.contains(piece.basis) { return .notInOrder }
        if start < Self.earliest { return .tooEarly }
        return start.seconds(since: collectedAt) > Self.secondsAfterCollection ? .afterCollection : nil
    }
}
