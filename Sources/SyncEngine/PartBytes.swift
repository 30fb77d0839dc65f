import Synchronization

/// Bytes of a recording in memory, for as many readers as want them; they never change.
package final class PartBytes: Sendable {
    // Filled in `init`, before anybody else has it; only read from then on. Owned, and given back in `deinit`.
    private nonisolated(unsafe) let memory: UnsafeMutableRawBufferPointer
    private let pool: PartPool?
    package let count: Int

    fileprivate init(_ memory: UnsafeMutableRawBufferPointer, count: Int, of pool: PartPool?) {
        self.memory = memory
        self.count = count
        self.pool = pool
    }

    /// A copy of `bytes`.
    package convenience init(_ bytes: some Collection<UInt8>) {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, bytes.count), alignment: 16)
        memory.copyBytes(from: bytes)
        self.init(memory, count: bytes.count, of: nil)
    }

    deinit {
        if let pool { pool.giveBack(memory) } else { memory.deallocate() }
    }

    package func withUnsafeBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeRawBufferPointer(rebasing: memory[..<count]))
    }
}

/// Memory for parts, used again while parts follow each other: fresh memory costs the kernel a fault and a cleared page for
/// each four KiB. When no part is in memory none is kept. How much there is at once is not its business: see `Budget`.
package final class PartPool: Sendable {
    private struct State {
        // Owned by nobody but this list.
        nonisolated(unsafe) var free: [UnsafeMutableRawBufferPointer] = []
        var given = 0
    }

    /// What is smaller is not worth keeping.
    private static let leastKeptBytes = 1 << 20

    private let state = Mutex(State())

    package init() {}

    deinit {
        // Every `PartBytes` holds its pool: nothing is given out any more.
        for memory in state.withLock({ $0.free }) { memory.deallocate() }
    }

    /// At most `most` bytes: as many as `fill` says that it wrote.
    ///
    /// - Throws: what `fill` throws.
    package func bytes<Failure: Error>(
        atMost most: Int, _ fill: (UnsafeMutableRawBufferPointer) throws(Failure) -> Int
    ) throws(Failure) -> PartBytes {
        let memory = take(max(1, most))
        do throws(Failure) {
            return PartBytes(memory, count: try fill(.init(rebasing: memory[..<most])), of: self)
        } catch {
            giveBack(memory)
            throw error
        }
    }

    /// Buffers that wait to be used again.
    var freeCount: Int { state.withLock { $0.free.count } }

    private func take(_ count: Int) -> UnsafeMutableRawBufferPointer {
        let kept = state.withLock { (state) -> UncheckedMemory? in
            state.given += 1
            guard count >= Self.leastKeptBytes, let place = state.free.firstIndex(where: { $0.count >= count }) else {
                return nil
            }
            return UncheckedMemory(bytes: state.free.remove(at: place))
        }
        return kept?.bytes ?? .allocate(byteCount: count, alignment: 4096)
    }

    fileprivate func giveBack(_ memory: UnsafeMutableRawBufferPointer) {
        let returned = UncheckedMemory(bytes: memory)
        let unwanted = state.withLock { (state) -> [UncheckedMemory] in
            state.given -= 1
            if state.given == 0 {
                defer { state.free = [] }
                return state.free.map(UncheckedMemory.init) + [returned]
            }
            if returned.bytes.count < Self.leastKeptBytes { return [returned] }
            state.free.append(returned.bytes)
            return []
        }
        for memory in unwanted { memory.bytes.deallocate() }
    }

    /// Passes a pointer through a lock; it has one owner on either side.
    private struct UncheckedMemory: @unchecked Sendable {
        let bytes: UnsafeMutableRawBufferPointer
    }
}
