package import EvidenceModel
import FileAccess

package enum SettleAction: Sendable, Hashable {
    /// Ask the kernel whether somebody has these open for writing, and report with `writersChecked`.
    case checkWriters([RawPath])
    /// These have settled, each with this stamp for the first time.
    case settled([SettledFile])
    /// Nothing new will be known earlier, unless something tells of a change.
    case lookAgain(after: Duration)
}

/// Decides when a file has stopped changing.
///
/// ```
///                 first seen             unchanged for `settle`           nobody writes,
///   (unknown) ─────────────▶ changing ───────────────────────▶ asked ───────────────────▶ settled
///                             ▲  ▲  │   .checkWriters            │   or nobody knows        │ .settled
///                             │  └──┘ stamp differs              │ somebody writes:         │
///                             ├──────────────────────────────────┘ .lookAgain               │
///                             └──────────────────────────────────────────────────────────────┘ stamp differs
///   from everywhere: not in a scan any more ─▶ (unknown)
///
///   asked, nobody knows who writes, the file ends in zero bytes:
///      data end elsewhere than at the last look, or it is the first ─▶ changing, asked again after `quiet`
///      data end where they did, `quiet` ago ─▶ settled, with the mark that it looks preallocated
///      no zero bytes at its end any more ─▶ changing, from the beginning
/// ```
/// Invariants:
/// - A file settles only with a stamp that two looks at least `settle` apart agree on, and never while the kernel says
///   that somebody has it open for writing. On a frozen file system, where nobody can be writing, the kernel's word that
///   nobody is takes the place of the time.
/// - Where the kernel cannot tell, a file that ends in zero bytes settles only if its data ended at the same place in two
///   looks at least `quiet` apart.
/// - One stamp of one path settles once, until the file vanishes.
/// - What lies in a folder that could not be read or was missing this time is neither new nor gone, nor is what settled in one that
///   needed no listing.
///
/// Stamps agree in size, times and file system; inode numbers are not compared, because FAT and FUSE make them up anew
/// whenever the kernel has dropped a file from its memory.
package struct SettleMachine: Sendable {
    private enum Phase: UInt8 { case changing, asked, settled }

    /// Small, since there are hundreds of thousands.
    private struct Known {
        var stamp: FileStamp
        /// When it was first seen with this stamp.
        var since: Duration
        /// The scan that saw it last.
        var scan: UInt32
        var phase: Phase
    }

    /// Where the data of a file that ends in zero bytes end, and since when.
    private struct Hollow {
        var dataEnd: Int64
        var since: Duration
    }

    /// How long a file must not change.
    package let settle: Duration
    private var known: [RawPath: Known] = [:]
    private var hollow: [RawPath: Hollow] = [:]
    private var scans: UInt32 = 0
    /// Paths that had not settled when they were scanned last, in the scan's order.
    private var candidates: [RawPath] = []

    package init(settle: Duration) {
        self.settle = settle
    }

    /// How long the data of a file that ends in zero bytes must not grow. A client of NFS may show what it learned a
    /// minute ago (nfs(5), acregmax), and recorders write in bursts of seconds: a minute at least, and ten times as long
    /// as a file that grows in the usual way is given.
    package var quiet: Duration { max(.seconds(60), settle * 10) }

    /// Files that have not settled, in the order of the last scan.
    package var stillChanging: [RawPath] {
        candidates.filter { path in
            switch known[path]?.phase {
            case .changing, .asked: true
            case .settled, nil: false
            }
        }
    }

    /// The tree was scanned.
    ///
    /// - Parameters:
    ///   - now: time since any fixed moment.
    ///   - isFrozen: nobody can write to the file system, here or elsewhere.
    package mutating func scanned(
        _ scan: TreeScan, at now: Duration, isFrozen: Bool = false
    ) -> [SettleAction] {
        scans &+= 1
        candidates = []
        var due: [RawPath] = []
        var wait: Duration?
        for file in scan.files {
            guard let left = observed(file, at: now, isFrozen: isFrozen) else { continue }
            candidates.append(file.path)
            if left <= .zero { due.append(file.path) } else { wait = min(wait ?? left, left) }
        }
        forgetVanished(scan)
        // Whether it went away is told by another look.
        if !scan.missing.isEmpty { wait = min(wait ?? settle, settle) }
        return (due.isEmpty ? [] : [.checkWriters(due)]) + (wait.map { [.lookAgain(after: $0)] } ?? [])
    }

    /// Notes a file of the scan; how long it must still not change, or nothing when it has settled.
    private mutating func observed(_ file: ObservedFile, at now: Duration, isFrozen: Bool) -> Duration? {
        var since = now
        if let index = known.index(forKey: file.path), known.values[index].stamp.agrees(with: file.stamp) {
            known.values[index].scan = scans
            if known.values[index].phase == .settled { return nil }
            since = known.values[index].since
        } else {
            hollow[file.path] = nil
        }
        let left = isFrozen ? .zero : left(file.path, since: since, at: now)
        // What was asked without an answer is asked again when it is due.
        known[file.path] = Known(
            stamp: file.stamp, since: since, scan: scans, phase: left <= .zero ? .asked : .changing)
        return left
    }

    private func left(_ path: RawPath, since: Duration, at now: Duration) -> Duration {
        max(since + settle, hollow[path].map { $0.since + quiet } ?? .zero) - now
    }

    private mutating func forgetVanished(_ scan: TreeScan) {
        let unreadable = Set(scan.skipped.lazy.filter { $0.reason == .unreadable }.map(\.path)).union(scan.missing)
        let gone = known.filter { path, file in
            file.scan != scans && !path.isAtOrBelow(anyOf: unreadable)
                && !(file.phase == .settled && scan.unlisted.contains(path.parent))
        }
        for path in gone.keys { forget(path) }
    }

    private mutating func forget(_ path: RawPath) {
        known[path] = nil
        hollow[path] = nil
    }

    /// The kernel was asked about writers. Answers to what was not asked are ignored.
    package mutating func writersChecked(_ answers: [WriterAnswer], at now: Duration) -> [SettleAction] {
        var settled: [SettledFile] = []
        var wait: Duration?
        for answer in answers {
            guard let file = known[answer.path], file.phase == .asked else { continue }
            switch verdict(on: file, at: answer.path, answer.outcome, at: now) {
            case .settles(let stamp):
                known[answer.path]?.phase = .settled
                let looksPreallocated = hollow.removeValue(forKey: answer.path) != nil
                settled.append(
                    SettledFile(path: answer.path, stamp: stamp, looksPreallocated: looksPreallocated))
            case .waits(let delay):
                known[answer.path]?.phase = .changing
                wait = min(wait ?? delay, delay)
            case .waitsForData(let end):
                known[answer.path]?.phase = .changing
                hollow[answer.path] = Hollow(dataEnd: end, since: now)
                wait = min(wait ?? quiet, quiet)
            case .startsOver(let stamp):
                known[answer.path] = Known(stamp: stamp, since: now, scan: file.scan, phase: .changing)
                hollow[answer.path] = nil
                wait = min(wait ?? settle, settle)
            case .isGone: forget(answer.path)
            }
        }
        return (settled.isEmpty ? [] : [.settled(settled)]) + (wait.map { [.lookAgain(after: $0)] } ?? [])
    }

    private enum Verdict {
        case settles(FileStamp), waits(Duration), waitsForData(end: Int64), startsOver(FileStamp), isGone
    }

    private func verdict(
        on file: Known, at path: RawPath, _ outcome: WriterAnswer.Outcome, at now: Duration
    ) -> Verdict {
        let left = left(path, since: file.since, at: now)
        switch outcome {
        case .vanished: return .isGone
        case .asked(_, let seen, _) where !seen.agrees(with: file.stamp): return .startsOver(seen)
        case .asked(let presence, let seen, let tail):
            switch presence {
            case .none: return .settles(seen)
            case .writing: return .waits(settle)
            case .unknown: return verdict(on: tail, hollow[path], seen, left)
            }
        case .notAsked: return left <= .zero ? .settles(file.stamp) : .waits(left)
        }
    }

    /// Where the kernel cannot tell: the time decides, and how the file ends.
    private func verdict(on tail: FileTail, _ before: Hollow?, _ seen: FileStamp, _ left: Duration) -> Verdict {
        switch (tail, before) {
        case (.written, nil): left <= .zero ? .settles(seen) : .waits(left)
        // It was filled to its end behind an unchanged stamp.
        case (.written, _?): .startsOver(seen)
        case (.zeros(let end), let before?) where before.dataEnd == end: left <= .zero ? .settles(seen) : .waits(left)
        case (.zeros(let end), _): left <= .zero || before != nil ? .waitsForData(end: end) : .waits(left)
        }
    }
}

extension SettleMachine {
    /// What the tree holds, as far as it is known after `scan`.
    package func summary(of scan: TreeScan) -> ScanSummary {
        var summary = ScanSummary(
            files: known.count, bytes: 0, stillChanging: stillChanging + scan.missing,
            settleSeconds: (hollow.isEmpty ? settle : quiet) / .seconds(1),
            unreadable: scan.skipped.filter { $0.reason == .unreadable }.map(\.path))
        for (path, file) in known {
            // A corrupt card can claim any size.
            let (sum, overflow) = summary.bytes.addingReportingOverflow(max(0, file.stamp.size))
            summary.bytes = overflow ? .max : sum
            let observed = ObservedFile(path: path, stamp: file.stamp)
            if observed.isNewer(than: summary.newest) { summary.newest = observed }
        }
        return summary
    }
}

extension ObservedFile {
    /// Of two that are equally new the first by path counts. Empty files are left out: a driver may show a volume's label
    /// as one, with a time that nobody wrote.
    fileprivate func isNewer(than other: ObservedFile?) -> Bool {
        guard stamp.size > 0 else { return false }
        guard let other else { return true }
        return (other.stamp.modifiedNanoseconds, path) < (stamp.modifiedNanoseconds, other.path)
    }
}

extension RawPath {
    fileprivate func isAtOrBelow(anyOf folders: Set<RawPath>) -> Bool {
        if folders.isEmpty { return false }
        var path = self
        while !path.bytes.isEmpty {
            if folders.contains(path) { return true }
            path = path.parent
        }
        return false
    }
}
