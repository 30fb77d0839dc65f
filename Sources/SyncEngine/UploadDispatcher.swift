package import EvidenceModel
package import Logging

/// Works off the queue of one target: decides which uploads run, tries the target again after a pause, and shows how
/// it is doing.
package struct UploadDispatcher: SpareRequests {
    /// What keeps all dispatchers of a station apart from each other and from luck.
    package struct Surroundings: Sendable {
        package var source: any ContentSource
        package var store: any UploadStore
        /// Bytes of recordings in memory, shared by all targets.
        package var memory: Budget
        package var clock: any Clock<Duration>
        package var now: @Sendable () -> WallTime
        /// 0 to 1.
        package var luck: @Sendable () -> Double
        package var logger: Logger
        /// What the link may be used for, by all targets together and by each.
        package var bandwidth: Bandwidth
        /// Counts what is moved.
        package var transfers = TransferBoard()

        package init(
            source: any ContentSource, store: any UploadStore, memory: Budget, clock: any Clock<Duration>,
            now: @escaping @Sendable () -> WallTime, luck: @escaping @Sendable () -> Double, logger: Logger,
            bandwidth: Bandwidth = .unlimited
        ) {
            self.source = source
            self.store = store
            self.memory = memory
            self.clock = clock
            self.now = now
            self.luck = luck
            self.logger = logger
            self.bandwidth = bandwidth
        }
    }

    private enum Message: Sendable {
        case wake
        case tick
        case pauseOver
        case progress(upload: String, UploadRunner.Progress)
        case ended(upload: String, recording: RecordingID, UploadMachine.Ending)
    }

    /// Requests to a target at once, at most, where the configuration names no number.
    package static let requestsAtOnce = 8

    private let target: any StorageTarget
    private let surroundings: Surroundings
    private let runner: UploadRunner
    private let slots: RequestSlots
    private let ceiling: Int
    private let clockOffset: @Sendable () -> Double?
    private let mailbox: AsyncStream<Message>
    private let sender: AsyncStream<Message>.Continuation

    /// - Parameters:
    ///   - requestsAtOnce: at most; how many it is, the target's answers decide (`RequestLimit`).
    ///   - clockOffset: seconds that the target's clock is ahead, where that is known.
    package init(
        target: any StorageTarget, surroundings: Surroundings, requestsAtOnce: Int = Self.requestsAtOnce,
        clockOffset: @escaping @Sendable () -> Double? = { nil }
    ) {
        self.target = target
        self.surroundings = surroundings
        self.clockOffset = clockOffset
        (mailbox, sender) = AsyncStream.makeStream()
        ceiling = requestsAtOnce
        slots = RequestSlots(
            target: target.name, ceiling: requestsAtOnce, bandwidth: surroundings.bandwidth, now: surroundings.now)
        runner = UploadRunner(
            target: target, source: surroundings.source, store: surroundings.store, memory: surroundings.memory,
            requests: slots, clock: surroundings.clock, luck: surroundings.luck, window: requestsAtOnce)
    }

    package var name: String { target.name }

    /// There may be something new in the queue.
    package func wake() {
        sender.yield(.wake)
    }

    /// Makes a request that has time: when nothing else waits for the target, it is up, and the link has room.
    ///
    /// - Parameter bytes: of recordings that it moves; 0 for a question.
    /// - Throws: `TargetFailure` of kind `.cancelled` when the task is cancelled before its turn; what `body` throws.
    package func spare<Result: Sendable>(
        bytes: Int64, _ body: () async throws(TargetFailure) -> Result
    ) async throws(TargetFailure) -> Result {
        try await slots.spend(RequestClaim(share: "", uploadClass: .recheck, bytes: bytes), body)
    }

    /// Works until the task is cancelled; every upload on its way is then given up where it is, to be gone on with from
    /// the journal. Runs once.
    package func run() async {
        var state = DispatchState(requestsAtOnce: slots.limit)
        await withTaskCancellationHandler {
            await withDiscardingTaskGroup { group in
                await show(state)
                group.addTask { await tick() }
                group.addTask { await slots.keepTime(surroundings.clock) }
                sender.yield(.wake)
                for await message in mailbox {
                    await handle(message, &state, &group)
                }
                group.cancelAll()
            }
        } onCancel: {
            sender.finish()
        }
    }

    /// Seconds between looks at the queue when nothing happens, and between two showings of the rate.
    private static let tickSeconds = 2.0

    private func tick() async {
        while !Task.isCancelled {
            do { try await surroundings.clock.sleep(for: .seconds(Self.tickSeconds)) } catch { return }
            sender.yield(.tick)
        }
    }

    private func handle(
        _ message: Message, _ state: inout DispatchState, _ group: inout DiscardingTaskGroup
    ) async {
        switch message {
        case .wake: state.mayHaveWork = true
        case .tick:
            state.mayHaveWork = true
            if state.rate.ticked(at: surroundings.now()) { await show(state) }
        case .pauseOver: await carryOut(state.machine.pauseOver(), state, &group)
        case .progress(let upload, .demand(let demand)): state.setDemand(demand, of: upload)
        case .progress(_, .acknowledged(let bytes)): state.rate.add(bytes: bytes)
        case .progress(_, .failed): break
        case .progress(_, .answered): await carryOut(state.machine.progressed(), state, &group)
        case .ended(let upload, let recording, let ending):
            state.ended(upload)
            note(ending, of: recording)
            if case .suspended(let failure) = ending {
                let actions = state.machine.suspended(failure, at: surroundings.now(), jitter: surroundings.luck())
                await carryOut(actions, state, &group)
            }
        }
        state.requestsAtOnce = slots.limit
        await startMore(&state, &group)
    }

    private func carryOut(
        _ actions: [TargetMachine.Action], _ state: DispatchState, _ group: inout DiscardingTaskGroup
    ) async {
        if !actions.isEmpty { slots.allowRechecks(state.machine.isUp) }
        for action in actions {
            switch action {
            case .resumed:
                surroundings.logger.notice("the target is in use again", metadata: ["target": "\(name)"])
            case .pause(let seconds):
                group.addTask {
                    try? await surroundings.clock.sleep(for: .seconds(seconds))
                    sender.yield(.pauseOver)
                }
            case .show: await show(state)
            }
        }
    }

    private func startMore(_ state: inout DispatchState, _ group: inout DiscardingTaskGroup) async {
        while state.wantsMore {
            let found: [JournaledUpload]
            do {
                found = try await surroundings.store.due(
                    target: name, except: state.running, ofEachShare: ceiling)
            } catch {
                surroundings.logger.error(
                    "the queue cannot be read", metadata: ["target": "\(name)", "error": "\(error)"])
                state.mayHaveWork = false
                return
            }
            var hasStarted = false
            while let upload = state.next(of: found) {
                let demand = upload.plan.content.size <= target.wholeLimit ? 1 : upload.plan.content.layout.count
                state.started(upload, demand: min(demand, ceiling))
                hasStarted = true
                group.addTask { await work(on: upload) }
            }
            // What waits now can start when something ends, or needs less; more comes with a wake.
            if !hasStarted { state.mayHaveWork = false }
        }
    }

    private func work(on upload: JournaledUpload) async {
        let id = upload.plan.upload
        let transfers = surroundings.transfers
        transfers.began(upload)
        defer { transfers.ended(id) }
        let ending = await UploadMeter.$current.withValue(UploadMeter(board: transfers, upload: id)) {
            await runner.run(upload) { progress in
                switch progress {
                case .acknowledged(let bytes): transfers.acknowledged(bytes, of: id)
                case .failed(let failure): transfers.failed(failure, of: id)
                case .demand, .answered: break
                }
                sender.yield(.progress(upload: id, progress))
            }
        }
        sender.yield(.ended(upload: id, recording: upload.plan.recording, ending))
    }

    private func note(_ ending: UploadMachine.Ending, of recording: RecordingID) {
        var metadata: Logger.Metadata = ["recording.id": "\(recording)", "target": "\(name)"]
        switch ending {
        case .verified: surroundings.logger.info("a copy is verified", metadata: metadata)
        case .stopped: break
        case .parked(let failure):
            metadata["reason"] = "\(failure.sentence)"
            surroundings.logger.warning("a copy is parked", metadata: metadata)
        case .suspended(let failure):
            metadata["reason"] = "\(failure.sentence)"
            surroundings.logger.warning("the target is paused", metadata: metadata)
        }
    }

    private func show(_ state: DispatchState) async {
        var status = TargetStatus(
            name: name, bytesPerSecond: state.rate.bytesPerSecond, clockOffsetSeconds: clockOffset())
        switch state.machine.state {
        case .up: break
        case .waiting(let failure, let since), .probing(let failure, let since):
            (status.state, status.reason, status.hint, status.since) = (
                "waiting", failure.sentence, failure.hint, since
            )
        }
        await surroundings.store.show(status)
    }
}
