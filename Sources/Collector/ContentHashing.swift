import ContentHash
import Dispatch
import EvidenceModel
import Glibc
import Synchronization

/// Memory of one block, aligned to a page.
private final class BlockMemory: Sendable {
    // Written by the thread that took the block before anybody else has it; read only from then on.
    nonisolated(unsafe) let bytes: UnsafeMutableRawBufferPointer

    init(count: Int) {
        bytes = .allocate(byteCount: count, alignment: 4096)
    }

    deinit {
        bytes.deallocate()
    }
}

/// A block of a file in memory, which goes back to its pool with the last reference.
final class ReadingBlock: Sendable {
    private let memory: BlockMemory
    private let pool: BlockPool

    fileprivate init(_ memory: BlockMemory, of pool: BlockPool) {
        self.memory = memory
        self.pool = pool
    }

    deinit {
        pool.giveBack(memory)
    }

    var whole: UnsafeMutableRawBufferPointer { memory.bytes }

    func part(_ count: Int) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(rebasing: memory.bytes[..<count])
    }
}

/// The memory of one reading: a number of blocks, made when they are first wanted and used again.
final class BlockPool: Sendable {
    /// Blocks of each reading where many go on at once.
    private static let leastBlocks = 4
    /// Blocks that the readings share where there are few. With four alone the two hashes of a reading wait for each other:
    /// 800 MiB/s on two processors, and 1,450 with sixteen.
    fileprivate static let sharedBlocks = 16
    private static let pools = Atomic(0)

    private let blockBytes: Int
    private let free = Mutex<[BlockMemory]>([])
    private let permits: DispatchSemaphore

    init(blockBytes: Int) {
        self.blockBytes = blockBytes
        let pools = Self.pools.add(1, ordering: .relaxed).newValue
        permits = DispatchSemaphore(value: 0)
        for _ in 0..<max(Self.leastBlocks, Self.sharedBlocks / pools) { permits.signal() }
    }

    deinit {
        Self.pools.subtract(1, ordering: .relaxed)
    }

    /// A block with nothing certain in it; waits until one is free.
    func take() -> ReadingBlock {
        permits.wait()
        return ReadingBlock(free.withLock { $0.popLast() } ?? BlockMemory(count: blockBytes), of: self)
    }

    fileprivate func giveBack(_ memory: BlockMemory) {
        free.withLock { $0.append(memory) }
        permits.signal()
    }
}

/// One SHA-256 computation after the other, on a thread of its own beside the reading.
private final class HashLane: Sendable {
    private let queue: DispatchQueue
    private let hasher = Mutex(SHA256Hasher())
    private let done = Mutex<[ContentDigest]>([])

    /// Blocks that wait in the lanes of all readings, or are hashed.
    private static let waiting = Atomic(0)
    /// So many in each of two lanes are one reading's own.
    private static let mostWaiting = max(2 * BlockPool.sharedBlocks, 4 * sysconf(Int32(_SC_NPROCESSORS_ONLN)))

    init(_ label: String) {
        queue = DispatchQueue(label: label)
    }

    /// The first `count` bytes of `block` come next; `isLast`: a digest ends with them.
    func add(_ block: ReadingBlock, _ count: Int, isLast: Bool) {
        let work: @Sendable () -> Void = {
            let digest = self.hasher.withLock { hasher in
                hasher.update(UnsafeRawBufferPointer(block.part(count)))
                return isLast ? hasher.finishAndReset() : nil
            }
            if let digest { self.append(digest) }
            Self.waiting.subtract(1, ordering: .relaxed)
        }
        // Where every processor has enough to do, the thread that read the block hashes it: there it is in the cache.
        let isBusy = Self.waiting.add(1, ordering: .relaxed).newValue > Self.mostWaiting
        if isBusy { queue.sync(execute: work) } else { queue.async(execute: work) }
    }

    func append(_ digest: ContentDigest) { done.withLock { $0.append(digest) } }

    var digests: [ContentDigest] { done.withLock { $0 } }

    func wait() { queue.sync {} }
}

/// The digest of a whole file and those of its parts, computed beside its reading: one lane each, so that reading,
/// writing and both hashes overlap. A file of one part is hashed once: its part is the whole.
final class ContentHashing: Sendable {
    let layout: PartLayout
    let pool: BlockPool
    private let whole = HashLane("hash whole")
    private let part: HashLane?

    init(layout: PartLayout, blockBytes: Int64) {
        self.layout = layout
        // Whole pages, for a reading with O_DIRECT.
        pool = BlockPool(blockBytes: Int(max(1, min(blockBytes, layout.size)) + 4095) & ~4095)
        part = layout.count > 1 ? HashLane("hash parts") : nil
    }

    /// Parts whose digests are there.
    var parts: [ContentDigest] { (part ?? whole).digests }

    /// The first `count` bytes of `block` are those of the file from `offset` on; neither may be written to any more.
    /// Blocks come in order, and a part ends where a block does.
    func add(_ block: ReadingBlock, _ count: Int, at offset: Int64) {
        let end = offset + Int64(count)
        let isLast = end == layout.size
        whole.add(block, count, isLast: isLast)
        part?.add(block, count, isLast: isLast || end.isMultiple(of: layout.partSize))
    }

    /// As `add`, of a part whose digest is known.
    func addToWhole(_ block: ReadingBlock, _ count: Int, at offset: Int64) {
        whole.add(block, count, isLast: offset + Int64(count) == layout.size)
    }

    /// The next part has been hashed before.
    func add(part digest: ContentDigest) { part?.append(digest) }

    /// Waits until all that was added is hashed.
    func wait() {
        whole.wait()
        part?.wait()
    }

    /// The digests, after the last block was added.
    func finish() -> StoredContent {
        wait()
        let empty = ContentDigest.sha256(of: [])
        return StoredContent(layout: layout, digest: whole.digests.last ?? empty, partDigests: parts)
    }
}
