import EvidenceModel
import MediaForms
import StationTesting
import Testing

@Suite(.enabled(if: Clip.isAvailable, Clip.reason)) struct PictureTests {
    @Test func jpeg() throws {
        let bytes = try Clip.bytes("a.jpg", Clip.still)
        let whole = try #require(JPEGStructure.walk(ByteSource(bytes)))
        #expect(whole.hasEnd && whole.end == Int64(bytes.count) && whole.trailingBytes == 0)
        #expect(whole.width == 160 && whole.height == 120 && whole.exif == nil)
        for cut in Clip.cuts(bytes) + [Array(bytes.dropLast())] {
            let found = try #require(JPEGStructure.walk(ByteSource(cut)))
            #expect(!found.hasEnd && found.end == nil)
            #expect(JPEGStructure.walk(ByteSource(cut + [UInt8](repeating: 0, count: bytes.count)))?.hasEnd == false)
        }
        let longer = try #require(JPEGStructure.walk(ByteSource(bytes + bytes)))
        #expect(longer.end == Int64(bytes.count) && longer.trailingBytes == Int64(bytes.count))
        // A thumbnail with an end of its own, in a segment, is no end of the picture.
        let segment: [UInt8] = ascii("Exif\0\0") + bytes
        let app1 = [0xFF, 0xE1] + big(UInt64(segment.count + 2), 2) + segment
        let tagged = Array(bytes.prefix(2)) + app1 + bytes.dropFirst(2)
        #expect(JPEGStructure.walk(ByteSource(tagged))?.exif == segment)
        #expect(JPEGStructure.walk(ByteSource(tagged))?.end == Int64(tagged.count))
        #expect(JPEGStructure.walk(ByteSource(Array(tagged.dropLast(9))))?.hasEnd == false)
    }

    @Test func png() throws {
        let bytes = try Clip.bytes("a.png", Clip.still)
        let whole = try #require(PNGStructure.walk(ByteSource(bytes)))
        #expect(whole.hasEnd && whole.missingBytes == 0 && whole.exif == nil)
        for cut in Clip.cuts(bytes) {
            let found = try #require(PNGStructure.walk(ByteSource(cut)))
            #expect(!found.hasEnd && found.missingBytes > 0)
            #expect(found.missingBytes <= Int64(bytes.count - cut.count))
        }
        #expect(PNGStructure.walk(ByteSource(Array(bytes.dropLast(3))))?.missingBytes == 3)
        #expect(PNGStructure.walk(ByteSource(Array(bytes.dropLast(12))))?.missingBytes == 12)
        let chunk = big(3, 4) + ascii("eXIf") + [1, 2, 3] + big(0, 4)
        let tagged = Array(bytes.prefix(33)) + chunk + bytes.dropFirst(33)
        #expect(PNGStructure.walk(ByteSource(tagged))?.exif == ascii("Exif\0\0") + [1, 2, 3])
        let zeros = Array(bytes.prefix(33)) + [UInt8](repeating: 0, count: 100)
        #expect(PNGStructure.walk(ByteSource(zeros))?.hasEnd == false)
    }

    @Test func bmp() throws {
        let bytes = try Clip.bytes("a.bmp", Clip.still)
        #expect(BMPStructure.walk(ByteSource(bytes))?.missingBytes == 0)
        for cut in Clip.cuts(bytes) {
            #expect(BMPStructure.walk(ByteSource(cut))?.missingBytes == Int64(bytes.count - cut.count))
        }
        // The size of the file is not to be relied on.
        let careless = Array(bytes.prefix(2)) + little(0, 4) + bytes.dropFirst(6)
        #expect(BMPStructure.walk(ByteSource(careless))?.missingBytes == 0)
        #expect(BMPStructure.walk(ByteSource(Array(careless.dropLast(5))))?.missingBytes == 5)
    }

    /// Several scans: a progressive picture. Only some versions of ffmpeg's encoder make one, so it is put together.
    @Test func scansBehindEachOther() throws {
        let scan: [UInt8] = [0xFF, 0xDA, 0, 3, 1, 7, 0xFF, 0x00, 0xD9, 0xFF, 0xD3, 9, 0xFF, 0xFF, 0xD5, 8]
        let frame: [UInt8] = [0xFF, 0xC2, 0, 8, 8, 1, 2, 3, 4, 0]
        let bytes = [0xFF, 0xD8] + frame + scan + scan + [0xFF, 0xD9, 5]
        let found = try #require(JPEGStructure.walk(ByteSource(bytes)))
        #expect(found.end == Int64(bytes.count - 1) && found.trailingBytes == 1)
        #expect(found.height == 0x0102 && found.width == 0x0304)
        #expect(JPEGStructure.walk(ByteSource(Array(bytes.dropLast(2))))?.hasEnd == false)
    }
}

@Suite struct PictureOddityTests {
    @Test func notOfTheFamilies() {
        for bytes in [
            [], [0xFF], [0xFF, 0xD8, 0x00], [0x89, 0x50], ascii("BM"), ascii("BMW is a maker of cars, not of bits"),
        ] {
            #expect(JPEGStructure.walk(ByteSource(bytes)) == nil)
            #expect(PNGStructure.walk(ByteSource(bytes)) == nil)
            #expect(BMPStructure.walk(ByteSource(bytes)) == nil)
        }
    }

    @Test(
        arguments: [[0xFF, 0xE1, 0, 0], [0xFF, 0xE1, 0, 1], [0xFF, 0xE1, 0xFF, 0xFF], [0xFF, 0xE1], [0xFF]] as [[UInt8]]
    )
    func segmentsThatAreNone(_ rest: [UInt8]) {
        #expect(JPEGStructure.walk(ByteSource([0xFF, 0xD8] + rest))?.hasEnd == (rest == [0xFF] ? false : false))
    }

    /// Of a picture beyond 64 MiB only the end is looked at.
    @Test func largePicture() throws {
        let size = Int64(70) << 20
        let head: [UInt8] = [0xFF, 0xD8, 0xFF, 0xDA, 0, 2]
        #expect(JPEGStructure.walk(sparse(size, [0: head]))?.hasEnd == false)
        let found = try #require(JPEGStructure.walk(sparse(size, [0: head, size - 10: [0xFF, 0xD9]])))
        #expect(found.end == size - 8 && found.trailingBytes == 8)
    }

    @Test func sidesThatNoPictureHas() throws {
        func file(_ width: UInt64, _ height: UInt64) -> [UInt8] {
            ascii("BM") + little(0, 8) + little(54, 4) + little(40, 4) + little(width, 4) + little(height, 4)
                + little(1, 2) + little(32, 2) + little(0, 24)
        }
        #expect(BMPStructure.walk(ByteSource(file(2, 0xFFFF_FFFE)))?.missingBytes == 16)
        let huge = try #require(BMPStructure.walk(ByteSource(file(0x8000_0000, 0x8000_0000))))
        #expect(huge.missingBytes >= 0)
    }
}
