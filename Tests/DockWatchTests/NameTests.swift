import DockWatch
import EvidenceModel
import FileAccess
import Glibc
import StationTesting
import Testing

@Suite("Names on cards that are mounted for real", .serialized, .timeLimit(.minutes(1)))
struct NameTests {
    private let directory: TemporaryDirectory

    init() throws {
        StationProcess.ignoreBrokenPipesAndLeases()
        directory = try TemporaryDirectory()
    }

    private static let texts = [
        "执法记录仪_20261122.mp4", "🎥录像🚓.mp4", "café.mp4", "cafe\u{301}.mp4", "two  blanks .mp4", "über/Straße.mp4",
        "a'b;c$.mp4",
    ]

    @Test(.enabled(if: CardImage.isAvailable(.ext4), "mounting an ext4 image needs root and loop devices"))
    func onExt4NamesAreBytes() async throws {
        let invalid: [[UInt8]] = [
            [0xFF, 0xFE, 0x41], [0xBF, 0xAA, 0xCD, 0xA5], Array("a\nb".utf8), [0xED, 0xA0, 0x80],
        ]
        let long = [UInt8](repeating: UInt8(ascii: "x"), count: 251) + Array(".mp4".utf8)
        let names =
            Self.texts.map { RawPath($0) } + (invalid + [long]).map { RawPath(bytes: $0) }
            + ["A.MP4", "a.mp4", "A.mp4"].map { RawPath($0) }
        try await comeOut(names, of: .ext4)
    }

    /// Names of at most 255 UTF-16 units; case is kept, and does not tell two names apart.
    @Test(.enabled(if: CardImage.isAvailable(.exfat), "mounting exFAT needs root, /dev/fuse, loop devices, exfat-fuse"))
    func onExFATNamesAreUnicode() async throws {
        let long = String(repeating: "录", count: 81) + ".mp4"
        try await comeOut((Self.texts + [long, "CaSe.Mp4"]).map { RawPath($0) }, of: .exfat)
    }

    @Test(.enabled(if: CardImage.isAvailable(.fat), "mounting a FAT image needs root, /dev/fuse and fusefat"))
    func onFATNamesAreAsTheDriverHasThem() async throws {
        try await comeOut(["DCIM/100MEDIA/Clip0001.MP4", "Long name 2026.mp4"].map { RawPath($0) }, of: .fat)
    }

    /// Written, unmounted, mounted again: what settles has the same bytes in its name, and opens under it.
    private func comeOut(_ names: [RawPath], of format: CardImage.Format) async throws {
        let card = try CardImage(format, in: directory)
        let point = directory.path.appending("card")
        try card.mount(at: point)
        for name in names { try write(name.display, to: point.appending(name)) }
        try card.unmount()
        try card.mount(at: point)
        let root = WatchedRoot(source: "docks", kind: .mount, path: point, fileSystem: "card")
        let run = WatchRun(RootWatcher(root: root, settle: .zero, lane: IOLane(label: "card")))
        var settled: Set<RawPath> = []
        while !settled.isSuperset(of: names) {
            guard case .settled(let files) = try await run.next() else { continue }
            for file in files { #expect(settled.insert(file.path).inserted) }
        }
        await run.end()
        // fusefat shows the volume's label as a file as well.
        #expect(settled.subtracting(names).allSatisfy { format == .fat && $0.display.hasPrefix("CAM01") })
        let tree = try DirectoryTree(root)
        for name in names {
            let bytes = try tree.file(name).readBytes(ByteSpan(offset: 0, length: 1024))
            #expect(bytes == Array(name.display.utf8))
        }
        _ = consume tree
        card.close()
    }
}
