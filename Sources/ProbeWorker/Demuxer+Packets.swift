import CAVFormat

/// Owner of one AVPacket and a reference to its bytes.
final class MediaPacket {
    let pointer: UnsafeMutablePointer<AVPacket>

    /// Nothing where there is no memory.
    init?() {
        guard let pointer = av_packet_alloc() else { return nil }
        self.pointer = pointer
    }

    deinit {
        var gone: UnsafeMutablePointer<AVPacket>? = pointer
        av_packet_free(&gone)
    }

    var stream: Int { Int(pointer.pointee.stream_index) }
    var isKey: Bool { pointer.pointee.flags & AV_PKT_FLAG_KEY != 0 }
    /// Bytes.
    var size: Int { Int(pointer.pointee.size) }
    /// Where it stands in the file; negative where that is not known.
    var position: Int64 { pointer.pointee.pos }

    /// For a decoder; valid while this object lives.
    var content: UnsafePointer<AVPacket> { UnsafePointer(pointer) }
}

/// One sample as the container's index has it.
struct IndexedSample: Equatable {
    /// First byte.
    var position: Int64
    /// Bytes.
    var size: Int64
    /// From the beginning of the file's clock.
    var seconds: Double
}

extension Demuxer {
    /// How a packet's times are read.
    struct PacketTime {
        /// When it is shown, and for how long; from the beginning of the file's clock.
        var seconds: Double?
        var durationSeconds: Double
    }

    /// The next packet in the order of the file; nothing at its end, or where reading stops for another reason.
    borrowing func nextPacket() -> MediaPacket? {
        guard let packet = MediaPacket(), av_read_frame(context, packet.pointer) >= 0 else { return nil }
        return packet
    }

    borrowing func time(of packet: MediaPacket) -> PacketTime {
        guard packet.stream < Int(context.pointee.nb_streams), let stream = context.pointee.streams[packet.stream]
        else {
            return PacketTime(seconds: nil, durationSeconds: 0)
        }
        let base = stream.pointee.time_base
        let content = packet.content.pointee
        return PacketTime(
            seconds: Self.seconds(content.pts, base) ?? Self.seconds(content.dts, base),
            durationSeconds: Self.seconds(content.duration, base).map { max(0, $0) } ?? 0)
    }

    /// Goes on at the packet at or behind this byte; whether the format can.
    borrowing func seek(toByte offset: Int64) -> Bool {
        av_seek_frame(context, -1, offset, AVSEEK_FLAG_BYTE) >= 0
    }

    /// Goes on at the last key frame at or before `seconds` of the file's clock; whether that worked.
    borrowing func seek(toSeconds seconds: Double) -> Bool {
        avformat_seek_file(context, -1, .min, Int64(seconds * 1_000_000), .max, AVSEEK_FLAG_BACKWARD) >= 0
    }

    /// How many samples the container's index has for a stream.
    borrowing func sampleCount(of stream: Int) -> Int {
        guard let stream = context.pointee.streams[stream] else { return 0 }
        return Int(avformat_index_get_entries_count(stream))
    }

    borrowing func sample(_ index: Int, of stream: Int) -> IndexedSample? {
        guard let stream = context.pointee.streams[stream], let entry = avformat_index_get_entry(stream, Int32(index)),
            let seconds = Self.seconds(entry.pointee.timestamp, stream.pointee.time_base), entry.pointee.pos >= 0
        else { return nil }
        return IndexedSample(position: entry.pointee.pos, size: Int64(max(0, entry.pointee.size)), seconds: seconds)
    }

    /// What a decoder needs to know of a stream; valid while the demuxer lives.
    borrowing func parameters(of stream: Int) -> UnsafePointer<AVCodecParameters>? {
        context.pointee.streams[stream]?.pointee.codecpar.map { UnsafePointer($0) }
    }
}
