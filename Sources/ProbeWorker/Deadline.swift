import Glibc

/// The time a file may take, by the clock and of the processor: asked by libavformat's callbacks and between steps, and
/// enforced by the kernel where nobody asks.
final class Deadline {
    private let end: ContinuousClock.Instant
    /// Of this process, nanoseconds.
    private let processorEnd: UInt64
    /// Counts the times it was asked.
    private var asked: UInt = 0
    /// Once over, it stays so.
    private var hasEnded = false

    /// The processor's time is a system call, and asked for once in so many times.
    private static let processorEvery: UInt = 64

    private init(end: ContinuousClock.Instant, processorEnd: UInt64) {
        self.end = end
        self.processorEnd = processorEnd
    }

    /// Begins now. When twice the time has passed SIGALRM, or SIGPROF for the processor's, which nobody handles, ends the
    /// worker: setitimer(2). A loop inside a demuxer asks no callback, and the agent that would kill the worker may itself
    /// be gone.
    static func arm(milliseconds: Int, processorMilliseconds: Int) -> Deadline {
        setTimer(ITIMER_REAL, milliseconds: 2 * milliseconds)
        setTimer(ITIMER_PROF, milliseconds: 2 * processorMilliseconds)
        return Deadline(
            end: .now + .milliseconds(milliseconds),
            processorEnd: processorNanoseconds() + UInt64(processorMilliseconds) * 1_000_000)
    }

    func isOver() -> Bool {
        asked &+= 1
        let isProcessorOver = asked.isMultiple(of: Self.processorEvery) && Self.processorNanoseconds() >= processorEnd
        hasEnded = hasEnded || isProcessorOver || ContinuousClock.now >= end
        return hasEnded
    }

    func disarm() {
        Self.setTimer(ITIMER_REAL, milliseconds: 0)
        Self.setTimer(ITIMER_PROF, milliseconds: 0)
    }

    /// clock_gettime(2) CLOCK_PROCESS_CPUTIME_ID.
    private static func processorNanoseconds() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    private static func setTimer(_ which: __itimer_which, milliseconds: Int) {
        var timer = itimerval()
        timer.it_value.tv_sec = milliseconds / 1000
        timer.it_value.tv_usec = milliseconds % 1000 * 1000
        setitimer(__itimer_which_t(which.rawValue), &timer, nil)
    }
}
