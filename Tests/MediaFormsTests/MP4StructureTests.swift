import EvidenceModel
import Foundation
import MediaForms
import StationTesting
import Testing

private func box(_ type: String, _ payload: [UInt8] = []) -> [UInt8] {
    big(UInt64(payload.count + 8), 4) + ascii(type) + payload
}

private let ftyp = box("ftyp", ascii("isom"))

@Suite(.enabled(if: Clip.isAvailable, Clip.reason)) struct MP4RecordingTests {
    @Test(arguments: [
        Clip.film, Clip.film + ["-movflags", "+faststart"], Clip.film + ["-f", "mov"], Clip.fragmented,
    ])
    func wholeRecording(_ arguments: [String]) throws {
        let bytes = try Clip.bytes("a.mp4", arguments)
        let found = try #require(MP4Structure.walk(ByteSource(bytes)))
        #expect(found.hasIndex && !found.isEncrypted)
        #expect(found.missingBytes == 0)
        #expect(found.brokenAt == nil)
        #expect(found.isFragmented == (arguments == Clip.fragmented))
        #expect((found.fragmentsEndSeconds != nil) == found.isFragmented)
        #expect(found.boxes.map(\.span.length).reduce(0, +) == Int64(bytes.count))
        #expect(found.boxes.contains { $0.type == "moov" } && !found.mediaSpans.isEmpty)
    }

    @Test(arguments: [Clip.film, Clip.film + ["-movflags", "+faststart"], Clip.fragmented])
    func cutAnywhere(_ arguments: [String]) throws {
        let bytes = try Clip.bytes("a.mp4", arguments)
        let whole = try #require(MP4Structure.walk(ByteSource(bytes)))
        for cut in Clip.cuts(bytes) {
            let found = try #require(MP4Structure.walk(ByteSource(cut)))
            let size = Int64(cut.count)
            let last = try #require(whole.boxes.last { $0.span.offset < size })
            let hasHeader = size - last.span.offset >= 8
            #expect(found.missingBytes == (hasHeader ? max(0, last.span.end - size) : 0))
            #expect(found.brokenAt == (hasHeader ? nil : last.span.offset))
            let index = try #require(whole.boxes.first { $0.type == "moov" })
            #expect(found.hasIndex == (index.span.end <= size))
            #expect(found.mediaSpans.allSatisfy { $0.end <= size })
        }
    }

    @Test func fragmentsEndWhereTheirPacketsEnd() throws {
        try Clip.withFile("a.mp4", Clip.fragmented) { path in
            let bytes = try Clip.bytes(of: path)
            let packets = try Packet.all(of: path)
            let whole = try #require(MP4Structure.walk(ByteSource(bytes)))
            let starts = whole.boxes.filter { $0.type == "moof" }.map(\.span.offset)
            try #require(starts.count > 2 && packets.count > 50)
            var answers: Set<Double> = []
            for cut in Clip.cuts(bytes) + [bytes] {
                let found = try #require(MP4Structure.walk(ByteSource(cut)))
                var expected: Double?
                for (index, start) in starts.enumerated() {
                    let next = index + 1 < starts.count ? starts[index + 1] : .max
                    let inside = packets.filter { $0.offset >= start && $0.offset < next }
                    guard inside.allSatisfy({ $0.offset + $0.length <= Int64(cut.count) }) else { break }
                    expected = max(expected ?? 0, inside.map(\.end).max() ?? 0)
                }
                #expect((found.fragmentsEndSeconds == nil) == (expected == nil))
                guard let expected, let end = found.fragmentsEndSeconds else { continue }
                // The last packet of all may be shorter than ffprobe takes it for: a frame of sound, at most.
                #expect(abs(end - expected) < (cut.count == bytes.count ? 0.129 : 0.001))
                answers.insert(end)
            }
            #expect(answers.count > 2)
        }
    }

    private struct Packet {
        var end: Double
        var offset: Int64
        var length: Int64

        /// As ffprobe sees them, without the edit list.
        static func all(of path: RawPath) throws -> [Packet] {
            let text = try Tool.run(
                "ffprobe", "-v", "error", "-ignore_editlist", "1", "-show_entries",
                "packet=dts_time,duration_time,size,pos", "-of", "csv=p=0", path.display)
            return text.split(separator: "\n").compactMap { line in
                let fields = line.split(separator: ",")
                guard fields.count >= 4, let time = Double(fields[0]), let duration = Double(fields[1]),
                    let length = Int64(fields[2]), let offset = Int64(fields[3])
                else { return nil }
                return Packet(end: time + duration, offset: offset, length: length)
            }
        }
    }
}

@Suite struct MP4OddityTests {
    @Test func notOfTheFamily() {
        #expect(MP4Structure.walk(ByteSource([])) == nil)
        #expect(MP4Structure.walk(ByteSource([UInt8](repeating: 0, count: 64))) == nil)
        #expect(MP4Structure.walk(ByteSource(box("abcd", [1]) + ftyp)) == nil)
        #expect(MP4Structure.walk(ByteSource(ascii("RIFF....WAVEfmt "))) == nil)
    }

    @Test func sizeZeroGoesToTheEnd() throws {
        let bytes = ftyp + big(0, 4) + ascii("mdat") + [1, 2, 3]
        let found = try #require(MP4Structure.walk(ByteSource(bytes)))
        #expect(found.missingBytes == 0 && found.brokenAt == nil)
        #expect(found.mediaSpans == [ByteSpan(offset: Int64(ftyp.count + 8), length: 3)])
    }

    @Test func sizeOf64Bits() throws {
        let head = ftyp + big(1, 4) + ascii("mdat")
        let whole = try #require(MP4Structure.walk(ByteSource(head + big(20, 8) + [1, 2, 3, 4] + box("free"))))
        #expect(whole.mediaSpans == [ByteSpan(offset: Int64(ftyp.count + 16), length: 4)])
        #expect(whole.boxes.map(\.type) == ["ftyp", "mdat", "free"])
        for size in [UInt64.max, UInt64(Int64.max), UInt64(Int64.max) + 1] {
            let found = try #require(MP4Structure.walk(ByteSource(head + big(size, 8) + [1])))
            let start = Int64(ftyp.count)
            #expect(found.boxes.last?.span == ByteSpan(offset: start, length: .max - start))
            #expect(found.missingBytes == .max - (start + 17))
            #expect(found.mediaSpans == [ByteSpan(offset: start + 16, length: 1)])
        }
        for size in [UInt64(0), 8, 15] {
            #expect(MP4Structure.walk(ByteSource(head + big(size, 8) + [1]))?.brokenAt == Int64(ftyp.count))
        }
    }

    @Test(arguments: [[0, 0, 0, 0, 0, 0, 0, 0], big(7, 4) + ascii("free"), [1, 2, 3], big(90, 4) + ascii("zzzz")])
    func chainThatBreaks(_ rest: [UInt8]) throws {
        let found = try #require(MP4Structure.walk(ByteSource(ftyp + rest)))
        #expect(found.brokenAt == Int64(ftyp.count))
        #expect(found.missingBytes == 0)
        #expect(found.boxes.count == 1)
    }

    @Test func manyBoxes() throws {
        let pieces = (0..<100).flatMap { _ in box("mdat", [7]) + box("free") + box("skip") }
        let found = try #require(MP4Structure.walk(ByteSource(ftyp + pieces + box("free"))))
        #expect(found.boxes.count == 256)
        #expect(found.mediaSpans.count == 64)
        #expect(found.mediaSpans.last?.end == Int64(ftyp.count + 100 * 25 - 16))
        #expect(found.brokenAt == nil)
    }

    @Test func deepNestingAndNoise() throws {
        let tower = (0..<2000).reduce([UInt8]()) { inner, _ in box("trak", inner) }
        let found = try #require(MP4Structure.walk(ByteSource(ftyp + box("moov", tower))))
        #expect(found.hasIndex && !found.isEncrypted && !found.isFragmented)
    }

    @Test func signsOfEncryption() throws {
        func movie(_ entry: String) -> [UInt8] {
            let table = box("stsd", big(0, 4) + big(1, 4) + box(entry, [0]))
            return box("moov", box("trak", box("mdia", box("minf", box("stbl", table)))))
        }
        #expect(MP4Structure.walk(ByteSource(ftyp + movie("encv")))?.isEncrypted == true)
        #expect(MP4Structure.walk(ByteSource(ftyp + movie("enca")))?.isEncrypted == true)
        #expect(MP4Structure.walk(ByteSource(ftyp + movie("avc1")))?.isEncrypted == false)
        #expect(MP4Structure.walk(ByteSource(ftyp + box("moov", box("pssh"))))?.isEncrypted == true)
        #expect(MP4Structure.walk(ByteSource(ftyp + box("moof", box("pssh"))))?.isEncrypted == true)
    }

    /// A fragment whose sizes and durations are all defaults: of `tfhd`, or of `trex`.
    @Test func defaultsOfFragments() throws {
        let header = box("tkhd", [UInt8](repeating: 0, count: 12) + big(1, 4))
        let media = box("mdhd", [UInt8](repeating: 0, count: 12) + big(1000, 4))
        let defaults = box("trex", big(0, 4) + big(1, 4) + big(1, 4) + big(500, 4) + big(3, 4) + big(0, 4))
        let movie = ftyp + box("moov", box("trak", header + box("mdia", media)) + box("mvex", defaults))
        func fragment(_ run: [UInt8], tail: [UInt8]) -> [UInt8] {
            let bytes = box("tfhd", big(0x20000, 4) + big(1, 4)) + run
            return box("moof", box("traf", bytes)) + tail
        }
        func end(_ bytes: [UInt8]) -> Double? { MP4Structure.walk(ByteSource(bytes))?.fragmentsEndSeconds }
        let data = box("mdat", [UInt8](repeating: 1, count: 12))
        // Data begins 60 bytes behind the beginning of the fragment: 52 of `moof`, 8 of `mdat`.
        let run = box("trun", big(1, 4) + big(4, 4) + big(60, 4))
        #expect(end(movie + fragment(run, tail: data)) == 2.0)
        #expect(end(movie + fragment(run, tail: data) + fragment(run, tail: data)) == 4.0)
        #expect(end(movie + fragment(run, tail: Array(data.dropLast()))) == nil)
        #expect(end(movie + fragment(run, tail: data) + fragment(run, tail: [])) == 2.0)
        let endless = box("trun", big(1, 4) + big(0xFFFF_FFFF, 4) + big(60, 4))
        #expect(end(movie + fragment(endless, tail: data)) == nil)
    }
}
