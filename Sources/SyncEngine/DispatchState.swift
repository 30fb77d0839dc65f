import EvidenceModel

/// What a dispatcher knows of the moment: which uploads run, how many requests they can use, and the target's state.
///
/// Parts of one recording go in parallel rather than many recordings of a device at once, so that each is safe as early
/// as it can be: another upload of a share starts only when those of it that run cannot use every request. The shares run
/// beside each other, and `RequestSlots` gives each part its turn.
struct DispatchState: Sendable {
    private struct Running: Sendable {
        var share: String
        var uploadClass: UploadClass
        var demand: Int
    }

    /// Uploads that run at once, so that many devices cost no more than they can use.
    static let uploadsAtOnce = 32

    /// Requests to the target at once.
    var requestsAtOnce: Int
    private var uploads: [String: Running] = [:]
    private var shares = FairShares()
    var machine = TargetMachine()
    var rate = ByteRate()
    /// Whether the queue may hold something that could run now and does not.
    var mayHaveWork = true

    init(requestsAtOnce: Int) {
        self.requestsAtOnce = requestsAtOnce
    }

    var running: Set<String> { Set(uploads.keys) }

    var wantsMore: Bool {
        guard mayHaveWork, machine.mayStart else { return false }
        return machine.isProbing ? uploads.isEmpty : true
    }

    /// Which of the waiting uploads is next, or nothing where none may start now.
    func next(of waiting: [JournaledUpload]) -> JournaledUpload? {
        guard wantsMore else { return nil }
        let able = waiting.filter { uploads[$0.plan.upload] == nil && hasRoom(for: $0.turn) }
        return shares.first(of: able.map(Self.claim)).map { able[$0] }
    }

    /// What is less urgent takes no room from what is more.
    private func hasRoom(for turn: UploadTurn) -> Bool {
        let ahead = uploads.values.filter { $0.uploadClass <= turn.uploadClass }
        guard ahead.count < Self.uploadsAtOnce else { return false }
        return ahead.filter { $0.share == turn.share }.reduce(0) { $0 + $1.demand } < requestsAtOnce
    }

    private static func claim(_ upload: JournaledUpload) -> RequestClaim {
        RequestClaim(
            share: upload.turn.share, uploadClass: upload.turn.uploadClass, bytes: max(1, upload.plan.content.size))
    }

    mutating func started(_ upload: JournaledUpload, demand: Int) {
        uploads[upload.plan.upload] = Running(
            share: upload.turn.share, uploadClass: upload.turn.uploadClass, demand: demand)
        shares.granted(Self.claim(upload))
    }

    mutating func setDemand(_ demand: Int, of upload: String) {
        guard uploads[upload] != nil else { return }
        uploads[upload]?.demand = demand
        if demand < requestsAtOnce { mayHaveWork = true }
    }

    mutating func ended(_ upload: String) {
        uploads[upload] = nil
        mayHaveWork = true
    }
}
