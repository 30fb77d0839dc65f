/// One worker's life, from the side of the agent. Decides; starts, asks and ends nothing.
///
///                  asked                started
///     absent ──────────────▶ starting ──────────▶ busy(served) ──replied──▶ ready(served + 1)
///       ▲                     │    ▲                │    ▲                      │
///       └─────startFailed─────┘    │                │    └────────asked─────────┤
///       ▲                          └──failed, the worker is to blame────────────│ (served enough: a fresh one)
///       └──────────failed, the file is to blame─────┘                           │
///     stopped ◀──────────────────────────────stopAsked──────────────────────────┘
///
/// A worker that grew too large answers, and is then ended: absent.
///
/// Invariants: a file is sent to at most two workers, and to a second one only if the first had served others; a file is
/// blamed only by a worker that had read no other file, or that hung; after `stopAsked` nothing is started.
struct WorkerMachine: Hashable, Sendable {
    enum State: Hashable, Sendable {
        case absent
        case starting
        /// It waits; `served` files were described by it.
        case ready(served: Int)
        case busy(served: Int)
        case stopped
    }

    enum Action: Hashable, Sendable {
        /// End the worker, if there is one, and start another.
        case start
        /// Send the question and wait for the answer.
        case send
        /// The answer is the caller's.
        case deliver
        /// The answer is the caller's; end the worker.
        case retire
        /// End the worker; the file's facts say what it did.
        case blame(WorkerFault)
        /// The worker is well, the caller's descriptor is not.
        case refuse(WorkerFault)
        /// End the worker; the caller learns that there is none.
        case giveUp
        case refuseStopped
    }

    /// A worker is replaced after so many files, so that what a library leaks stays small; a start costs some 30 ms.
    static let mostServed = 1000
    /// One that has more memory than this after a file does not wait for the next, bytes; 47 MB are its libraries.
    static let mostBytes = 120 << 20

    private(set) var state = State.absent

    /// A file is to be described. The machine is asked again only after it was answered.
    mutating func asked() -> Action {
        switch state {
        case .absent, .starting, .busy:
            state = .starting
            return .start
        case .ready(let served) where served >= Self.mostServed:
            state = .starting
            return .start
        case .ready(let served):
            state = .busy(served: served)
            return .send
        case .stopped: return .refuseStopped
        }
    }

    mutating func started() -> Action {
        state = .busy(served: 0)
        return .send
    }

    mutating func startFailed() -> Action {
        state = .absent
        return .giveUp
    }

    /// - Parameter bytes: the memory the worker has now.
    mutating func replied(bytes: Int = 0) -> Action {
        if bytes > Self.mostBytes {
            state = .absent
            return .retire
        }
        if case .busy(let served) = state { state = .ready(served: served + 1) }
        return .deliver
    }

    /// The worker was sent a file and did not answer it.
    mutating func failed(_ fault: WorkerFault) -> Action {
        guard case .busy(let served) = state else { return startFailed() }
        switch fault {
        case .notHanded:
            state = .ready(served: served)
            return .refuse(fault)
        case .gone where served == 0:
            // It said that it had started, read nothing and ended: that is no file's fault.
            return startFailed()
        case .died where served > 0, .garbled where served > 0, .gone:
            // What an earlier file did to it may show only now.
            state = .starting
            return .start
        case .died, .garbled, .hung:
            state = .absent
            return .blame(fault)
        }
    }

    /// The agent stops: the worker, if there is one, is to be ended.
    mutating func stopAsked() {
        state = .stopped
    }
}
