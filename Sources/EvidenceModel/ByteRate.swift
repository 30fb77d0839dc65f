import Glibc

/// Bytes per second: a mean in which what is 20 s old counts for a third.
package struct ByteRate: Sendable {
    private var sinceTick: Int64 = 0
    private var lastTick: WallTime?
    private var bytes = 0.0
    private var seconds = 0.0

    private static let memorySeconds = 20.0

    package init() {}

    package var bytesPerSecond: Double { seconds > 0 && bytes >= seconds ? bytes / seconds : 0 }

    package mutating func add(bytes: Int64) { sinceTick += bytes }

    /// Whether the rate is another one now.
    package mutating func ticked(at time: WallTime) -> Bool {
        defer {
            lastTick = time
            sinceTick = 0
        }
        guard let lastTick, time > lastTick else { return false }
        let before = bytesPerSecond
        let passed = time.seconds(since: lastTick)
        // A beginning has no past to be slowed by: nothing is counted before the first bytes.
        if sinceTick > 0 || seconds > 0 {
            let kept = exp(-passed / Self.memorySeconds)
            bytes = bytes * kept + Double(sinceTick)
            seconds = seconds * kept + passed
        }
        if bytes < 1 { (bytes, seconds) = (0, 0) }
        return bytesPerSecond != before
    }
}
