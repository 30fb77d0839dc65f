import DockWatch
import EvidenceModel
import Logging
import ServiceLifecycle
import SyncEngine
import Synchronization

/// Watches all sources: configured directories, and whatever is mounted below the others.
struct WatchService: Service {
    let station: Station
    let board: RootBoard
    let hooks: AttachHooks?
    let targets: [any StorageTarget]
    /// Told after each new recording, and when a source came.
    let collected: @Sendable () -> Void

    func run() async throws {
        let mounts = try MountWatcher()
        await withTaskCancellationOrGracefulShutdownHandler {
            await withDiscardingTaskGroup { group in
                let stops = StopSignals()
                for source in station.configuration.sources {
                    guard case .directory(let path) = source.place else { continue }
                    start(directory(source, path), source, cameWhileWatched: false, stops, &group)
                }
                await follow(mounts, stops, &group)
                board.stop()
                stops.stopAll()
            }
        } onCancelOrGracefulShutdown: {
            mounts.stop()
        }
    }

    private func follow(_ mounts: MountWatcher, _ stops: StopSignals, _ group: inout DiscardingTaskGroup) async {
        var machine = MountMachine(sources: mountSources)
        var volumes = VolumeReader()
        var isFirst = true
        for await table in mounts.tables {
            let identities = await volumes.read(about: table.entries)
            for event in machine.tableRead(table.entries, identities: identities) {
                switch event {
                case .attached(let root):
                    guard let source = station.configuration.source(root.source) else { continue }
                    start(root, source, cameWhileWatched: !isFirst, stops, &group)
                case .detached(let root): stops.stop(root)
                }
            }
            if isFirst { board.completeFirstLook() }
            isFirst = false
        }
    }

    private var mountSources: [MountSource] {
        station.configuration.sources.compactMap { source in
            guard case .mountsUnder(let path) = source.place else { return nil }
            return MountSource(name: source.name, mountsUnder: path)
        }
    }

    private func directory(_ source: AgentConfiguration.Source, _ path: RawPath) -> WatchedRoot {
        WatchedRoot(source: source.name, kind: .directory, path: path, fileSystem: "directory:\(path.display)")
    }

    private func start(
        _ root: WatchedRoot, _ source: AgentConfiguration.Source, cameWhileWatched: Bool, _ stops: StopSignals,
        _ group: inout DiscardingTaskGroup
    ) {
        let collector = RootCollector(
            root: root, source: source, station: station, board: board, hooks: hooks, targets: targets,
            cameWhileWatched: cameWhileWatched,
            collected: collected)
        // On the board before the first look is called complete.
        board.update(root, .working)
        let stop = stops.add(root)
        group.addTask {
            await withDiscardingTaskGroup { pair in
                pair.addTask { await collector.run() }
                for await _ in stop {}
                pair.cancelAll()
            }
        }
        collected()
    }
}

/// One signal for each tree that is watched: its stream ends when the tree is to be left.
private final class StopSignals: Sendable {
    private let signals = Mutex<[WatchedRoot: AsyncStream<Never>.Continuation]>([:])

    func add(_ root: WatchedRoot) -> AsyncStream<Never> {
        let (stream, continuation) = AsyncStream<Never>.makeStream()
        signals.withLock { $0[root] = continuation }
        return stream
    }

    func stop(_ root: WatchedRoot) {
        signals.withLock { $0.removeValue(forKey: root) }?.finish()
    }

    func stopAll() {
        let all = signals.withLock { signals in
            defer { signals = [:] }
            return signals
        }
        for signal in all.values { signal.finish() }
    }
}
