import CAVFormat
import EvidenceModel
import Glibc

extension Demuxer {
    /// What libavformat says, copied out: nothing in it points into the context.
    borrowing func reading() -> ContainerReading {
        let duration = context.pointee.duration
        var reading = ContainerReading(format: format)
        reading.durationMicroseconds = duration == cavformat_no_time() ? nil : duration
        reading.isDurationGuessed = context.pointee.duration_estimation_method == AVFMT_DURATION_FROM_BITRATE
        reading.bitRate = context.pointee.bit_rate
        reading.tags = tags()
        for index in 0..<streamCount {
            // libavformat keeps `nb_streams` valid pointers here, each with codec parameters.
            guard let stream = context.pointee.streams[index], let codec = stream.pointee.codecpar else { continue }
            reading.streams.append(Self.stream(stream, codec.pointee))
        }
        return reading
    }

    /// At most `ProbeProtocol.streams` are looked at.
    var streamCount: Int { min(Int(context.pointee.nb_streams), ProbeProtocol.streams) }

    private borrowing func tags() -> ContainerReading.Tags {
        ContainerReading.Tags(
            brand: tag("major_brand"), creationTime: tag("creation_time"),
            localCreationTime: tag("com.apple.quicktime.creationdate"), date: tag("date"),
            make: tag("make") ?? tag("com.apple.quicktime.make") ?? tag("com.android.manufacturer"),
            model: tag("model") ?? tag("com.apple.quicktime.model") ?? tag("com.android.model"),
            location: tag("location") ?? tag("com.apple.quicktime.location.ISO6709"))
    }

    private borrowing func tag(_ key: String) -> String? { Self.tag(key, in: context.pointee.metadata) }

    private static func tag(_ key: String, in dictionary: OpaquePointer?) -> String? {
        guard let entry = av_dict_get(dictionary, key, nil, 0), let value = entry.pointee.value else { return nil }
        // Ended by NUL, and possibly as long as the file: only the beginning is taken.
        let length = strnlen(value, ProbeProtocol.textBytes / 4)
        return value.withMemoryRebound(to: UInt8.self, capacity: length) { bytes in
            String(decoding: UnsafeBufferPointer(start: bytes, count: length), as: UTF8.self)
        }
    }

    private static func stream(
        _ pointer: UnsafeMutablePointer<AVStream>, _ codec: AVCodecParameters
    ) -> ContainerReading.Stream {
        let stream = pointer.pointee
        let kind: ContainerReading.Stream.Kind =
            switch codec.codec_type {
            case AVMEDIA_TYPE_VIDEO: stream.disposition & AV_DISPOSITION_ATTACHED_PIC != 0 ? .cover : .video
            case AVMEDIA_TYPE_AUDIO: .audio
            case AVMEDIA_TYPE_SUBTITLE: .subtitle
            default: .data
            }
        return ContainerReading.Stream(
            kind: kind, codec: String(cString: avcodec_get_name(codec.codec_id)), width: codec.width,
            height: codec.height, averageRate: .init(stream.avg_frame_rate), baseRate: .init(stream.r_frame_rate),
            sampleRate: codec.sample_rate, channels: codec.ch_layout.nb_channels,
            displayRotation: rotation(pointer), language: tag("language", in: stream.metadata),
            startSeconds: seconds(stream.start_time, stream.time_base), bitRate: codec.bit_rate,
            unitLengthBytes: unitLengthBytes(codec))
    }

    private static func rotation(_ stream: UnsafeMutablePointer<AVStream>) -> Double {
        var size = 0
        guard let data = av_stream_get_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX, &size), size >= 36 else { return 0 }
        // Nine 32-bit numbers in the processor's order, in memory that av_malloc aligned.
        let angle = data.withMemoryRebound(to: Int32.self, capacity: 9) { av_display_rotation_get($0) }
        return angle.isFinite ? angle : 0
    }

    /// ISO/IEC 14496-15, 5.3.3.1.2 (avcC) and 8.3.3.1.2 (hvcC).
    private static func unitLengthBytes(_ codec: AVCodecParameters) -> Int {
        let place =
            switch codec.codec_id {
            case AV_CODEC_ID_H264: 4
            case AV_CODEC_ID_HEVC: 21
            default: Int.max
            }
        // The record begins with its version; a start code there means units without lengths (annex B).
        guard let data = codec.extradata, place < Int(codec.extradata_size), data[0] == 1 else { return 0 }
        return Int(data[place] & 3) + 1
    }

    /// Nothing for AV_NOPTS_VALUE, and for a time base that is none.
    static func seconds(_ time: Int64, _ base: AVRational) -> Double? {
        guard time != cavformat_no_time(), base.den != 0 else { return nil }
        return Double(time) * Double(base.num) / Double(base.den)
    }
}

extension ContainerReading.Ratio {
    init(_ ratio: AVRational) {
        self.init(numerator: ratio.num, denominator: ratio.den)
    }
}
