import EvidenceModel

/// How a file is read.
package enum ReadingMode: Sendable, Hashable {
    /// From its first byte to its last; one byte that cannot be read ends it.
    case whole
    /// What can be read of it, in pieces.
    case salvage
}

/// A file with a place in the queue.
struct Job: Sendable {
    var file: SettledFile
    var isImportant: Bool
    var mode: ReadingMode
}

/// Files that wait to be read, one for each path: what is important or small first, then the oldest, then by path; what
/// is to be salvaged behind all that.
///
/// A binary heap. A job that was taken out of the middle stays in it until it comes up, or until such ones are half of
/// it; so every step takes logarithmic time on the average.
struct ReadingQueue: Sendable {
    /// A job's place in the heap. It stands for the job only while that has the same ticket.
    private struct Turn: Sendable {
        var rank: Int
        var modifiedNanoseconds: Int64
        var path: RawPath
        var ticket: UInt64

        static func < (left: Turn, right: Turn) -> Bool {
            if left.rank != right.rank { return left.rank < right.rank }
            if left.modifiedNanoseconds != right.modifiedNanoseconds {
                return left.modifiedNanoseconds < right.modifiedNanoseconds
            }
            return left.path < right.path
        }
    }

    private struct Waiting: Sendable {
        var job: Job
        var ticket: UInt64
    }

    private var heap: [Turn] = []
    private var waiting: [RawPath: Waiting] = [:]
    private var lastTicket: UInt64 = 0

    var isEmpty: Bool { waiting.isEmpty }
    var files: [SettledFile] { waiting.values.map(\.job.file) }

    func holds(_ path: RawPath) -> Bool { waiting[path] != nil }

    /// Adds a job whose path is not in the queue.
    mutating func insert(_ job: Job) {
        lastTicket += 1
        waiting[job.file.path] = Waiting(job: job, ticket: lastTicket)
        push(turn(of: job, lastTicket))
    }

    mutating func remove(_ path: RawPath) -> Job? {
        guard let removed = waiting.removeValue(forKey: path) else { return nil }
        if heap.count > 2 * waiting.count + 64 {
            heap = []
            for left in waiting.values { push(turn(of: left.job, left.ticket)) }
        }
        return removed.job
    }

    mutating func takeFirst() -> Job? {
        while let turn = pop() {
            guard let first = waiting[turn.path], first.ticket == turn.ticket else { continue }
            waiting[turn.path] = nil
            return first.job
        }
        return nil
    }

    /// Bytes up to which a file is small: one part.
    private static let smallBytes = PartLayout(fileOfSize: 0).partSize

    private func turn(of job: Job, _ ticket: UInt64) -> Turn {
        let isFirst = job.isImportant || job.file.stamp.size <= Self.smallBytes
        let rank = (job.mode == .salvage ? 2 : 0) + (isFirst ? 0 : 1)
        return Turn(
            rank: rank, modifiedNanoseconds: job.file.stamp.modifiedNanoseconds, path: job.file.path, ticket: ticket)
    }

    private mutating func push(_ turn: Turn) {
        heap.append(turn)
        var place = heap.count - 1
        while place > 0, heap[place] < heap[(place - 1) / 2] {
            heap.swapAt(place, (place - 1) / 2)
            place = (place - 1) / 2
        }
    }

    private mutating func pop() -> Turn? {
        guard let first = heap.first, let last = heap.popLast() else { return nil }
        guard !heap.isEmpty else { return first }
        heap[0] = last
        var place = 0
        while true {
            let children = [2 * place + 1, 2 * place + 2].filter { $0 < heap.count }
            guard let least = children.min(by: { heap[$0] < heap[$1] }), heap[least] < heap[place] else { return first }
            heap.swapAt(place, least)
            place = least
        }
    }

    /// What is broken; empty when every job has its turn, and no turn stands before an earlier one.
    func check() -> [String] {
        var broken: [String] = []
        let valid = heap.filter { waiting[$0.path]?.ticket == $0.ticket }
        if valid.count != waiting.count { broken.append("a queued path has no turn") }
        if heap.indices.dropFirst().contains(where: { heap[$0] < heap[($0 - 1) / 2] }) {
            broken.append("the queue is out of order")
        }
        return broken
    }
}
