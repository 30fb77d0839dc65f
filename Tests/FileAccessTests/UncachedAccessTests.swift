import EvidenceModel
import FileAccess
import Foundation
import StationTesting
import Testing

@Suite("Access past the page cache")
struct UncachedAccessTests {
    private let folder: TemporaryDirectory
    private let path: RawPath

    init() throws {
        folder = try TemporaryDirectory()
        path = folder.path.appending("file")
        try Data(repeating: 7, count: 50_000).write(to: URL(fileURLWithPath: path.display))
        try Tool.run("sync", path.display)
    }

    @Test func tellsWhatIsInMemory() throws {
        let file = try OwnedDescriptor.open(absolute: path, flags: O_RDONLY)
        let all = ByteSpan(offset: 0, length: 50_000)
        file.adviseRandom()
        file.adviseDone()
        #expect(try file.cachedPages(in: all) == 0)
        _ = try file.readBytes(ByteSpan(offset: 8192, length: 4096))
        #expect(try file.cachedPages(in: all) == 1)
        #expect(try file.cachedPages(in: ByteSpan(offset: 0, length: 8192)) == 0)
        #expect(try file.cachedPages(in: ByteSpan(offset: 8192, length: 1)) == 1)
        #expect(try file.cachedPages(in: ByteSpan(offset: 0, length: 0)) == 0)
    }

    @Test func aDirectReadLeavesNothingBehind() throws {
        let file = try OwnedDescriptor.open(absolute: path, flags: O_RDONLY)
        file.adviseDone()
        try file.setDirect(true)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 53_248, alignment: 4096)
        defer { buffer.deallocate() }
        #expect(try file.read(into: buffer, atLeast: 50_000, at: 0) == 50_000, "the end is not aligned")
        #expect(buffer.prefix(50_000).allSatisfy { $0 == 7 })
        #expect(try file.cachedPages(in: ByteSpan(offset: 0, length: 50_000)) == 0)
        try file.setDirect(false)
        #expect(try file.readBytes(ByteSpan(offset: 3, length: 5)) == [7, 7, 7, 7, 7])
    }

    @Test func theEndOfADeviceIsItsSize() throws {
        #expect(try OwnedDescriptor.open(absolute: path, flags: O_RDONLY).endOffset() == 50_000)
    }
}
