import EvidenceModel
import MediaForms
import Testing

/// A block of Exif data as a camera writes it: directories of entries of 12 bytes, values behind them.
private struct ExifBlock {
    struct Entry {
        var tag: UInt64
        var format: UInt64
        var count: UInt64
        var value: [UInt8]
    }

    var isBigEndian = true
    var image: [Entry] = []
    var exif: [Entry] = []
    var gps: [Entry] = []

    func number(_ value: UInt64, _ width: Int) -> [UInt8] { isBigEndian ? big(value, width) : little(value, width) }

    func text(_ tag: UInt64, _ text: String) -> Entry {
        Entry(tag: tag, format: 2, count: UInt64(text.utf8.count + 1), value: ascii(text) + [0])
    }

    func short(_ tag: UInt64, _ value: UInt64) -> Entry {
        Entry(tag: tag, format: 3, count: 1, value: number(value, 2))
    }

    func rationals(_ tag: UInt64, _ values: [(UInt64, UInt64)]) -> Entry {
        let bytes = values.flatMap { number($0.0, 4) + number($0.1, 4) }
        return Entry(tag: tag, format: 5, count: UInt64(values.count), value: bytes)
    }

    var bytes: [UInt8] {
        func size(_ entries: [Entry]) -> Int {
            6 + entries.count * 12 + entries.reduce(0) { $0 + ($1.value.count + 1) / 2 * 2 }
        }
        let imageStart = 8
        let exifStart = imageStart + size(image) + 24
        let gpsStart = exifStart + size(exif)
        let links = [
            Entry(tag: 0x8769, format: 4, count: 1, value: number(UInt64(exifStart), 4)),
            Entry(tag: 0x8825, format: 4, count: 1, value: number(UInt64(gpsStart), 4)),
        ]
        func directory(_ entries: [Entry], at start: Int) -> [UInt8] {
            var head = number(UInt64(entries.count), 2)
            var tail: [UInt8] = []
            let tailStart = start + 6 + entries.count * 12
            for entry in entries {
                head += number(entry.tag, 2) + number(entry.format, 2) + number(entry.count, 4)
                if entry.value.count <= 4 {
                    head += entry.value + [UInt8](repeating: 0, count: 4 - entry.value.count)
                } else {
                    head += number(UInt64(tailStart + tail.count), 4)
                    tail += entry.value + [UInt8](repeating: 0, count: entry.value.count % 2)
                }
            }
            return head + number(0, 4) + tail
        }
        var block = ascii(isBigEndian ? "MM" : "II") + number(42, 2) + number(8, 4)
        block += directory(image + links, at: imageStart)
        block += [UInt8](repeating: 0, count: exifStart - block.count)
        block += directory(exif, at: exifStart)
        block += [UInt8](repeating: 0, count: gpsStart - block.count)
        return ascii("Exif\0\0") + block + directory(gps, at: gpsStart)
    }
}

@Suite struct ExifTests {
    private static func photo(isBigEndian: Bool) -> ExifBlock {
        var block = ExifBlock(isBigEndian: isBigEndian)
        block.image = [
            block.text(0x010F, "  Maker  "), block.text(0x0110, String(repeating: "m", count: 99)),
            block.short(0x0112, 6), block.text(0x0132, "2001:01:01 00:00:00"),
        ]
        block.exif = [
            block.text(0x9003, "2026:11:22 09:30:00"), block.text(0x9011, "+08:00"), block.text(0x9291, "123"),
        ]
        block.gps = [
            block.text(1, "N"), block.rationals(2, [(34, 1), (21, 1), (4500, 100)]), block.text(3, "W"),
            block.rationals(4, [(107, 1), (14, 1), (132, 10)]),
            ExifBlock.Entry(tag: 5, format: 1, count: 1, value: [1]), block.rationals(6, [(1234, 10)]),
            block.rationals(7, [(1, 1), (30, 1), (5, 2)]), block.text(0x1D, "2026:11:22"),
        ]
        return block
    }

    @Test(arguments: [true, false])
    func everything(_ isBigEndian: Bool) throws {
        let found = try #require(ExifReading.read(Self.photo(isBigEndian: isBigEndian).bytes))
        #expect(found.make == "Maker" && found.model == String(repeating: "m", count: 64))
        #expect(found.creationTime == "2026-11-22T09:30:00.123+08:00")
        #expect(found.rotationDegrees == 90)
        let place = try #require(found.position)
        #expect(abs(place.latitude - 34.3625) < 1e-9 && abs(place.longitude + 107.237) < 1e-9)
        #expect(place.altitudeMetres == -123.4)
        #expect(place.at == WallTime(rfc3339: "2026-11-22T01:30:02.5Z"))
    }

    @Test func timesInTheirOrder() throws {
        var block = ExifBlock()
        block.image = [block.text(0x0132, "2001:02:03 04:05:06")]
        #expect(ExifReading.read(block.bytes)?.creationTime == "2001-02-03T04:05:06")
        block.exif = [block.text(0x9003, "    :  :     :  :  "), block.text(0x9004, "2002:02:03 04:05:06")]
        #expect(ExifReading.read(block.bytes)?.creationTime == "2002-02-03T04:05:06")
        block.exif = [block.text(0x9003, "0000:00:00 00:00:00"), block.text(0x9011, "+08:00")]
        #expect(ExifReading.read(block.bytes)?.creationTime == "2001-02-03T04:05:06")
        block.exif = [block.text(0x9003, "2003:02:03 04:05:06"), block.text(0x9011, "   :  ")]
        #expect(ExifReading.read(block.bytes)?.creationTime == "2003-02-03T04:05:06")
    }

    @Test(arguments: [(1, nil), (3, 180), (6, 90), (8, 270), (2, nil), (99, nil)] as [(UInt64, Int?)])
    func orientation(_ value: UInt64, _ degrees: Int?) throws {
        var block = ExifBlock()
        block.image = [block.short(0x0112, value)]
        #expect(try #require(ExifReading.read(block.bytes)).rotationDegrees == degrees)
    }

    @Test func placesThatAreNone() throws {
        var block = Self.photo(isBigEndian: true)
        block.gps[1] = block.rationals(2, [(34, 0), (21, 1), (45, 1)])
        #expect(try #require(ExifReading.read(block.bytes)).position == nil)
        block.gps[1] = block.rationals(2, [(34, 1)])
        #expect(try #require(ExifReading.read(block.bytes)).position == nil)
        block.gps[1] = ExifBlock.Entry(tag: 2, format: 5, count: 0xFFFF_FFFF, value: [1, 2, 3, 4])
        #expect(try #require(ExifReading.read(block.bytes)).position == nil)
    }

    @Test func cutAnywhereAndNoise() {
        let bytes = Self.photo(isBigEndian: false).bytes
        for length in 0..<bytes.count { _ = ExifReading.read(Array(bytes.prefix(length))) }
        #expect(ExifReading.read([]) == nil)
        #expect(ExifReading.read(ascii("Exif\0\0")) == nil)
        #expect(ExifReading.read(ascii("Exif\0\0II*\0\u{8}\0\0\0")) == nil)
        #expect(ExifReading.read(Array(bytes.dropFirst(6))) == nil)
    }
}
