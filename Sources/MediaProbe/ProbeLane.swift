import EvidenceModel
import FileAccess
import Logging

/// One worker and the lane that waits for it: a serial executor for blocking work, so that a worker that hangs stalls
/// this lane alone. No method suspends, so one file is looked into at a time.
actor ProbeLane {
    private nonisolated let lane: IOLane
    /// Ends the worker while this lane waits for it.
    nonisolated let interruption = Interruption()
    private let settings: ProbeSettings
    private let unreaped = UnreapedChildren()
    private var machine = WorkerMachine()
    private var worker: WorkerConnection?
    private var sequence: UInt64 = 0

    nonisolated var unownedExecutor: UnownedSerialExecutor { lane.unownedExecutor }

    init(number: Int, settings: ProbeSettings) {
        lane = IOLane(label: "probe-\(number)")
        self.settings = settings
    }

    /// What came of a question.
    enum Answer: Sendable {
        case told(WorkerConnection.Answer)
        /// The file ended the worker, or kept it for too long.
        case blamed(String)
    }

    /// - Parameter file: number of a descriptor that stays open until this returns.
    func ask(_ task: ProbeTask, about file: Int32, limits: ProbeLimits) throws(MediaProbeError) -> Answer {
        var action = machine.asked()
        while true {
            switch action {
            case .start: action = try start()
            case .send:
                switch send(task, file, limits) {
                case .success(let answer):
                    if machine.replied(bytes: worker?.bytes ?? 0) == .retire { endWorker() }
                    return .told(answer)
                case .failure where interruption.isOver:
                    endWorker()
                    throw .stopped
                case .failure(let fault): action = machine.failed(told(fault))
                }
            case .blame(let fault):
                endWorker()
                return .blamed(fault.sentence)
            case .refuse(let fault):
                throw MediaProbeError(code: .fileNotHanded, sentence: fault.sentence, cause: fault)
            case .giveUp, .deliver, .retire:
                endWorker()
                throw MediaProbeError(
                    code: .workerUnavailable,
                    sentence: "Recordings cannot be looked into: \(settings.executable.display) ends at once.")
            case .refuseStopped: throw .stopped
            }
        }
    }

    /// What a worker of this lane says of itself; one is started where there is none.
    func hello() throws(MediaProbeError) -> ProbeHello {
        if let hello = worker?.hello { return hello }
        // Ended when this returns: the machine knows of no worker.
        return try connect().hello
    }

    private func connect() throws(MediaProbeError) -> WorkerConnection {
        try WorkerConnection.start(
            settings.executable, timeoutMilliseconds: settings.startMilliseconds, in: settings.nursery,
            unreaped: unreaped, interruption: interruption)
    }

    /// Ends and reaps the worker; nothing is started any more.
    func stop() {
        machine.stopAsked()
        endWorker()
        unreaped.reap()
    }

    private func start() throws(MediaProbeError) -> WorkerMachine.Action {
        endWorker()
        do throws(MediaProbeError) {
            let started = try connect()
            note(started.hello)
            worker = consume started
            return machine.started()
        } catch {
            _ = machine.startFailed()
            throw interruption.isOver ? .stopped : error
        }
    }

    private func note(_ hello: ProbeHello) {
        settings.logger.debug("probe worker started")
        guard !hello.protections.systemCallFilter else { return }
        settings.logger.warning("the kernel filters no system calls of the probe worker; see capture-agent doctor")
    }

    private func send(
        _ task: ProbeTask, _ file: Int32, _ limits: ProbeLimits
    ) -> Result<WorkerConnection.Answer, WorkerFault> {
        sequence += 1
        let request = ProbeRequest(
            sequence: sequence, task: task, deadlineMilliseconds: limits.deadlineMilliseconds,
            processorMilliseconds: limits.processorMilliseconds)
        guard let number = worker?.number, interruption.works(number) else { return .failure(.gone) }
        defer { interruption.rests() }
        do throws(WorkerFault) {
            let answer = try worker?.ask(request, file: file, timeoutMilliseconds: limits.timeoutMilliseconds)
            return answer.map { .success($0) } ?? .failure(.gone)
        } catch {
            return .failure(error)
        }
    }

    /// Ends a worker that did not answer, and has it told how it died. One that got no file is as well as before.
    private func told(_ fault: WorkerFault) -> WorkerFault {
        if case .notHanded = fault { return fault }
        let how = endWorker()
        let fault: WorkerFault = if case .died = fault, let how { .died(how) } else { fault }
        settings.logger.warning("probe worker replaced", metadata: ["worker.fault": "\(fault)"])
        return fault
    }

    @discardableResult
    private func endWorker() -> String? {
        let how = worker?.end()
        worker = nil
        return how ?? nil
    }
}

/// What every lane of a prober is told.
struct ProbeSettings: Sendable {
    var executable: RawPath
    /// How long a worker may take to start.
    var startMilliseconds: Int32
    var nursery: ProcessNursery
    var logger: Logger
}

/// What one file may cost.
struct ProbeLimits: Sendable {
    /// After this the worker is killed.
    var timeoutMilliseconds: Int32

    /// The longest time there is: a deep look at a day of recording.
    private static let longestMilliseconds: Int64 = 13 * 3_600_000

    init(timeoutMilliseconds: Int64) {
        self.timeoutMilliseconds = Int32(min(max(timeoutMilliseconds, 1), Self.longestMilliseconds))
    }

    /// For decoding all of a file of `size` bytes: a second for each MiB, where a core needs a quarter of it for a
    /// camera's high definition.
    static func deep(size: Int64) -> ProbeLimits {
        ProbeLimits(timeoutMilliseconds: 60_000 + size / 1024 * 1000 / 1024)
    }

    /// The worker gives up by itself when three quarters are over: it stays alive, and the reason is better.
    var deadlineMilliseconds: Int { max(1, Int(timeoutMilliseconds) * 3 / 4) }
    /// Half of the time may be spent on the processor; the rest is waiting for a slow card.
    var processorMilliseconds: Int { max(1, Int(timeoutMilliseconds) / 2) }
}
