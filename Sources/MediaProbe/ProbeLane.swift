import EvidenceModel
import FileAccess
import Logging

/// One worker and the lane that waits for it: a serial executor for blocking work, so that a worker that hangs stalls
/// this lane alone. No method suspends, so one file is looked into at a time.
actor ProbeLane {
    private nonisolated let lane: IOLane
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

    /// - Parameter file: number of a descriptor that stays open until this returns.
    func facts(of file: Int32, name: RawPath) throws(MediaProbeError) -> MediaFacts {
        var action = machine.asked()
        while true {
            switch action {
            case .start: action = try start()
            case .send:
                switch ask(file) {
                case .success(let reply):
                    _ = machine.replied()
                    return SidecarRule.facts(reply, name: name)
                case .failure(let fault): action = machine.failed(fault)
                }
            case .blame(let fault):
                endWorker()
                return MediaFacts(kind: .unknown, health: .unreadable, healthDetails: [fault.sentence])
            case .refuse(let fault):
                throw MediaProbeError(code: .fileNotHanded, sentence: fault.sentence, cause: fault)
            case .giveUp, .deliver:
                endWorker()
                throw MediaProbeError(
                    code: .workerUnavailable,
                    sentence: "Recordings cannot be looked into: \(settings.executable.display) ends at once.")
            case .refuseStopped:
                throw MediaProbeError(code: .stopped, sentence: "The probe was stopped with the agent.")
            }
        }
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
            worker = try WorkerConnection.start(
                settings.executable, timeoutMilliseconds: settings.timeoutMilliseconds, unreaped: unreaped)
            settings.logger.debug("probe worker started")
            return machine.started()
        } catch {
            _ = machine.startFailed()
            throw error
        }
    }

    private func ask(_ file: Int32) -> Result<ProbeReply, WorkerFault> {
        sequence += 1
        let request = ProbeRequest(sequence: sequence, deadlineMilliseconds: settings.deadlineMilliseconds)
        do throws(WorkerFault) {
            guard let reply = try worker?.ask(request, file: file) else { return .failure(.gone) }
            return .success(reply)
        } catch .notHanded(let error) {
            return .failure(.notHanded(error))
        } catch {
            return .failure(told(error))
        }
    }

    /// Ends a worker that did not answer, and has it told how it died.
    private func told(_ fault: WorkerFault) -> WorkerFault {
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
    var timeoutMilliseconds: Int32
    var logger: Logger

    /// The worker gives up by itself when three quarters are over: it stays alive, and the reason is better.
    var deadlineMilliseconds: Int { max(1, Int(timeoutMilliseconds) * 3 / 4) }
}
