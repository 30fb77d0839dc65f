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
/// ```
/// Invariants:
/// - A file settles only with a stamp that two looks at least `settle` apart agree on, and never while the kernel says
///   that somebody has it open for writing. On a frozen file system, where nobody can be writing, the kernel's word that
///   nobody is takes the place of the time.
/// - One stamp of one path settles once, until the file vanishes.
/// - What lies in a folder that could not be read this time is neither new nor gone.
///
/// Stamps agree in size, times and file system; inode numbers are not compared, because FAT and FUSE make them up anew
/// whenever the kernel has dropped a file from its memory.
package struct SettleMachine: Sendable {
    private enum Phase {
        case changing(since: Duration)
        case asked(since: Duration)
        case settled
    }

    private struct Known {
        var stamp: FileStamp
        var phase: Phase
        /// The scan that saw it last.
        var scan: Int
    }

    /// How long a file must not change.
    package let settle: Duration
    private var known: [RawPath: Known] = [:]
    private var scans = 0
    /// Paths that had not settled when they were scanned last, in the scan's order.
    private var candidates: [RawPath] = []

    package init(settle: Duration) {
        self.settle = settle
    }

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
        scans += 1
        candidates = []
        var due: [RawPath] = []
        var wait: Duration?
        for file in scan.files {
            guard let left = observed(file, at: now, isFrozen: isFrozen) else { continue }
            candidates.append(file.path)
            if left <= .zero { due.append(file.path) } else { wait = min(wait ?? left, left) }
        }
        forgetVanished(scan)
        return (due.isEmpty ? [] : [.checkWriters(due)]) + (wait.map { [.lookAgain(after: $0)] } ?? [])
    }

    /// Notes a file of the scan; how long it must still not change, or nothing when it has settled.
    private mutating func observed(_ file: ObservedFile, at now: Duration, isFrozen: Bool) -> Duration? {
        var since = now
        let index = known.index(forKey: file.path)
        if let index, known.values[index].stamp.agrees(with: file.stamp) {
            known.values[index].scan = scans
            switch known.values[index].phase {
            case .changing(let start), .asked(let start): since = start
            case .settled: return nil
            }
        }
        let left = isFrozen ? .zero : since + settle - now
        // What was asked without an answer is asked again when it is due.
        let phase = left <= .zero ? Phase.asked(since: since) : .changing(since: since)
        if let index {
            known.values[index] = Known(stamp: file.stamp, phase: phase, scan: scans)
        } else {
            known[file.path] = Known(stamp: file.stamp, phase: phase, scan: scans)
        }
        return left
    }

    private mutating func forgetVanished(_ scan: TreeScan) {
        let unreadable = Set(scan.skipped.lazy.filter { $0.reason == .unreadable }.map(\.path))
        let current = scans
        guard known.contains(where: { $0.value.scan != current }) else { return }
        known = known.filter { $0.value.scan == current || $0.key.isAtOrBelow(anyOf: unreadable) }
    }

    /// The kernel was asked about writers. Answers to what was not asked are ignored.
    package mutating func writersChecked(_ answers: [WriterAnswer], at now: Duration) -> [SettleAction] {
        var settled: [SettledFile] = []
        var wait: Duration?
        for answer in answers {
            guard let file = known[answer.path], case .asked(let since) = file.phase else { continue }
            switch verdict(on: file.stamp, since: since, answer.outcome, at: now) {
            case .settles(let stamp):
                known[answer.path]?.phase = .settled
                settled.append(SettledFile(path: answer.path, stamp: stamp))
            case .waits(let delay):
                known[answer.path]?.phase = .changing(since: since)
                wait = min(wait ?? delay, delay)
            case .startsOver(let stamp):
                known[answer.path]?.stamp = stamp
                known[answer.path]?.phase = .changing(since: now)
                wait = min(wait ?? settle, settle)
            case .isGone: known[answer.path] = nil
            }
        }
        return (settled.isEmpty ? [] : [.settled(settled)]) + (wait.map { [.lookAgain(after: $0)] } ?? [])
    }

    private enum Verdict {
        case settles(FileStamp), waits(Duration), startsOver(FileStamp), isGone
    }

    private func verdict(
        on stamp: FileStamp, since: Duration, _ outcome: WriterAnswer.Outcome, at now: Duration
    ) -> Verdict {
        let left = since + settle - now
        switch outcome {
        case .vanished: return .isGone
        case .asked(_, let seen) where !seen.agrees(with: stamp): return .startsOver(seen)
        case .asked(let presence, let seen):
            switch presence {
            case .none: return .settles(seen)
            case .writing: return .waits(settle)
            case .unknown: return left <= .zero ? .settles(seen) : .waits(left)
            }
        case .notAsked: return left <= .zero ? .settles(stamp) : .waits(left)
        }
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
