import DockWatch
import EvidenceModel
import FileAccess
import Glibc
import StationTesting
import Testing

@Suite("Docking, with cards mounted for real", .serialized, .timeLimit(.minutes(1)))
struct DockingTests {
    private let directory: TemporaryDirectory

    init() throws {
        StationProcess.ignoreBrokenPipesAndLeases()
        directory = try TemporaryDirectory()
    }

    @Test(.enabled(if: CardImage.isAvailable(.fat), "mounting a FAT image needs root, /dev/fuse and fusefat"))
    func aFATCardComesAndGoes() async throws { try await comesAndGoes(.fat) }

    @Test(.enabled(if: CardImage.isAvailable(.exfat), "mounting exFAT needs root, /dev/fuse, loop devices, exfat-fuse"))
    func anExFATCardComesAndGoes() async throws { try await comesAndGoes(.exfat) }

    @Test(.enabled(if: CardImage.isAvailable(.ext4), "mounting an ext4 image needs root and loop devices"))
    func anExt4CardComesAndGoes() async throws { try await comesAndGoes(.ext4) }

    /// A card is mounted, seen, its file settles, it is unmounted while it is watched, mounted in another slot, and
    /// taken out of the tree.
    private func comesAndGoes(_ format: CardImage.Format) async throws {
        let dock = try Dock(directory)
        defer { dock.watcher.stop() }
        let card = try CardImage(format, in: directory)
        try card.mount(at: dock.slot("a b"))
        let root = try await dock.attached()
        #expect(root.path == dock.slot("a b"))
        #expect(root.device == (try deviceNumber(of: root.path)))
        try write("footage", to: root.path.appending("DCIM/a.mp4"))

        let run = WatchRun(RootWatcher(root: root, settle: .milliseconds(100), lane: IOLane(label: "card")))
        #expect(try await settles("DCIM/a.mp4", in: run))
        _ = try await run.nextPass()
        try card.unmount()
        #expect(try await dock.detached() == root)
        // The dropped watches hint at once: no rescan interval passes.
        #expect(try await run.nextUnreachable().meaning == .gone)
        await run.end()

        try card.mount(at: dock.slot("c"))
        let other = try await dock.attached()
        #expect(other.path == dock.slot("c"))
        #expect(try TreeScanner.scan(other).files.contains { $0.path == RawPath("DCIM/a.mp4") })
        try card.lazyUnmount()
        #expect(try await dock.detached() == other)
        card.close()
    }

    /// fusefat shows the volume's label as a file as well.
    private func settles(_ path: String, in run: WatchRun) async throws -> Bool {
        while true {
            if try await run.nextSettled().contains(path) { return true }
        }
    }

    private func deviceNumber(of path: RawPath) throws -> UInt64 {
        try OwnedDescriptor.open(absolute: path, flags: O_RDONLY | O_DIRECTORY).status().stamp.device
    }

    @Test(.enabled(if: CardImage.isAvailable(.exfat), "mounting exFAT needs root, /dev/fuse, loop devices, exfat-fuse"))
    func aCardThatIsPulledOutIsUnreachableUntilItIsBack() async throws {
        let card = try CardImage(.exfat, in: directory)
        let point = directory.path.appending("slot")
        try card.mount(at: point)
        try write("footage", to: point.appending("a.mp4"))
        let root = WatchedRoot(
            source: "docks", kind: .mount, path: point, fileSystem: "card", device: try deviceNumber(of: point))
        let clock = ManualClock()
        let run = WatchRun(RootWatcher(root: root, settle: .seconds(1), lane: IOLane(label: "card"), clock: clock))
        #expect(try await run.nextPass().files == 1)
        await clock.sleeper(until: .seconds(1))

        card.pullOut()
        clock.advance(by: .seconds(1))
        #expect(try await run.nextUnreachable().meaning == .gone)
        try card.unmount()
        await clock.sleeper(until: .seconds(2))
        clock.advance(by: .seconds(1))
        await clock.sleeper(until: .seconds(4))

        // The loop device is the same, and so is the device number.
        try card.mount(at: point)
        clock.advance(by: .seconds(2))
        #expect(try await run.nextSettled() == ["a.mp4"])
        await run.end()
        card.close()
    }

    @Test(.enabled(if: CardImage.isAvailable(.ext4), "mounting an ext4 image needs root and loop devices"))
    func aReadOnlyCardSettlesAtFirstSight() async throws {
        let card = try CardImage(.ext4, in: directory)
        let dock = try Dock(directory)
        defer { dock.watcher.stop() }
        try card.mount(at: dock.slot("a"))
        try write("footage", to: dock.slot("a").appending("a.mp4"))
        try card.unmount()
        try card.mount(at: dock.slot("b"), readOnly: true)
        var root = try await dock.attached()
        while root.path != dock.slot("b") { root = try await dock.attached() }
        #expect(root.isReadOnly)
        let run = WatchRun(
            RootWatcher(root: root, settle: .seconds(3600), lane: IOLane(label: "card"), clock: ManualClock()))
        #expect(try await run.nextSettled() == ["a.mp4"])
        await run.end()
        card.close()
    }

    @Test(.enabled(if: CardImage.isAvailable(.fat), "mounting a FAT image needs root, /dev/fuse and fusefat"))
    func aReadOnlyMountWithoutABlockDeviceIsNotTrusted() async throws {
        let card = try CardImage(.fat, in: directory)
        let point = directory.path.appending("slot")
        try card.mount(at: point)
        try write("footage", to: point.appending("a.mp4"))
        try card.unmount()
        try card.mount(at: point, readOnly: true)
        let root = WatchedRoot(
            source: "docks", kind: .mount, path: point, fileSystem: "card", device: try deviceNumber(of: point))
        #expect(try TreeScanner.scan(root).isReadOnly)
        let run = WatchRun(
            RootWatcher(root: root, settle: .seconds(10), lane: IOLane(label: "card"), clock: ManualClock()))
        #expect(try await run.nextPass().stillChanging.contains(RawPath("a.mp4")))
        await run.end()
        card.close()
    }

    @Test(arguments: CardImage.Format.allCases.filter(CardImage.isAvailable))
    func aWriterOnACardIsNeverOverlooked(format: CardImage.Format) throws {
        let card = try CardImage(format, in: directory)
        let point = directory.path.appending("slot")
        try card.mount(at: point)
        try write("footage", to: point.appending("a.mp4"))
        do {
            let writer = try OwnedDescriptor.open(absolute: point.appending("a.mp4"), flags: O_WRONLY)
            let reader = try OwnedDescriptor.open(absolute: point.appending("a.mp4"), flags: O_RDONLY)
            #expect(WriterPresence.of(reader) != .none)
            _ = consume writer
        }
        let reader = try OwnedDescriptor.open(absolute: point.appending("a.mp4"), flags: O_RDONLY)
        #expect(WriterPresence.of(reader) != .writing)
        _ = consume reader
        try card.unmount()
        card.close()
    }

    @Test func theWatcherStopsAtOnceAndTwice() async throws {
        let watcher = try MountWatcher()
        var tables = watcher.tables.makeAsyncIterator()
        #expect(await tables.next()?.entries.isEmpty == false)
        watcher.stop()
        watcher.stop()
        // Another test's mount may have come in between; then the stream ends.
        while await tables.next() != nil {}
    }

    @Test func aTableThatIsNotThereThrows() {
        #expect(throws: FileAccessError.self) { try MountWatcher(path: RawPath("/proc/self/nothing")) }
    }

    @Test(.enabled(if: geteuid() == 0, "making a device node needs root"))
    func identitiesComeFromTheLinksOfUdev() throws {
        let node = try directory.folder("dev").appending("sdz1")
        // 259:7999, no device of any machine; only its number is asked for.
        try #require(mknod(node.display, S_IFBLK | 0o600, dev_t(DeviceNumber.make(major: 259, minor: 7999))) == 0)
        let (uuids, labels) = (try directory.folder("disk/by-uuid"), try directory.folder("disk/by-label"))
        #expect(symlink("../../dev/sdz1", uuids.appending("1A2B-3C4D").display) == 0)
        #expect(symlink("../../dev/sdz1", labels.appending(#"BODY\x20CAM\x2f1\x"#).display) == 0)
        #expect(symlink("../../dev/none", labels.appending("dangling").display) == 0)
        let identities = VolumeIdentities.read(from: directory.path.appending("disk"))
        let expected = VolumeIdentity(uuid: "1A2B-3C4D", label: #"BODY CAM/1\x"#)
        #expect(
            identities.identity(device: DeviceNumber.make(major: 259, minor: 7999), source: RawPath("x")) == expected)
        #expect(identities.identity(device: 40, source: node) == expected)
        #expect(identities.identity(device: 40, source: RawPath("fusefat")) == nil)
        #expect(VolumeIdentities.read(from: directory.path.appending("none")) == VolumeIdentities())
    }

    @Test func aHintThatCannotBeHadIsNoError() throws {
        let hints = try DirectoryHints {}
        hints.watch(directory.path.appending("missing"), as: RawPath("missing"))
        hints.stop()
        hints.watch(directory.path, as: RawPath(""))
        hints.stop()
    }
}

/// A source with the real mount table below it.
private final class Dock {
    let watcher: MountWatcher
    private let folder: RawPath
    private var machine: MountMachine
    private var waiting: [MountEvent] = []

    init(_ directory: TemporaryDirectory) throws {
        folder = try directory.folder("media")
        machine = MountMachine(sources: [MountSource(name: "docks", mountsUnder: folder)])
        watcher = try MountWatcher()
    }

    func slot(_ name: String) -> RawPath { folder.appending(name) }

    func attached() async throws -> WatchedRoot {
        while true {
            if case .attached(let root) = try await next() { return root }
        }
    }

    func detached() async throws -> WatchedRoot {
        while true {
            if case .detached(let root) = try await next() { return root }
        }
    }

    private func next() async throws -> MountEvent {
        while waiting.isEmpty {
            var iterator = watcher.tables.makeAsyncIterator()
            let table = await iterator.next()
            waiting = machine.tableRead(try #require(table).entries)
        }
        return waiting.removeFirst()
    }
}
