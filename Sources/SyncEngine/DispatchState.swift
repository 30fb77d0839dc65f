import EvidenceModel

/// What a dispatcher knows of the moment: which uploads run, how many requests they can use, and the target's state.
///
/// Parts of one recording go in parallel rather than many recordings at once, so that each is safe as early as it can
/// be: another upload starts only when those that run cannot use every request.
struct DispatchState: Sendable {
    private let requestsAtOnce: Int
    private var demands: [String: Int] = [:]
    private var shares = FairShares()
    var machine = TargetMachine()
    var rate = ByteRate()
    /// Whether the queue may hold something that is not running.
    var mayHaveWork = true

    init(requestsAtOnce: Int) {
        self.requestsAtOnce = requestsAtOnce
    }

    var running: Set<String> { Set(demands.keys) }

    var wantsMore: Bool {
        guard mayHaveWork, machine.mayStart else { return false }
        if machine.isProbing { return demands.isEmpty }
        return demands.values.reduce(0, +) < requestsAtOnce
    }

    /// Which of the waiting uploads is next, or nothing where none is wanted.
    func next(of waiting: [JournaledUpload]) -> JournaledUpload? {
        guard wantsMore else { return nil }
        return shares.next(of: waiting.filter { demands[$0.plan.upload] == nil })
    }

    mutating func started(_ upload: JournaledUpload, demand: Int) {
        demands[upload.plan.upload] = min(demand, requestsAtOnce)
        shares.started(upload)
    }

    mutating func setDemand(_ demand: Int, of upload: String) {
        if demands[upload] != nil { demands[upload] = demand }
    }

    mutating func ended(_ upload: String) {
        demands[upload] = nil
        mayHaveWork = true
    }
}
