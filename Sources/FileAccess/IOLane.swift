import Dispatch
import Glibc

/// A lane for blocking input and output: what runs here runs one after the other on a thread of its own, so that a
/// slow or hanging device stalls only its own lane and never the threads the rest of the agent runs on.
package actor IOLane {
    private nonisolated let executor: LaneExecutor

    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// - Parameter label: shown by debuggers as the thread's name.
    package init(label: String) {
        executor = LaneExecutor(label: label)
    }

    /// Runs `work`, which may block, after what was asked before it; its result, or what it throws.
    package func run<Result: Sendable, Failure: Error>(
        _ work: @Sendable () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try work()
    }

    /// close(2) of a descriptor that is nobody's any more, after what was asked before it. Does not wait.
    nonisolated func closeLater(_ number: Int32) {
        executor.queue.async { close(number) }
    }
}

private final class LaneExecutor: SerialExecutor {
    let queue: DispatchQueue

    init(label: String) {
        queue = DispatchQueue(label: label)
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let unowned = UnownedJob(job)
        queue.async { unowned.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }
}
