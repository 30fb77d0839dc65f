import ContentHash
package import EvidenceModel
import FileAccess

/// Reads the bytes of recordings on the station.
package protocol ContentSource: Sendable {
    /// The bytes of `span` of `recording`, as they lie on the station now.
    ///
    /// - Throws: `TargetFailure` of kind `.sourceUnavailable` where they cannot be read now.
    func read(_ recording: RecordingID, _ span: ByteSpan) async throws(TargetFailure) -> PartBytes
}

/// Keeps the journal.
package protocol UploadStore: Sendable {
    /// Uploads to `target` that may be worked on now, oldest first, but those in `running`.
    func due(target: String, except running: Set<String>, ofEachShare limit: Int) async throws -> [JournaledUpload]
    /// Writes `entry`; when it returns, a durable entry has survived whatever comes.
    func write(_ entry: JournalEntry, for plan: UploadPlan) async throws
    /// Shows how a target is doing.
    func show(_ status: TargetStatus) async
}

/// Acts for one `UploadMachine`: carries out what it decides and tells it what came of it.
struct UploadRunner: Sendable {
    let target: any StorageTarget
    let source: any ContentSource
    let store: any UploadStore
    /// Bytes of recordings in memory, shared by all targets.
    let memory: Budget
    /// Each request's turn at the target.
    let requests: RequestSlots
    let clock: any Clock<Duration>
    /// 0 to 1.
    let luck: @Sendable () -> Double
    /// Parts of one recording in flight at most.
    let window: Int

    /// What came of a step.
    private enum Outcome: Sendable {
        case wholePut(tag: String)
        case created(token: String)
        case found([String])
        case listed([ListedPart])
        case sent(token: String, part: Int, tag: String)
        case compared(token: String, ListedPart, isSame: Bool)
        case completed(tag: String)
        case inspected(StoredObject?, CopyVerdict?)
        case aborted
        case failed(UploadMachine.Step, TargetFailure)
        case retryDue
    }

    /// What others may want to know meanwhile.
    enum Progress: Sendable {
        /// The upload can use so many requests at once from now on.
        case demand(Int)
        /// The target has taken so many bytes more.
        case acknowledged(bytes: Int64)
        /// The target did what it was asked.
        case answered
        /// A part, or the whole object, was not taken.
        case failed(TargetFailure)
    }

    /// Takes the upload as far as it goes now.
    func run(
        _ journaled: JournaledUpload, observe: @Sendable (Progress) -> Void
    ) async -> UploadMachine.Ending {
        let plan = journaled.plan
        let isInOrder = await target.takesPartsInOrder(plan, token: journaled.progress.token)
        var machine = UploadMachine(
            journaled: journaled, wholeLimit: target.wholeLimit, window: isInOrder ? 1 : window)
        return await withTaskGroup(of: Outcome.self) { group in
            var actions = machine.begun()
            var demand = machine.demand
            if isInOrder { observe(.demand(demand)) }
            while true {
                for action in actions {
                    switch action {
                    case .journal(let entry):
                        if let failure = await write(entry, plan) {
                            group.cancelAll()
                            return .suspended(failure)
                        }
                    case .perform(let step):
                        var plan = plan
                        plan.given = machine.given(for: step)
                        group.addTask { [plan] in await outcome(of: step, plan, journaled.turn) }
                    case .retry(let seconds):
                        group.addTask {
                            try? await clock.sleep(for: .seconds(seconds))
                            return .retryDue
                        }
                    case .end(let ending):
                        group.cancelAll()
                        return ending
                    }
                }
                guard let outcome = await group.next() else { return .stopped }
                if Task.isCancelled { return .stopped }
                report(outcome, plan, observe)
                actions = advance(&machine, outcome)
                if machine.demand != demand {
                    demand = machine.demand
                    observe(.demand(demand))
                }
            }
        }
    }

    private func write(_ entry: JournalEntry, _ plan: UploadPlan) async -> TargetFailure? {
        entry.crashPoint.reached(.before)
        do {
            try await store.write(entry, for: plan)
            entry.crashPoint.reached(.after)
            return nil
        } catch {
            return TargetFailure(kind: .stationFault, sentence: "the station's journal cannot be written: \(error)")
        }
    }

    private func advance(_ machine: inout UploadMachine, _ outcome: Outcome) -> [UploadMachine.Action] {
        switch outcome {
        case .wholePut(let tag): machine.wholePut(tag: tag)
        case .created(let token): machine.uploadCreated(token: token)
        case .found(let tokens): machine.uploadsFound(tokens)
        case .listed(let parts): machine.partsListed(parts)
        case .sent(let token, let part, let tag): machine.partAcknowledged(token: token, part, tag: tag)
        case .compared(let token, let part, let isSame): machine.partCompared(token: token, part, isSame: isSame)
        case .completed(let tag): machine.completed(tag: tag)
        case .inspected(let object, let verdict): machine.inspected(object, verdict: verdict)
        case .aborted: []
        case .failed(let step, let failure): machine.failed(step, failure, jitter: luck())
        case .retryDue: machine.retryDue()
        }
    }

    private func report(_ outcome: Outcome, _ plan: UploadPlan, _ observe: (Progress) -> Void) {
        switch outcome {
        case .failed(.send, let failure), .failed(.putWhole, let failure): return observe(.failed(failure))
        case .failed, .retryDue: return
        case .sent(_, let part, _): observe(.acknowledged(bytes: plan.content.layout.span(ofPart: part).length))
        case .wholePut: observe(.acknowledged(bytes: plan.content.size))
        case .created, .found, .listed, .compared, .completed, .inspected, .aborted: break
        }
        observe(.answered)
    }

    private func outcome(of step: UploadMachine.Step, _ plan: UploadPlan, _ turn: UploadTurn) async -> Outcome {
        let claim = RequestClaim(
            share: turn.share, uploadClass: turn.uploadClass, bytes: Self.bytes(of: step, plan))
        do throws(TargetFailure) {
            return try await requests.spend(claim) { () async throws(TargetFailure) in
                step.crashPoint.reached(.before)
                let outcome = try await perform(step, plan)
                step.crashPoint.reached(.after)
                return outcome
            }
        } catch {
            return .failed(step, error)
        }
    }

    /// Bytes of the recording that the step sends; an empty recording is a turn too.
    private static func bytes(of step: UploadMachine.Step, _ plan: UploadPlan) -> Int64 {
        switch step {
        case .putWhole: max(1, plan.content.size)
        case .send(_, let part): plan.content.layout.span(ofPart: part).length
        case .create, .find, .list, .compare, .complete, .inspect, .abort: 0
        }
    }

    private func perform(_ step: UploadMachine.Step, _ plan: UploadPlan) async throws(TargetFailure) -> Outcome {
        switch step {
        case .putWhole:
            let span = ByteSpan(offset: 0, length: plan.content.size)
            return try await sending(plan, span, plan.content.digest) { (bytes) async throws(TargetFailure) in
                .wholePut(tag: try await target.putWhole(plan, bytes: bytes))
            }
        case .create: return .created(token: try await target.createUpload(plan))
        case .find: return .found(try await target.findUploads(plan))
        case .list(let token): return .listed(try await target.listParts(plan, token: token))
        case .send(let token, let part):
            let digest = plan.content.partDigests[part - 1]
            let span = plan.content.layout.span(ofPart: part)
            return try await sending(plan, span, digest) { (bytes) async throws(TargetFailure) in
                let tag = try await target.putPart(plan, token: token, number: part, bytes: bytes)
                return .sent(token: token, part: part, tag: tag)
            }
        case .compare(let token, let part):
            let digest = plan.content.partDigests[part.number - 1]
            let span = plan.content.layout.span(ofPart: part.number)
            return try await reading(plan, span) { (bytes) async throws(TargetFailure) in
                try require(digest, of: bytes, span, plan)
                return .compared(token: token, part, isSame: target.partTag(bytes) == part.tag)
            }
        case .complete(let token, let tags):
            return .completed(tag: try await target.complete(plan, token: token, tags: tags))
        case .inspect(let tag):
            guard let found = try await target.examine(plan, tag: tag) else { return .inspected(nil, nil) }
            guard case .matches = found.verdict else { return .inspected(found.object, found.verdict) }
            return .inspected(try await target.secure(plan, found.object), found.verdict)
        case .abort(let token):
            try await target.abort(plan, token: token)
            return .aborted
        }
    }

    /// What is smaller is hashed here in any case: that costs less than to ask whether it must be.
    private static let leastLeftBytes: Int64 = 1 << 20

    /// Sends bytes with `body`, and lets only those arrive that are still what was collected: the hash that was taken off
    /// the device is the hash of what is sent. Either it is compared here, or the target compares it.
    private func sending(
        _ plan: UploadPlan, _ span: ByteSpan, _ digest: ContentDigest,
        _ body: (PartBytes) async throws(TargetFailure) -> Outcome
    ) async throws(TargetFailure) -> Outcome {
        try await reading(plan, span) { (bytes) async throws(TargetFailure) in
            let isLeftToTarget = span.length >= Self.leastLeftBytes ? await target.checksBytes() : false
            if !isLeftToTarget { try require(digest, of: bytes, span, plan) }
            do throws(TargetFailure) {
                return try await body(bytes)
            } catch {
                // The target says that they are others: it may be the station's fault, or the way's.
                if error.kind == .corruptedOnTheWay { try require(digest, of: bytes, span, plan) }
                throw error
            }
        }
    }

    /// Reads bytes within the memory that is left.
    private func reading(
        _ plan: UploadPlan, _ span: ByteSpan, _ body: (PartBytes) async throws(TargetFailure) -> Outcome
    ) async throws(TargetFailure) -> Outcome {
        try await memory.spend(Int(span.length)) { () async throws(TargetFailure) in
            try await body(try await source.read(plan.recording, span))
        }
    }

    private func require(
        _ digest: ContentDigest, of bytes: PartBytes, _ span: ByteSpan, _ plan: UploadPlan
    ) throws(TargetFailure) {
        guard bytes.withUnsafeBytes({ .sha256(of: $0) }) == digest else {
            throw TargetFailure(
                kind: .sourceChanged,
                sentence: "bytes \(span.offset) to \(span.end) of recording \(plan.recording) on the station are "
                    + "not those that were collected")
        }
    }
}
