import EvidenceModel

/// What decoding came to.
struct DecodeCheck: Equatable {
    /// Pictures and pieces of sound.
    var frames = 0
    /// Packets that did not decode as they should.
    var faults = 0
    /// Where those lie, ascending, as far as that is known.
    var damagedSpans: [ByteSpan] = []
    /// The last packet of the picture was one of them.
    var isEndFaulty = false
    /// The end of the file was reached.
    var isWhole = false
    /// The latest end of a packet that decoded, from the beginning of the file's clock.
    var endSeconds: Double?
}

/// Decodes where the container cannot tell whether a recording is whole.
enum DecodeChecker {
    /// So much of the end is read, bytes: two seconds at 16 Mbit/s.
    private static let tailBytes: Int64 = 4 << 20
    /// At most so many packets are decoded: ten seconds of pictures.
    private static let tailPackets = 300

    /// Decodes the picture from the last key frame but one to the end; only what comes behind the last key frame is
    /// judged, for pictures right behind the point where decoding begins may lack what they refer to. Nothing where
    /// there is no picture, no decoder, or too few key frames.
    static func tail(_ demuxer: borrowing Demuxer, _ reading: ContainerReading) -> DecodeCheck? {
        guard let stream = reading.streams.firstIndex(where: { $0.kind == .video }),
            demuxer.seek(toByte: max(0, demuxer.source.size - tailBytes))
        else { return nil }
        var (older, newer): ([MediaPacket], [MediaPacket]) = ([], [])
        while let packet = demuxer.nextPacket() {
            guard packet.stream == stream else { continue }
            if packet.isKey {
                if !newer.isEmpty { older = newer }
                newer = [packet]
            } else if !newer.isEmpty {
                newer.append(packet)
            }
        }
        guard let last = newer.last, older.count + newer.count <= tailPackets,
            let parameters = demuxer.parameters(of: stream), let decoder = StreamDecoder(parameters, isFast: true)
        else { return nil }
        var check = DecodeCheck(isWhole: demuxer.source.isUnhindered)
        for packet in older { check.frames += decoder.decode(packet).frames }
        for packet in newer {
            let outcome = decoder.decode(packet)
            check.add(outcome, packet)
            if packet === last { check.isEndFaulty = outcome.isFaulty }
        }
        let rest = decoder.decode(nil)
        check.frames += rest.frames
        if rest.isFaulty { check.isEndFaulty = true }
        return check.frames == 0 ? nil : check
    }

    /// Decodes every picture and every sound from the beginning.
    static func everything(_ demuxer: borrowing Demuxer, _ reading: ContainerReading) -> DecodeCheck {
        let decoders = DecoderSet(demuxer, reading)
        var check = DecodeCheck()
        var faultyEnd: [Int: Bool] = [:]
        while let packet = demuxer.nextPacket() {
            guard let outcome = decoders.decode(packet) else { continue }
            check.add(outcome, packet)
            faultyEnd[packet.stream] = outcome.isFaulty
            let time = demuxer.time(of: packet)
            if !outcome.isFaulty, let seconds = time.seconds {
                check.endSeconds = max(check.endSeconds ?? 0, seconds + time.durationSeconds)
            }
        }
        check.frames += decoders.finish()
        check.isEndFaulty = faultyEnd.values.contains(true)
        check.isWhole = demuxer.source.isUnhindered
        return check
    }
}

extension DecodeCheck {
    fileprivate mutating func add(_ outcome: StreamDecoder.Outcome, _ packet: MediaPacket) {
        frames += outcome.frames
        guard outcome.isFaulty else { return }
        faults += 1
        guard packet.position >= 0 else { return }
        damagedSpans.append(ByteSpan(offset: packet.position, length: Int64(packet.size)))
        // A file that is noise from beginning to end has a million of them.
        if damagedSpans.count > 4096 { damagedSpans = ByteSpan.joined(damagedSpans, most: 64) }
    }
}

/// A decoder for each stream that has one.
private final class DecoderSet {
    private final class Box {
        let decoder: StreamDecoder
        init(_ decoder: consuming StreamDecoder) { self.decoder = decoder }
    }

    private var boxes: [Int: Box] = [:]

    init(_ demuxer: borrowing Demuxer, _ reading: ContainerReading) {
        for (index, stream) in reading.streams.enumerated() where stream.kind == .video || stream.kind == .audio {
            guard let parameters = demuxer.parameters(of: index),
                let decoder = StreamDecoder(parameters, isFast: false)
            else { continue }
            boxes[index] = Box(decoder)
        }
    }

    func decode(_ packet: MediaPacket) -> StreamDecoder.Outcome? { boxes[packet.stream]?.decoder.decode(packet) }

    /// How many frames were left in the decoders.
    func finish() -> Int { boxes.values.reduce(0) { $0 + $1.decoder.decode(nil).frames } }
}
