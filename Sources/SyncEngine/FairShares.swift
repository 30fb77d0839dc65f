/// Whose request is next, so that no device waits for another's whole card: of the earliest class that waits, the share
/// that was given least goes first (start-time fair queueing: Goyal, Vin, Cheng, SIGCOMM 1996).
///
/// A share that was away has no credit for that time: it begins where the others are. What carries no bytes goes before
/// what does: it takes nothing from the others, and it is what ends an upload.
struct FairShares: Sendable {
    /// Bytes given to a share, counted on from where all shares were when it came.
    private var given: [String: Int64] = [:]
    /// Where the share stood whose claim was granted last.
    private var now: Int64 = 0

    /// The index of the claim that is next; of equal ones the first. Nothing where there is none.
    func first(of claims: [RequestClaim]) -> Int? {
        claims.indices.min { left, right in
            let (a, b) = (rank(claims[left]), rank(claims[right]))
            return a == b ? left < right : a < b
        }
    }

    mutating func granted(_ claim: RequestClaim) {
        guard claim.bytes > 0 else { return }
        now = max(now, standing(claim.share))
        given[claim.share] = standing(claim.share) + claim.bytes
        // Who stands behind the present has no claim left, and need not be remembered.
        if given.count > 1000 { given = given.filter { $0.value > now } }
    }

    private func rank(_ claim: RequestClaim) -> (Int, Int, Int64) {
        (claim.uploadClass.rawValue, claim.bytes > 0 ? 1 : 0, claim.bytes > 0 ? standing(claim.share) : 0)
    }

    private func standing(_ share: String) -> Int64 {
        max(now, given[share] ?? now)
    }
}
