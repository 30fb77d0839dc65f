package import EvidenceModel
package import Logging

/// Works off the queue of one target: decides which uploads run, tries the target again after a pause, and shows how
/// it is doing.
package struct UploadDispatcher: Sendable {
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
        /// Counts what is moved.
        package var transfers = TransferBoard()

        package init(
            source: any ContentSource, store: any UploadStore, memory: Budget, clock: any Clock<Duration>,
            now: @escaping @Sendable () -> WallTime, luck: @escaping @Sendable () -> Double, logger: Logger
        ) {
            self.source = source
            self.store = store
            self.memory = memory
            self.clock = clock
            self.now = now
            self.luck = luck
            self.logger = logger
        }
    }

    private enum Message: Sendable {
        case wake
        case tick
        case pauseOver
        case progress(upload: String, UploadRunner.Progress)
        case ended(upload: String, recording: RecordingID, UploadMachine.Ending)
    }

    /// Requests to a target at once.
    package static let requestsAtOnce = 4

    private let target: any StorageTarget
    private let surroundings: Surroundings
    private let runner: UploadRunner
    private let clockOffset: @Sendable () -> Double?
    private let mailbox: AsyncStream<Message>
    private let sender: AsyncStream<Message>.Continuation

    /// - Parameter clockOffset: seconds that the target's clock is ahead, where that is known.
    package init(
        target: any StorageTarget, surroundings: Surroundings,
        clockOffset: @escaping @Sendable () -> Double? = { nil }
    ) {
        self.target = target
        self.surroundings = surroundings
        self.clockOffset = clockOffset
        (mailbox, sender) = AsyncStream.makeStream()
        runner = UploadRunner(
            target: target, source: surroundings.source, store: surroundings.store, memory: surroundings.memory,
            requests: Budget(Self.requestsAtOnce), clock: surroundings.clock, luck: surroundings.luck,
            window: Self.requestsAtOnce)
    }

    package var name: String { target.name }

    /// There may be something new in the queue.
    package func wake() {
        sender.yield(.wake)
    }

    /// Works until the task is cancelled; every upload on its way is then given up where it is, to be gone on with from
    /// the journal. Runs once.
    package func run() async {
        var state = DispatchState(requestsAtOnce: Self.requestsAtOnce)
        await withTaskCancellationHandler {
            await withDiscardingTaskGroup { group in
                await show(state)
                group.addTask { await tick() }
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
        await startMore(&state, &group)
    }

    private func carryOut(
        _ actions: [TargetMachine.Action], _ state: DispatchState, _ group: inout DiscardingTaskGroup
    ) async {
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
                    target: name, except: state.running, ofEachShare: Self.requestsAtOnce)
            } catch {
                surroundings.logger.error(
                    "the queue cannot be read", metadata: ["target": "\(name)", "error": "\(error)"])
                state.mayHaveWork = false
                return
            }
            if found.isEmpty { state.mayHaveWork = false }
            while let upload = state.next(of: found) {
                let demand = upload.plan.content.size <= target.wholeLimit ? 1 : upload.plan.content.layout.count
                state.started(upload, demand: demand)
                group.addTask { await work(on: upload) }
            }
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
