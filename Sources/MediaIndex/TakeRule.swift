package import EvidenceModel

/// Finds which recordings of one device are one take.
///
/// Two follow each other when the device says so, by the same `take` key in the same folder and the next part number;
/// or when their streams have the same shape and the second starts within two seconds of the first one's end.
/// Recordings of different cameras of one device never do. Nothing is joined: the files stay what they are.
package enum TakeRule {
    /// What the rule looks at of one recording.
    package struct Member: Sendable, Hashable {
        package var id: RecordingID
        /// Source and folder, as one text.
        package var folder: String
        package var marks: RecordingMarks
        package var startedAt: WallTime?
        /// Seconds; none where it is not known.
        package var length: Double?
        /// Equal where kinds, codecs, sizes, rates and channels of the streams are.
        package var shape: String
        /// As it was found before.
        package var take: Take?

        package init(
            id: RecordingID, folder: String, marks: RecordingMarks = RecordingMarks(), startedAt: WallTime? = nil,
            length: Double? = nil, shape: String = "", take: Take? = nil
        ) {
            self.id = id
            self.folder = folder
            self.marks = marks
            self.startedAt = startedAt
            // A damaged file may claim any length.
            self.length = length.flatMap { $0 > 0 && $0 < 1e9 ? $0 : nil }
            self.shape = shape
            self.take = take
        }

        var order: Int64 { startedAt?.millisecondsSince1970 ?? .min }

        var end: WallTime? {
            guard let startedAt, let length else { return nil }
            return startedAt.adding(seconds: length)
        }
    }

    /// Seconds that may lie between two parts, or by which they may overlap.
    static let largestGapSeconds = 2.0
    /// Recordings that ended at about the same moment, of which the nearest is looked for.
    private static let nearest = 64

    /// The takes of two recordings and more, each in its order.
    package static func takes(_ members: [Member]) -> [[Member]] {
        let sorted = members.sorted { ($0.order, $0.id) < ($1.order, $1.id) }
        var chains = Chains(count: sorted.count)
        linkByKey(sorted, &chains)
        linkByTime(sorted, &chains)
        return chains.all.map { $0.map { sorted[$0] } }
    }

    /// Each recording of `chain` with its place in it.
    ///
    /// - Parameter before: the place of the chain's first, where only a piece of a long take was looked at.
    package static func places(_ chain: [Member], before: Take? = nil) -> [(RecordingID, Take)] {
        guard let first = chain.first else { return [] }
        let (id, skipped) = before.map { ($0.id, $0.part - 1) } ?? (first.id, 0)
        return chain.indices.map { index in
            let previous = index > 0 ? chain[index - 1].end : nil
            let gap = previous.flatMap { end in chain[index].startedAt.map { $0.seconds(since: end) } }
            let take = Take(
                id: id, part: index + 1 + skipped, parts: chain.count + skipped,
                gapSeconds: index == 0 ? before?.gapSeconds : gap)
            return (chain[index].id, take)
        }
    }

    private struct Key: Hashable {
        var folder: String
        var take: String
        var camera: String?
    }

    /// A device that names no part with the first one (`GOPR0001`, `GP010001`) counts from it: it is part 0.
    private static func linkByKey(_ members: [Member], _ chains: inout Chains) {
        var groups: [Key: [Int: [Int]]] = [:]
        for (index, member) in members.enumerated() {
            guard let take = member.marks.takeKey else { continue }
            let key = Key(folder: member.folder, take: take, camera: member.marks.camera)
            groups[key, default: [:]][member.marks.part ?? 0, default: []].append(index)
        }
        for parts in groups.values {
            for (part, indices) in parts {
                for next in parts[part + 1] ?? [] {
                    // Counters start again: of two takes of one number, what lies nearest in time belongs together.
                    let nearest = indices.min {
                        distance(members[$0], members[next]) < distance(members[$1], members[next])
                    }
                    if let nearest { chains.link(nearest, next) }
                }
            }
        }
    }

    /// Seconds between two starts; 0 where one is not known.
    private static func distance(_ one: Member, _ other: Member) -> Double {
        guard let start = one.startedAt, let otherStart = other.startedAt else { return 0 }
        return abs(otherStart.seconds(since: start))
    }

    private struct Kind: Hashable {
        var shape: String
        var camera: String?
    }

    private static func linkByTime(_ members: [Member], _ chains: inout Chains) {
        var kinds: [Kind: [Int]] = [:]
        for (index, member) in members.enumerated() where member.end != nil {
            kinds[Kind(shape: member.shape, camera: member.marks.camera), default: []].append(index)
        }
        for indices in kinds.values {
            let ends = indices.compactMap { index in members[index].end.map { (index: index, end: $0) } }
                .sorted { ($0.end, $0.index) < ($1.end, $1.index) }
            var first = 0
            for next in indices {
                guard let start = members[next].startedAt else { continue }
                while first < ends.count, start.seconds(since: ends[first].end) > largestGapSeconds { first += 1 }
                let near = ends[first...].prefix(nearest).prefix { $0.end.seconds(since: start) <= largestGapSeconds }
                let previous = near.filter { $0.index < next && mayFollow(members[$0.index], members[next]) }
                    .min { abs($0.end.seconds(since: start)) < abs($1.end.seconds(since: start)) }
                if let previous { chains.link(previous.index, next) }
            }
        }
    }

    /// Two keys that differ say that the device began anew.
    private static func mayFollow(_ one: Member, _ next: Member) -> Bool {
        guard let key = one.marks.takeKey, let other = next.marks.takeKey else { return true }
        return key == other && one.folder == next.folder && one.marks.part == nil && next.marks.part == nil
    }
}

/// Places that follow each other: each has at most one before it and one behind it, and none is in its own train.
private struct Chains {
    private var next: [Int?]
    private var previous: [Int?]
    /// Any other place of the same chain, down to one that names itself.
    private var root: [Int]

    init(count: Int) {
        next = Array(repeating: nil, count: count)
        previous = next
        root = Array(0..<count)
    }

    private mutating func chain(of place: Int) -> Int {
        var place = place
        while root[place] != place {
            root[place] = root[root[place]]
            place = root[place]
        }
        return place
    }

    /// Puts `two` behind `one`, where both are free and it closes no ring.
    mutating func link(_ one: Int, _ two: Int) {
        guard next[one] == nil, previous[two] == nil else { return }
        let (chain, other) = (chain(of: one), chain(of: two))
        guard chain != other else { return }
        (next[one], previous[two], root[other]) = (two, one, chain)
    }

    /// Chains of two and more, each from its first place.
    var all: [[Int]] {
        next.indices.filter { previous[$0] == nil && next[$0] != nil }.map { first in
            Array(sequence(first: first) { next[$0] })
        }
    }
}
