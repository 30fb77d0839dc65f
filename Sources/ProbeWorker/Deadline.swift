import Glibc

/// The time a file may take: asked by libavformat's callbacks, and enforced by the kernel where they are not called.
struct Deadline {
    private let end: ContinuousClock.Instant

    /// Begins now. When twice the time has passed SIGALRM, which nobody handles, ends the worker: setitimer(2). A loop
    /// inside a demuxer asks no callback, and the agent that would kill the worker may itself be gone.
    static func arm(milliseconds: Int) -> Deadline {
        setTimer(milliseconds: 2 * milliseconds)
        return Deadline(end: .now + .milliseconds(milliseconds))
    }

    var isOver: Bool { ContinuousClock.now >= end }

    func disarm() {
        Self.setTimer(milliseconds: 0)
    }

    private static func setTimer(milliseconds: Int) {
        var timer = itimerval()
        timer.it_value.tv_sec = milliseconds / 1000
        timer.it_value.tv_usec = milliseconds % 1000 * 1000
        setitimer(__itimer_which_t(ITIMER_REAL.rawValue), &timer, nil)
    }
}
