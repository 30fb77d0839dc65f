import EvidenceModel
import Foundation
import MediaForms
import StationTesting
import Testing

@Suite(.enabled(if: Clip.isAvailable, Clip.reason)) struct StreamStructureTests {
    /// Start and end of the packets of a file, seconds, as ffprobe sees them.
    private static func packetTimes(_ path: RawPath) throws -> [Double] {
        try Tool.run(
            "ffprobe", "-v", "error", "-show_entries", "packet=pts_time", "-of", "csv=p=0", path.display
        ).split(separator: "\n").compactMap { Double($0.split(separator: ",").first ?? "") }
    }

    private static let inClusters = Clip.film + ["-cluster_time_limit", "300"]

    @Test func matroska() throws {
        try Clip.withFile("a.mkv", Self.inClusters) { path in
            let bytes = try Clip.bytes(of: path)
            let whole = try #require(MatroskaStructure.walk(ByteSource(bytes)))
            #expect(whole.missingBytes == 0 && !whole.isEncrypted)
            let last = try #require(try Self.packetTimes(path).max())
            #expect(abs(try #require(whole.lastBlockSeconds) - last) < 0.002)
            #expect(try #require(whole.lastClusterSeconds) < last)
            var answers: Set<Double> = []
            for cut in Clip.cuts(bytes) {
                let found = try #require(MatroskaStructure.walk(ByteSource(cut)))
                #expect(found.missingBytes == Int64(bytes.count - cut.count))
                if let time = found.lastBlockSeconds {
                    #expect(time <= last)
                    answers.insert(time)
                }
            }
            #expect(answers.count > 3)
        }
    }

    /// Live: the segment and the clusters have no size.
    @Test func matroskaWithoutSizes() throws {
        let bytes = try Clip.bytes("a.mkv", Self.inClusters + ["-live", "1"])
        let whole = try #require(MatroskaStructure.walk(ByteSource(bytes)))
        #expect(whole.missingBytes == 0)
        #expect(try #require(whole.lastBlockSeconds) > 1.8)
        for cut in Clip.cuts(bytes) { #expect(MatroskaStructure.walk(ByteSource(cut))?.missingBytes == 0) }
    }

    @Test func transportStream() throws {
        let bytes = try Clip.bytes("a.ts", Clip.film)
        let whole = try #require(TransportStreamStructure.walk(ByteSource(bytes)))
        #expect(whole == TransportStreamStructure(packetBytes: 188, cutBytes: 0, firstLostSync: nil))
        for cut in Clip.cuts(bytes) {
            let found = try #require(TransportStreamStructure.walk(ByteSource(cut)))
            #expect(found.cutBytes == Int64(cut.count % 188) && found.firstLostSync == nil)
        }
        var torn = bytes
        torn.removeSubrange(188 * 20 + 10..<188 * 20 + 50)
        let lost = try #require(TransportStreamStructure.walk(ByteSource(torn))?.firstLostSync)
        #expect(lost == 188 * 21)
    }

    @Test func transportStreamWithTimeCodes() throws {
        let bytes = try Clip.bytes("a.m2ts", Clip.film + ["-mpegts_m2ts_mode", "1"])
        let found = try #require(TransportStreamStructure.walk(ByteSource(bytes + [1, 2])))
        #expect(found == TransportStreamStructure(packetBytes: 192, cutBytes: 2, firstLostSync: nil))
    }
}

@Suite struct StreamOddityTests {
    @Test func notOfTheFamilies() {
        for bytes in [[], [0x1A, 0x45, 0xDF, 0xA3], [0x47], [UInt8](repeating: 0x46, count: 1000)] {
            #expect(MatroskaStructure.walk(ByteSource(bytes)) == nil)
            #expect(TransportStreamStructure.walk(ByteSource(bytes)) == nil)
        }
    }

    /// An element of fewer than 127 bytes.
    private func element(_ id: UInt64, _ width: Int, _ payload: [UInt8]) -> [UInt8] {
        big(id, width) + [0x80 | UInt8(payload.count)] + payload
    }

    @Test func encryptedTrack() throws {
        func file(_ kind: UInt8) -> [UInt8] {
            let encoding = element(0x6D80, 2, element(0x6240, 2, element(0x5033, 2, [kind])))
            let tracks = element(0x1654_AE6B, 4, element(0xAE, 1, encoding))
            return element(0x1A45_DFA3, 4, element(0x4282, 2, ascii("matroska"))) + element(0x1853_8067, 4, tracks)
        }
        #expect(MatroskaStructure.walk(ByteSource(file(1)))?.isEncrypted == true)
        #expect(MatroskaStructure.walk(ByteSource(file(0)))?.isEncrypted == false)
    }

    @Test func sizesAndScales() throws {
        let head = element(0x1A45_DFA3, 4, element(0x4282, 2, ascii("webm")))
        let scale = element(0x1549_A966, 4, element(0x2AD7B1, 3, big(2_000_000, 4)))
        let cluster = element(0x1F43_B675, 4, element(0xE7, 1, [100]) + element(0xA3, 1, [0x81, 0xFF, 0xFE, 0, 1]))
        // Longest possible size: 2^56 - 2.
        let segment = big(0x1853_8067, 4) + [0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE]
        let bytes = head + segment + scale + cluster
        let found = try #require(MatroskaStructure.walk(ByteSource(bytes)))
        #expect(found.missingBytes == (1 << 56) - 2 - Int64(scale.count + cluster.count))
        #expect(found.lastClusterSeconds == 0.2)
        #expect(abs(try #require(found.lastBlockSeconds) - 0.196) < 1e-9)
        // The block is cut: the cluster is there, its block is not.
        let cut = try #require(MatroskaStructure.walk(ByteSource(Array(bytes.dropLast()))))
        #expect(cut.lastClusterSeconds == 0.2 && cut.lastBlockSeconds == nil)
    }

    /// Packets between the head and the tail are sampled; halving finds where step is lost for good.
    @Test func stepLostFarInside() throws {
        let packets = Int64(1_000_000)
        let lost = Int64(612_345)
        let source = ByteSource(size: packets * 188) { span in
            (span.offset..<span.end).map { $0 % 188 == 0 && $0 / 188 < lost ? 0x47 : 0 }
        }
        #expect(TransportStreamStructure.walk(source)?.firstLostSync == lost * 188)
    }
}
