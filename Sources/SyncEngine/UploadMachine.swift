import EvidenceModel

/// One copy of one recording on its way to one target, from the first request to the receipt.
///
///                      ┌──────────────── startAgain ───────────────┐
///                      ▼                                           │
///     begin ─▶ (small) putting ─────────────────────────┐          │
///        │                                              ▼          │
///        ├───▶ creating ─▶ sending ─▶ completing ─▶ inspecting ─▶ verified
///        │        ▲           ▲  │        │             │
///        └─ after a crash:    │  └ listing ┘            ├▶ parked (differs)
///           finding, listing ─┘                         └▶ absent: completing, or from the start
///
///     From every state: a failure leads to a retry of the step, to `suspended` (the whole target waits) or `parked`.
///
/// Invariants, asserted by `check`:
/// - a step that changes the target is preceded by the journal's word for it, in the same list of actions;
/// - a part is never in flight twice, never sent when the target has acknowledged it;
/// - nothing follows on an upload that the target lost until every answer about its parts has come: a directory names
///   the next upload as it named that one, so that a late answer could not be told from one about the next;
/// - completion is asked for only when every part is acknowledged and none is in flight;
/// - `verified` follows only from an inspection after completion whose verdict was `matches`.
package struct UploadMachine: Sendable {
    /// A request that is made of the target.
    package enum Step: Sendable, Hashable {
        case putWhole
        case create
        case find
        case list(token: String)
        case send(token: String, part: Int)
        /// Compares the station's bytes of a part with the tag the target lists for it.
        case compare(token: String, part: ListedPart)
        case complete(token: String, tags: [String])
        /// Asks what is under the key. `tag` is what completion called it, where that answer arrived.
        case inspect(tag: String?)
        case abort(token: String)
    }

    package enum Action: Sendable, Hashable {
        /// Make this durable before the next action.
        case journal(JournalEntry)
        case perform(Step)
        /// Call `retryDue` after so many seconds.
        case retry(afterSeconds: Double)
        /// Over for now.
        case end(Ending)
    }

    package enum Ending: Sendable, Hashable {
        case verified
        case parked(TargetFailure)
        /// The target as a whole cannot go on; the upload is taken up again from the journal.
        case suspended(TargetFailure)
        case stopped
    }

    enum Phase: Sendable, Hashable {
        case idle
        case putting
        case creating
        case finding
        case listing(token: String)
        case sending(token: String)
        case completing(token: String)
        /// The token is there while the upload may still be unfinished at the target.
        case inspecting(token: String?)
        case ended
    }

    let plan: UploadPlan
    private let wholeLimit: Int64
    private let window: Int
    private let from: JournaledUpload
    private(set) var phase: Phase = .idle
    private(set) var acknowledged: [Int: String]
    private(set) var inFlight: Set<Int> = []
    private var comparing: Set<Int> = []
    private var pending: [Int] = []
    /// Answers that are still to come about parts of an upload that the target lost.
    private var strays = 0
    /// Failures in a row, over all steps; any progress ends the row.
    private var failures = 0
    private var isBackingOff = false
    private var interruptedStep: Step?

    /// - Parameters:
    ///   - journaled: what the journal says of this upload.
    ///   - wholeLimit: bytes up to which the object goes in one request.
    ///   - window: parts in flight at most.
    package init(journaled: JournaledUpload, wholeLimit: Int64, window: Int) {
        precondition(window >= 1, "at least one part at a time")
        plan = journaled.plan
        from = journaled
        acknowledged = journaled.tags
        self.wholeLimit = wholeLimit
        self.window = window
    }

    private var isWhole: Bool { plan.content.size <= wholeLimit }

    /// How many requests this upload can use at once from now on.
    package var demand: Int {
        switch phase {
        case .sending: min(window, inFlight.count + pending.count)
        case .ended: 0
        case .idle, .putting, .creating, .finding, .listing, .completing, .inspecting:
            isWhole ? 1 : min(window, plan.content.layout.count)
        }
    }

    /// What the target called what `step` is about.
    func given(for step: Step) -> GivenNames {
        var given = plan.given
        given.parts = acknowledged
        if case .inspect(let tag) = step {
            given.object = tag
            if tag == nil, case .inspecting(let token) = phase { given.object = token }
        }
        return given
    }

    // MARK: Events

    /// The upload is taken up, for the first time or after a crash or a pause.
    package mutating func begun() -> [Action] {
        switch from.progress {
        case .planned: return begin()
        case .creating where isWhole: return inspect(token: nil, tag: nil)
        case .creating:
            phase = .finding
            return [.perform(.find)]
        case .open(let token): return list(token)
        case .sealed(let token):
            // Completion may have been carried out and its answer lost.
            return inspect(token: token, tag: nil)
        case .completed(let tag): return inspect(token: nil, tag: tag)
        }
    }

    package mutating func wholePut(tag: String) -> [Action] {
        progressed()
        return [.journal(.completed(tag: tag))] + inspect(token: nil, tag: tag)
    }

    package mutating func uploadCreated(token: String) -> [Action] {
        [.journal(.opened(token: token))] + send(token, parts: Array(1...plan.content.layout.count))
    }

    /// What a search for an upload whose token the journal lost has found.
    package mutating func uploadsFound(_ tokens: [String]) -> [Action] {
        if tokens.count == 1 {
            return [.journal(.opened(token: tokens[0]))] + list(tokens[0])
        }
        // None: it was never created. Several: none of them can be told to be the one; all are given up.
        return tokens.map { .perform(.abort(token: $0)) } + begin()
    }

    package mutating func partsListed(_ parts: [ListedPart]) -> [Action] {
        guard case .listing(let token) = phase else { return [] }
        let layout = plan.content.layout
        var known: [Int: String] = [:]
        var doubtful: [ListedPart] = []
        var seen: Set<Int> = []
        for part in parts where part.number >= 1 && part.number <= layout.count {
            guard part.size == layout.span(ofPart: part.number).length, seen.insert(part.number).inserted else {
                continue
            }
            if let own = acknowledged[part.number], part.isCalled(own) {
                known[part.number] = own
            } else {
                doubtful.append(part)
            }
        }
        let forgotten = acknowledged.keys.filter { known[$0] == nil }.sorted()
        acknowledged = known
        comparing = Set(doubtful.map(\.number))
        let missing = (1...layout.count).filter { known[$0] == nil && !comparing.contains($0) }
        let journal: [Action] = forgotten.isEmpty ? [] : [.journal(.forgotten(parts: forgotten))]
        let compare = doubtful.map { Action.perform(.compare(token: token, part: $0)) }
        return journal + compare + send(token, parts: missing)
    }

    /// A listed part that the journal did not know was compared with the station's bytes.
    package mutating func partCompared(token: String, _ part: ListedPart, isSame: Bool) -> [Action] {
        guard phase == .sending(token: token) else { return strayed() }
        comparing.remove(part.number)
        guard isSame else {
            pending.append(part.number)
            return fillWindow()
        }
        return partAcknowledged(token: token, part.number, tag: part.tag)
    }

    package mutating func partAcknowledged(token: String, _ number: Int, tag: String) -> [Action] {
        // An answer about an upload that was given up meanwhile says nothing about the one that took its place.
        guard phase == .sending(token: token) else { return strayed() }
        progressed()
        inFlight.remove(number)
        acknowledged[number] = tag
        return [.journal(.acknowledged(part: number, tag: tag))] + fillWindow()
    }

    package mutating func completed(tag: String) -> [Action] {
        progressed()
        return [.journal(.completed(tag: tag))] + inspect(token: nil, tag: tag)
    }

    /// The target said what is under the key.
    ///
    /// - Parameter verdict: nothing when there is no object.
    package mutating func inspected(_ object: StoredObject?, verdict: CopyVerdict?) -> [Action] {
        guard case .inspecting(let token) = phase else { return [] }
        switch (object, verdict) {
        case (let object?, .matches(let method)?): return end(.verified, .journal(.verified(object, method: method)))
        case (_?, .differs(let differences)?):
            return park(TargetFailure(kind: .differs, sentence: differences.joined(separator: "; ")))
        case (_, nil), (nil, _):
            // Not there. With a token the upload was not completed yet: ask for its parts and go on. Without one it is
            // gone, or never was.
            return token.map { list($0) } ?? startAgain()
        }
    }

    package mutating func aborted() -> [Action] { [] }

    /// `step` failed.
    ///
    /// - Parameter jitter: 0 to 1, drawn by the caller.
    package mutating func failed(_ step: Step, _ failure: TargetFailure, jitter: Double) -> [Action] {
        if case .abort = step { return [] }
        if isStray(step) { return strayed() }
        if phase == .ended { return [] }
        giveBack(step)
        switch failure.consequence {
        case .retry: return retry(step, failure, jitter)
        case .listAgain: return listAgain(step, failure, jitter)
        case .startAgain: return uploadLost(step, failure, jitter)
        case .pauseTarget: return end(.suspended(failure))
        case .park: return park(failure)
        case .stop: return end(.stopped)
        }
    }

    /// The time `retry` asked for has passed.
    package mutating func retryDue() -> [Action] {
        isBackingOff = false
        if case .sending = phase { return fillWindow() }
        return resume()
    }

    // MARK: Decisions

    private mutating func begin() -> [Action] {
        phase = isWhole ? .putting : .creating
        return [.journal(.creating), .perform(isWhole ? .putWhole : .create)]
    }

    private mutating func startAgain() -> [Action] {
        acknowledged = [:]
        return [.journal(.lost)] + begin()
    }

    private mutating func list(_ token: String) -> [Action] {
        phase = .listing(token: token)
        return [.perform(.list(token: token))]
    }

    private mutating func inspect(token: String?, tag: String?) -> [Action] {
        phase = .inspecting(token: token)
        return [.perform(.inspect(tag: tag))]
    }

    private mutating func send(_ token: String, parts: [Int]) -> [Action] {
        phase = .sending(token: token)
        pending = parts
        return fillWindow()
    }

    private mutating func fillWindow() -> [Action] {
        guard case .sending(let token) = phase else { return [] }
        if pending.isEmpty && inFlight.isEmpty && comparing.isEmpty { return seal(token) }
        if isBackingOff { return [] }
        var actions: [Action] = []
        while inFlight.count < window, !pending.isEmpty {
            let number = pending.removeFirst()
            inFlight.insert(number)
            actions.append(.perform(.send(token: token, part: number)))
        }
        return actions
    }

    private mutating func seal(_ token: String) -> [Action] {
        let tags = (1...plan.content.layout.count).compactMap { acknowledged[$0] }
        precondition(tags.count == plan.content.layout.count, "sealed with every part acknowledged")
        phase = .completing(token: token)
        return [.journal(.sealed), .perform(.complete(token: token, tags: tags))]
    }

    /// Only what moved bytes or made the object ends a row of failures: a store that answers questions and refuses
    /// work is asked more and more rarely.
    private mutating func progressed() { failures = 0 }

    /// Whether an answer is about an upload that was given up meanwhile.
    private func isStray(_ step: Step) -> Bool {
        switch step {
        case .send(let token, _), .compare(let token, _): phase != .sending(token: token)
        case .putWhole, .create, .find, .list, .complete, .inspect, .abort: false
        }
    }

    /// An answer about a part of an upload that was given up has come.
    private mutating func strayed() -> [Action] {
        strays = max(0, strays - 1)
        return isBackingOff ? [] : resume()
    }

    private mutating func resume() -> [Action] {
        guard phase != .ended, strays == 0, let step = interruptedStep else { return [] }
        interruptedStep = nil
        return [.perform(step)]
    }

    private mutating func giveBack(_ step: Step) {
        switch step {
        case .send(_, let part):
            inFlight.remove(part)
            pending.insert(part, at: 0)
        case .compare(_, let part):
            comparing.remove(part.number)
            pending.append(part.number)
        case .putWhole, .create, .find, .list, .complete, .inspect, .abort: break
        }
    }

    private mutating func retry(_ step: Step, _ failure: TargetFailure, _ jitter: Double) -> [Action] {
        failures += 1
        var delay = Backoff.seconds(attempt: failures, jitter: jitter)
        if case .throttled(let seconds?) = failure.kind { delay = max(delay, seconds) }
        if case .complete(let token, _) = step {
            // Whether it was carried out is not known: look before it is asked for again.
            phase = .inspecting(token: token)
            interruptedStep = .inspect(tag: nil)
        } else if case .sending = phase {
            interruptedStep = nil
        } else {
            interruptedStep = step
        }
        if isBackingOff { return [] }
        isBackingOff = true
        return [.retry(afterSeconds: delay)]
    }

    private mutating func listAgain(_ step: Step, _ failure: TargetFailure, _ jitter: Double) -> [Action] {
        guard case .complete(let token, _) = step, !isBackingOff else { return retry(step, failure, jitter) }
        failures += 1
        phase = .listing(token: token)
        interruptedStep = .list(token: token)
        isBackingOff = true
        return [.retry(afterSeconds: Backoff.seconds(attempt: failures, jitter: jitter))]
    }

    private mutating func uploadLost(_ step: Step, _ failure: TargetFailure, _ jitter: Double) -> [Action] {
        switch step {
        case .complete, .list, .send, .compare:
            // An upload is unknown also after it was completed: look first, when the other parts' answers, which no
            // longer count, have come.
            strays = inFlight.count + comparing.count
            inFlight = []
            comparing = []
            pending = []
            phase = .inspecting(token: nil)
            failures += 1
            interruptedStep = .inspect(tag: nil)
            if isBackingOff { return [] }
            isBackingOff = true
            return [.retry(afterSeconds: Backoff.seconds(attempt: failures, jitter: jitter))]
        case .putWhole, .create, .find, .inspect, .abort: return retry(step, failure, jitter)
        }
    }

    private mutating func park(_ failure: TargetFailure) -> [Action] {
        end(.parked(failure), .journal(.parked(failure)))
    }

    private mutating func end(_ ending: Ending, _ journal: Action? = nil) -> [Action] {
        phase = .ended
        return (journal.map { [$0] } ?? []) + [.end(ending)]
    }

    /// What is broken among the invariants; empty when all hold.
    package func check() -> [String] {
        var broken: [String] = []
        if !inFlight.isDisjoint(with: pending) { broken.append("a part is in flight and pending") }
        if inFlight.contains(where: { acknowledged[$0] != nil }) { broken.append("an acknowledged part is in flight") }
        if pending.contains(where: { acknowledged[$0] != nil }) { broken.append("an acknowledged part is pending") }
        if inFlight.count > window { broken.append("more parts in flight than the window") }
        if case .completing = phase, !inFlight.isEmpty || !pending.isEmpty { broken.append("completes too early") }
        return broken
    }
}
