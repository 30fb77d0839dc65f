package import EvidenceModel
package import FileAccess
import Glibc

/// Watches one tree: scans it, asks about writers, and tells what settled, until it is cancelled.
///
/// It looks when a folder hints at a change, when a file may have settled, and every `rescanInterval` in any case,
/// whichever comes first (`ScanPace`). Most looks list only what changed (`FolderMemory`). Between two looks nothing of the tree is open. What blocks runs on `lane`; a
/// device that hangs in the kernel holds up that lane, and the end of `run`, until the kernel gives up on it.
package struct RootWatcher: Sendable {
    /// How many files are asked about at a time: between two such groups the lane takes others, and what settled is told.
    private static let filesPerCheck = 512

    package let root: WatchedRoot
    /// How long a file must not change to count as settled.
    package let settle: Duration
    /// The longest time between two looks; none for 30 s, and 10 s where other machines may write unheard.
    package let rescanInterval: Duration?
    private let lane: IOLane
    private let clock: any Clock<Duration>

    package init(
        root: WatchedRoot, settle: Duration, rescanInterval: Duration? = nil, lane: IOLane,
        clock: any Clock<Duration> = ContinuousClock()
    ) {
        self.root = root
        self.settle = settle
        self.rescanInterval = rescanInterval
        self.lane = lane
        self.clock = clock
    }

    /// Watches until the task is cancelled; `handle` is told one event after the other, and nothing goes on meanwhile.
    package func run(_ handle: (RootEvent) async -> Void) async {
        let bell = WakeSignal()
        let time = clock.timeline()
        // Without inotify the scans alone must do.
        let hints = try? DirectoryHints { bell.ring() }
        defer { hints?.stop() }
        var pace = ScanPace()
        var pass = Pass(machine: SettleMachine(settle: settle))
        while !Task.isCancelled {
            bell.clear()
            do throws(FileAccessError) {
                let lookAgain = try await look(&pass, hints, time, handle)
                pace.scanned(at: time.now(), interval: rescanInterval ?? pass.rescanInterval, lookAgain: lookAgain)
            } catch {
                if Task.isCancelled { return }
                pass.memory.failed()
                let isNews = !pace.isUnreachable
                pace.failed(at: time.now())
                if isNews { await handle(.unreachable(error)) }
            }
            await time.wait(for: bell, until: pace.due)
            await time.sleep(until: pace.earliest)
        }
    }

    /// What one look leaves for the next.
    private struct Pass {
        var machine: SettleMachine
        var memory = FolderMemory()
        var skipped = SkippedNews()
        var rescanInterval = ScanPace.rescanInterval
    }

    /// One look at the tree; how long until something may have settled.
    private func look(
        _ pass: inout Pass, _ hints: DirectoryHints?, _ time: Timeline, _ handle: (RootEvent) async -> Void
    ) async throws(FileAccessError) -> Duration? {
        let scan = try await scan(&pass, hints, time)
        let news = pass.skipped.scanned(scan.skipped)
        if !news.isEmpty { await handle(.skipped(news)) }
        var lookAgain: Duration?
        for action in pass.machine.scanned(scan, at: time.now(), isFrozen: isFrozen(scan)) {
            switch action {
            case .checkWriters(let paths):
                lookAgain = earlier(lookAgain, try await check(paths, &pass, time, handle))
            case .lookAgain(let after): lookAgain = earlier(lookAgain, after)
            case .settled(let files): await handle(.settled(files))
            }
        }
        await handle(.scanned(pass.machine.summary(of: scan)))
        return lookAgain
    }

    private func scan(
        _ pass: inout Pass, _ hints: DirectoryHints?, _ time: Timeline
    ) async throws(FileAccessError) -> TreeScan {
        let (root, start) = (root, time.now())
        let plan = pass.memory.plan(
            unsettled: pass.machine.stillChanging, hints: hints?.take() ?? FolderHints(), at: start)
        var scan = try await lane.run { () throws(FileAccessError) in
            try TreeScanner.scan(root, plan: plan) { hints?.watch(root.path.appending($0), as: $0) }
        }
        pass.memory.scanned(&scan, from: start, to: time.now())
        pass.rescanInterval = scan.seesEveryWriter ? ScanPace.rescanInterval : ScanPace.deafRescanInterval
        return scan
    }

    /// Asks about writers, group by group, and tells what settled.
    private func check(
        _ paths: [RawPath], _ pass: inout Pass, _ time: Timeline, _ handle: (RootEvent) async -> Void
    ) async throws(FileAccessError) -> Duration? {
        let root = root
        var lookAgain: Duration?
        var rest = paths[...]
        while !rest.isEmpty {
            if Task.isCancelled { throw FileAccessError(call: "scan", path: root.path, code: ECANCELED) }
            let group = rest.prefix(Self.filesPerCheck)
            rest = rest.dropFirst(group.count)
            let answers = try await lane.run { () throws(FileAccessError) in
                try WriterCheck.ask(about: group, in: root)
            }
            for action in pass.machine.writersChecked(answers, at: time.now()) {
                switch action {
                case .settled(let files): await handle(.settled(files))
                case .lookAgain(let after): lookAgain = earlier(lookAgain, after)
                case .checkWriters: continue
                }
            }
        }
        return lookAgain
    }

    /// Read-only, and on a block device of this machine: no server behind it where somebody else may be writing.
    private func isFrozen(_ scan: TreeScan) -> Bool {
        scan.isReadOnly && root.device.map { DeviceNumber.major($0) != 0 } ?? false
    }

    private func earlier(_ one: Duration?, _ other: Duration?) -> Duration? {
        guard let one, let other else { return one ?? other }
        return min(one, other)
    }
}

/// A clock's time, counted from one moment on.
private struct Timeline: Sendable {
    let elapsed: @Sendable () -> Duration
    let sleeping: @Sendable (Duration) async throws -> Void

    func now() -> Duration { elapsed() }

    /// Returns at `moment`, or when the task is cancelled.
    func sleep(until moment: Duration) async {
        try? await sleeping(moment)
    }

    /// Returns when `bell` is rung, at `moment`, or when the task is cancelled.
    func wait(for bell: WakeSignal, until moment: Duration) async {
        await withTaskGroup { group in
            group.addTask {
                // A sleep that was cancelled has nothing to tell.
                guard (try? await sleeping(moment)) != nil else { return }
                bell.ring()
            }
            await bell.wait()
            group.cancelAll()
        }
    }
}

extension Clock where Duration == Swift.Duration {
    /// Counts from now on. A method, since Swift opens `any Clock<Duration>` only for its own methods.
    fileprivate func timeline() -> Timeline {
        let start = now
        return Timeline(
            elapsed: { start.duration(to: now) },
            sleeping: { try await sleep(until: start.advanced(by: $0), tolerance: nil) })
    }
}
