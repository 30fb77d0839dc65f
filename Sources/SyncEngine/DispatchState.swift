import EvidenceModel
import Glibc

/// What a dispatcher knows of the moment: which uploads run, how many requests they can use, and the target's state.
///
/// Parts of one recording go in parallel rather than many recordings at once, so that each is safe as early as it can
/// be: another upload starts only when those that run cannot use every request.
struct DispatchState: Sendable {
    private let requestsAtOnce: Int
    private var demands: [String: Int] = [:]
    var machine = TargetMachine()
    var rate = ByteRate()
    /// Whether the queue may hold something that is not running.
    var mayHaveWork = true

    init(requestsAtOnce: Int) {
        self.requestsAtOnce = requestsAtOnce
    }

    var running: Set<String> { Set(demands.keys) }

    var wantsMore: Bool {
        guard mayHaveWork, machine.mayStart else { return false }
        if machine.isProbing { return demands.isEmpty }
        return demands.values.reduce(0, +) < requestsAtOnce
    }

    mutating func started(_ upload: String, demand: Int) {
        demands[upload] = min(demand, requestsAtOnce)
    }

    mutating func setDemand(_ demand: Int, of upload: String) {
        if demands[upload] != nil { demands[upload] = demand }
    }

    mutating func ended(_ upload: String) {
        demands[upload] = nil
        mayHaveWork = true
    }
}

/// Bytes per second: a mean in which what is 20 s old counts for a third.
struct ByteRate: Sendable {
    private var sinceTick: Int64 = 0
    private var lastTick: WallTime?
    private var bytes = 0.0
    private var seconds = 0.0

    private static let memorySeconds = 20.0

    var bytesPerSecond: Double { seconds > 0 && bytes >= seconds ? bytes / seconds : 0 }

    mutating func add(bytes: Int64) { sinceTick += bytes }

    /// Whether the rate is another one now.
    mutating func ticked(at time: WallTime) -> Bool {
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
