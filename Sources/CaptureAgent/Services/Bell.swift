/// Wakes one waiting loop: rung while nobody waits, it is heard once afterwards.
struct Bell: Sendable {
    let rings: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    init() {
        (rings, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    func ring() { continuation.yield() }

    /// The loop ends.
    func end() { continuation.finish() }
}
