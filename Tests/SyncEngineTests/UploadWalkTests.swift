import ContentHash
import EvidenceModel
import StationTesting
import Testing

@testable import SyncEngine

@Suite("Upload machine, at random", .timeLimit(.minutes(2)))
struct UploadWalkTests {
    /// Each seed is one upload from its plan to its receipt, with faults, crashes and power cuts on the way.
    @Test(arguments: 0..<16)
    func everyWalkEndsInAReceipt(block: UInt64) throws {
        for seed in block * 500..<(block + 1) * 500 {
            var walk = UploadWalk(seed: seed)
            try walk.run()
            if !walk.broken.isEmpty {
                Issue.record(
                    "seed \(seed): \(walk.broken.prefix(3)) after\n\(walk.trace.suffix(60).joined(separator: "\n"))")
                return
            }
        }
    }
}

/// A station and a store, a message at a time.
struct UploadWalk {
    private typealias Step = UploadMachine.Step

    private var random: SeededRandom
    private let sample: SampleRecording
    private let plan: UploadPlan
    private let wholeLimit: Int64
    private var store: StoreModel
    /// What the agent wrote; the first `durable` entries survive a power cut.
    private var journal: [JournalEntry] = []
    private var durable = 0
    private var machine: UploadMachine?
    private var waiting: [Step] = []
    private var isRetryDue = false
    private var faults: Int
    private(set) var broken: [String] = []
    private(set) var trace: [String] = []

    init(seed: UInt64) {
        random = SeededRandom(seed: seed)
        let size = [0, 5, 10, 11, 35, 60].randomElement(using: &random) ?? 35
        sample = SampleRecording(seed: seed, size: size, partSize: 10)
        plan = sample.plan()
        wholeLimit = Bool.random(using: &random) ? 0 : 10
        store = StoreModel(plan: plan, reusesTokens: Bool.random(using: &random), hasForeignTags: seed % 5 == 0)
        faults = Int.random(in: 0...40, using: &random)
    }

    mutating func run() throws {
        for _ in 0..<20_000 {
            if broken.isEmpty == false { return }
            if machine == nil {
                if store.receipt != nil { return checkEnd() }
                start()
            } else if waiting.isEmpty && !isRetryDue {
                broken.append("stuck: nothing is waited for")
            } else {
                turn()
            }
        }
        broken.append("no end after 20,000 turns")
    }

    // MARK: The station

    private mutating func start() {
        let journaled = replayed()
        trace.append("start \(journaled.progress) \(journaled.tags.keys.sorted())")
        var upload = UploadMachine(
            journaled: journaled, wholeLimit: wholeLimit, window: 3)
        let actions = upload.begun()
        machine = upload
        carryOut(actions)
    }

    private func replayed() -> JournaledUpload {
        var upload = JournaledUpload(plan: plan)
        var token = ""
        for entry in journal {
            switch entry {
            case .creating: upload.progress = .creating
            case .opened(let name): (token, upload.progress) = (name, .open(token: name))
            case .acknowledged(let part, let tag): upload.tags[part] = tag
            case .forgotten(let parts): for part in parts { upload.tags[part] = nil }
            case .sealed: upload.progress = .sealed(token: token)
            case .completed(let tag): upload.progress = .completed(tag: tag)
            case .lost: (upload.progress, upload.tags) = (.planned, [:])
            case .verified, .parked: break
            }
        }
        return upload
    }

    private mutating func carryOut(_ actions: [UploadMachine.Action]) {
        for action in actions {
            switch action {
            case .journal(let entry):
                journal.append(entry)
                if entry.isDurable { durable = journal.count }
                if case .verified(let object, _) = entry { store.receipt = object }
            case .perform(let step):
                trace.append("perform \(step)")
                checkIntent(step)
                waiting.append(step)
            case .retry: isRetryDue = true
            case .end(let ending): end(ending)
            }
        }
        broken += machine?.check() ?? []
    }

    private mutating func end(_ ending: UploadMachine.Ending) {
        trace.append("end \(ending)")
        if case .parked(let failure) = ending, failure.kind == .differs {
            broken.append("differs: \(failure.sentence)")
        }
        if case .verified = ending { checkVerified() }
        (machine, waiting, isRetryDue) = (nil, [], false)
    }

    private mutating func turn() {
        switch Int.random(in: 0..<100, using: &random) {
        case 0 where faults > 0: crash(isPowerCut: false)
        case 1 where faults > 0: crash(isPowerCut: true)
        case 2 where faults > 0: lifecycle()
        case 3 where faults > 0: decay()
        case ..<30 where isRetryDue:
            isRetryDue = false
            tell("retryDue") { $0.retryDue() }
        default: answer()
        }
    }

    private mutating func answer() {
        guard let index = waiting.indices.randomElement(using: &random) else {
            isRetryDue = false
            return tell("retryDue") { $0.retryDue() }
        }
        let step = waiting.remove(at: index)
        if faults > 0, Int.random(in: 0..<4, using: &random) == 0 { return fault(step) }
        switch store.carryOut(step, sample) {
        case .success(let answer): tell("\(step) → \(answer)") { Self.tell(answer, to: &$0) }
        case .failure(let failure): fail(step, failure)
        }
    }

    private mutating func fault(_ step: Step) {
        faults -= 1
        let kinds: [TargetFailure.Kind] = [
            .interrupted, .interrupted, .interrupted, .serverFault, .throttled(afterSeconds: 3), .clock, .unreachable,
            .certificate, .denied, .misconfigured, .full, .corruptedOnTheWay, .rejected, .sourceUnavailable,
            .sourceChanged, .stationFault, .cancelled, .partsDisagree, .uploadUnknown,
        ]
        var kind = kinds.randomElement(using: &random) ?? .interrupted
        // A target says only about an upload that it does not know it.
        if kind == .uploadUnknown || kind == .partsDisagree { kind = .serverFault }
        // Some are carried out, and only the answer is lost.
        if kind == .interrupted || kind == .serverFault, Bool.random(using: &random) {
            _ = store.carryOut(step, sample)
            trace.append("carried out, unanswered: \(step)")
        }
        fail(step, TargetFailure(kind: kind, sentence: "fault"))
    }

    private mutating func fail(_ step: Step, _ failure: TargetFailure) {
        tell("\(step) failed: \(failure.kind)") { $0.failed(step, failure, jitter: 0.5) }
    }

    private mutating func tell(_ event: String, _ body: (inout UploadMachine) -> [UploadMachine.Action]) {
        trace.append(event)
        guard var upload = machine else { return }
        let actions = body(&upload)
        machine = upload
        carryOut(actions)
    }

    private static func tell(_ answer: StoreModel.Answer, to machine: inout UploadMachine) -> [UploadMachine.Action] {
        switch answer {
        case .wholePut(let tag): machine.wholePut(tag: tag)
        case .created(let token): machine.uploadCreated(token: token)
        case .found(let tokens): machine.uploadsFound(tokens)
        case .listed(let parts): machine.partsListed(parts)
        case .sent(let token, let part, let tag): machine.partAcknowledged(token: token, part, tag: tag)
        case .compared(let token, let part, let isSame): machine.partCompared(token: token, part, isSame: isSame)
        case .completed(let tag): machine.completed(tag: tag)
        case .inspected(let object, let verdict): machine.inspected(object, verdict: verdict)
        case .aborted: []
        }
    }

    private mutating func crash(isPowerCut: Bool) {
        faults -= 1
        // Requests that are on their way may still arrive.
        for step in waiting where Bool.random(using: &random) { _ = store.carryOut(step, sample) }
        if isPowerCut { journal.removeLast(Int.random(in: 0...journal.count - durable, using: &random)) }
        trace.append("crash, power cut: \(isPowerCut)")
        (machine, waiting, isRetryDue) = (nil, [], false)
    }

    private mutating func lifecycle() {
        faults -= 1
        trace.append("the store gives every unfinished upload up")
        store.uploads = [:]
    }

    /// A part that the store has is another one now, of the same size.
    private mutating func decay() {
        faults -= 1
        guard let token = store.uploads.keys.min(), let part = store.uploads[token]?.keys.min() else { return }
        trace.append("the store's part \(part) decays")
        store.uploads[token]?[part]?[0] ^= 1
    }

    // MARK: What must hold

    /// Every intent stands in the journal, durable, before its request.
    private mutating func checkIntent(_ step: Step) {
        let intents = journal.prefix(durable).filter { $0.isDurable }
        switch step {
        case .putWhole, .create:
            if intents.last != .creating { broken.append("\(step) without its intent: \(intents.suffix(2))") }
        case .complete:
            if intents.last != .sealed { broken.append("\(step) without its intent: \(intents.suffix(2))") }
        case .send(let token, let part):
            if intents.last != .opened(token: token), intents.last != .sealed {
                broken.append("\(step) under an upload that is not in the journal: \(intents.suffix(2))")
            }
            let known = replayed().tags[part]
            if known != nil, known == store.uploads[token]?[part].map(store.tag) {
                broken.append("\(step), which journal and store both have")
            }
        case .find, .list, .compare, .inspect, .abort: break
        }
    }

    private mutating func checkVerified() {
        if store.object?.bytes != sample.bytes { broken.append("verified, and the object is not the recording") }
        if store.receipt == nil { broken.append("verified without a receipt in the journal") }
        if durable != journal.count { broken.append("verified, and not durable") }
    }

    private mutating func checkEnd() {
        if store.object?.bytes != sample.bytes { broken.append("the object is not the recording") }
    }
}
