import EvidenceModel
import MediaForms
import StationTesting
import Testing

@Suite(.enabled(if: Clip.isAvailable, Clip.reason)) struct RIFFRecordingTests {
    private static let avi = Clip.picture + ["-c:v", "mpeg4"]

    @Test(arguments: [("a.wav", Clip.tone), ("b.wav", Clip.tone + ["-rf64", "always"]), ("a.avi", avi)])
    func wholeAndCut(_ name: String, _ arguments: [String]) throws {
        let bytes = try Clip.bytes(name, arguments)
        let whole = try #require(RIFFStructure.walk(ByteSource(bytes)))
        #expect(whole.missingBytes == 0 && !whole.isOpenEnded && !whole.wrapsAround)
        let span = try #require(whole.dataSpan)
        #expect(whole.promisedDataBytes == span.length)
        if name.hasSuffix("wav") {
            // Two seconds of 8,000 samples of 16 bits.
            #expect(span.length == 32_000)
            #expect(whole.bytesPerSecond == 16_000 && whole.isPCM && whole.form == "WAVE")
        } else {
            #expect(whole.form == "AVI " && !whole.isPCM)
            #expect(span.end < Int64(bytes.count))
        }
        for cut in Clip.cuts(bytes) {
            let found = try #require(RIFFStructure.walk(ByteSource(cut)))
            #expect(found.missingBytes == Int64(bytes.count - cut.count))
            #expect(!found.isOpenEnded)
            guard let part = found.dataSpan else { continue }
            #expect(part.offset == span.offset && part.end == min(span.end, Int64(cut.count)))
            #expect(found.promisedDataBytes == span.length)
        }
    }

    /// What ffmpeg writes into a pipe, where it cannot go back to the sizes.
    @Test func streamed() throws {
        let bytes = try Clip.bytes("a.wav", Clip.tone + ["-f", "wav", "-seekable", "0"])
        let found = try #require(RIFFStructure.walk(ByteSource(bytes)))
        #expect(found.isOpenEnded && found.missingBytes == 0)
        #expect(found.dataSpan?.length == 32_000)
    }

    @Test func webp() throws {
        let bytes = try Clip.bytes("a.webp", Clip.still)
        #expect(RIFFStructure.walk(ByteSource(bytes))?.missingBytes == 0)
        let cut = Array(bytes.dropLast(100))
        #expect(RIFFStructure.walk(ByteSource(cut))?.missingBytes == 100)
    }
}

@Suite struct RIFFOddityTests {
    private static let format =
        ascii("fmt ") + little(16, 4) + little(1, 2) + little(1, 2) + little(8000, 4) + little(16000, 4)
        + little(2, 2) + little(16, 2)

    private static func wave(_ whole: UInt64, _ data: UInt64, _ content: [UInt8] = []) -> [UInt8] {
        ascii("RIFF") + little(whole, 4) + ascii("WAVE") + format + ascii("data") + little(data, 4) + content
    }

    @Test func notOfTheFamily() {
        #expect(RIFFStructure.walk(ByteSource([])) == nil)
        #expect(RIFFStructure.walk(ByteSource(ascii("RIFF") + little(9, 4) + ascii("ABCD"))) == nil)
        #expect(RIFFStructure.walk(ByteSource(ascii("RIFX") + little(9, 4) + ascii("WAVE"))) == nil)
    }

    @Test(arguments: [(0, 0), (0xFFFF_FFFF, 0xFFFF_FFFF), (0, 0xFFFF_FFFF), (36, 0)] as [(UInt64, UInt64)])
    func sizesThatWereNeverWritten(_ whole: UInt64, _ data: UInt64) throws {
        let bytes = Self.wave(whole, data, [1, 2, 3, 4])
        let found = try #require(RIFFStructure.walk(ByteSource(bytes)))
        #expect(found.isOpenEnded)
        #expect(found.missingBytes == 0)
        #expect(found.dataSpan == ByteSpan(offset: 44, length: 4))
    }

    @Test func emptyRecordingIsNotOpenEnded() throws {
        let found = try #require(RIFFStructure.walk(ByteSource(Self.wave(36, 0))))
        #expect(!found.isOpenEnded && found.missingBytes == 0 && found.promisedDataBytes == 0)
    }

    @Test func sizeOfTheWholeThatCountsItsHeader() throws {
        let found = try #require(RIFFStructure.walk(ByteSource(Self.wave(48, 4, [1, 2, 3, 4]))))
        #expect(found.missingBytes == 0)
        #expect(RIFFStructure.walk(ByteSource(Self.wave(58, 4, [1, 2, 3, 4])))?.missingBytes == 18)
    }

    @Test func extensibleFormat() throws {
        let format =
            ascii("fmt ") + little(40, 4) + little(0xFFFE, 2) + [UInt8](repeating: 0, count: 6) + little(9, 4)
            + [UInt8](repeating: 0, count: 12) + little(3, 2) + [UInt8](repeating: 0, count: 14)
        let bytes = ascii("RIFF") + little(1000, 4) + ascii("WAVE") + format
        let found = try #require(RIFFStructure.walk(ByteSource(bytes)))
        #expect(found.isPCM && found.bytesPerSecond == 9)
        #expect(found.missingBytes == 1008 - Int64(bytes.count))
    }

    /// 5 GiB of sound behind sizes of 32 bits.
    @Test func sizesThatCountedOver() throws {
        let data = Int64(5) << 30
        let head = Self.wave(UInt64(data + 36) & 0xFFFF_FFFF, UInt64(data) & 0xFFFF_FFFF)
        let found = try #require(RIFFStructure.walk(sparse(data + 44, [0: head])))
        #expect(found.wrapsAround)
        #expect(found.dataSpan == ByteSpan(offset: 44, length: data))
        #expect(found.missingBytes == 0)
        let other = try #require(RIFFStructure.walk(sparse(data + 44, [0: Self.wave(1036, 1000)])))
        #expect(!other.wrapsAround)
        #expect(other.dataSpan?.length == 1000)
    }

    @Test func longSizes() throws {
        func file(_ data: UInt64) -> [UInt8] {
            ascii("RF64") + little(0xFFFF_FFFF, 4) + ascii("WAVE") + ascii("ds64") + little(28, 4)
                + little(data &+ 72, 8) + little(data, 8) + little(0, 12) + Self.format + ascii("data")
                + little(0xFFFF_FFFF, 4)
        }
        let size = Int64(6) << 30
        let found = try #require(RIFFStructure.walk(sparse(size, [0: file(UInt64(size))])))
        #expect(found.promisedDataBytes == size)
        #expect(found.missingBytes == 80)
        let huge = try #require(RIFFStructure.walk(sparse(size, [0: file(.max - 100)])))
        #expect(huge.promisedDataBytes == .max && huge.missingBytes == .max - size)
        #expect(huge.dataSpan?.end == size)
        // Never written: the recorder died.
        let dead = try #require(RIFFStructure.walk(sparse(size, [0: file(.max)])))
        #expect(dead.isOpenEnded && dead.missingBytes == 0)
        #expect(dead.dataSpan == ByteSpan(offset: 80, length: size - 80))
    }

    /// OpenDML: the second part is a RIFF chunk of its own.
    @Test func partsBehindEachOther() throws {
        func part(_ form: String, _ movie: [UInt8]) -> [UInt8] {
            let list = ascii("LIST") + little(UInt64(movie.count + 4), 4) + ascii("movi") + movie
            return ascii("RIFF") + little(UInt64(list.count + 4), 4) + ascii(form) + list
        }
        let bytes = part("AVI ", [1, 2, 3, 4]) + part("AVIX", [5, 6, 7, 8, 9, 10])
        let whole = try #require(RIFFStructure.walk(ByteSource(bytes)))
        #expect(whole.missingBytes == 0)
        #expect(whole.dataSpan == ByteSpan(offset: 24, length: Int64(bytes.count - 24)))
        #expect(RIFFStructure.walk(ByteSource(bytes.dropLast(3)))?.missingBytes == 3)
    }
}

extension ByteSource {
    fileprivate init(_ bytes: ArraySlice<UInt8>) { self.init(Array(bytes)) }
}
