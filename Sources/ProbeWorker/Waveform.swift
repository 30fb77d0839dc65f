import CAVFormat
import EvidenceModel

/// The loudness of a sound over its length, drawn. For people; never evidence.
struct Waveform {
    private static let columns = ProbeProtocol.pictureSide
    private static let height = 120
    private static let paper: UInt8 = 245
    private static let ink: UInt8 = 70
    /// A longer sound is looked at in as many places as there are columns, seconds.
    private static let mostSecondsRead = 1800.0
    /// Packets that are decoded at each of those places: the first ones after a jump may be silent in some codecs.
    private static let packetsAtPlace = 3

    /// The highest absolute value in each column, 0 to 1.
    private var peaks = [Float](repeating: 0, count: columns)
    private let seconds: Double

    private init(seconds: Double) {
        self.seconds = seconds
    }

    /// A JPEG; nothing where no sound could be decoded.
    static func make(_ demuxer: borrowing Demuxer, _ reading: ContainerReading) -> [UInt8]? {
        guard let stream = reading.streams.firstIndex(where: { $0.kind == .audio }),
            let parameters = demuxer.parameters(of: stream),
            let decoder = StreamDecoder(parameters, isFast: false), let seconds = reading.durationSeconds, seconds > 0
        else { return nil }
        var waveform = Waveform(seconds: seconds)
        let isHeard =
            seconds <= mostSecondsRead && demuxer.source.canReadAll
            ? waveform.readAll(demuxer, stream, decoder, from: reading.startSeconds)
            : waveform.readPlaces(demuxer, stream, decoder, from: reading.startSeconds)
        return isHeard ? waveform.drawn() : nil
    }

    private mutating func readAll(
        _ demuxer: borrowing Demuxer, _ stream: Int, _ decoder: borrowing StreamDecoder, from start: Double
    ) -> Bool {
        var frames = 0
        while let packet = demuxer.nextPacket() {
            guard packet.stream == stream else { continue }
            frames += hear(packet, at: (demuxer.time(of: packet).seconds ?? start) - start, decoder)
        }
        return frames > 0
    }

    private mutating func readPlaces(
        _ demuxer: borrowing Demuxer, _ stream: Int, _ decoder: borrowing StreamDecoder, from start: Double
    ) -> Bool {
        var frames = 0
        for column in 0..<Self.columns {
            let time = seconds * (Double(column) + 0.5) / Double(Self.columns)
            guard !demuxer.source.isTimeOver, demuxer.seek(toSeconds: start + time) else { break }
            decoder.flush()
            var left = Self.packetsAtPlace
            while left > 0, let packet = demuxer.nextPacket() {
                guard packet.stream == stream else { continue }
                frames += hear(packet, at: time, decoder)
                left -= 1
            }
        }
        return frames > 0
    }

    private mutating func hear(_ packet: MediaPacket, at time: Double, _ decoder: borrowing StreamDecoder) -> Int {
        var peak: Float = 0
        let outcome = decoder.decode(packet) { peak = max(peak, Self.peak($0)) }
        let column = min(max(Int(time / seconds * Double(Self.columns)), 0), Self.columns - 1)
        if peak.isFinite { peaks[column] = max(peaks[column], min(peak, 1)) }
        return outcome.frames
    }

    /// The highest absolute value of the first channel, 0 to 1 as far as the format is one that recorders use.
    private static func peak(_ frame: UnsafeMutablePointer<AVFrame>) -> Float {
        let format = AVSampleFormat(frame.pointee.format)
        guard frame.pointee.nb_samples > 0, let plane = frame.pointee.extended_data[0] else { return 0 }
        let channels = Int(max(1, frame.pointee.ch_layout.nb_channels))
        let step = av_sample_fmt_is_planar(format) != 0 ? 1 : channels
        let count = Int(frame.pointee.nb_samples) * step
        let bytes = UnsafeRawPointer(plane)
        // libavutil: `nb_samples` values of the format lie in each plane, times the channels where there is one plane.
        switch av_get_packed_sample_fmt(format) {
        case AV_SAMPLE_FMT_S16:
            return highest(bytes.assumingMemoryBound(to: Int16.self), count, step) { abs(Float($0)) / 32768 }
        case AV_SAMPLE_FMT_S32:
            return highest(bytes.assumingMemoryBound(to: Int32.self), count, step) { abs(Float($0)) / 2_147_483_648 }
        case AV_SAMPLE_FMT_U8:
            return highest(bytes.assumingMemoryBound(to: UInt8.self), count, step) { abs(Float($0) - 128) / 128 }
        case AV_SAMPLE_FMT_FLT: return highest(bytes.assumingMemoryBound(to: Float.self), count, step) { abs($0) }
        case AV_SAMPLE_FMT_DBL:
            return highest(bytes.assumingMemoryBound(to: Double.self), count, step) { Float(abs($0)) }
        default: return 0
        }
    }

    private static func highest<Sample>(
        _ samples: UnsafePointer<Sample>, _ count: Int, _ step: Int, _ loudness: (Sample) -> Float
    ) -> Float {
        var highest: Float = 0
        for index in stride(from: 0, to: count, by: step) { highest = max(highest, loudness(samples[index])) }
        return highest
    }

    private func drawn() -> [UInt8]? {
        guard let picture = Picture(width: Self.columns, height: Self.height) else { return nil }
        picture.fill(luma: Self.paper)
        let middle = Self.height / 2
        for (x, peak) in peaks.enumerated() {
            let reach = Int((peak * Float(middle - 1)).rounded())
            for y in (middle - reach)...(middle + reach) where y < Self.height {
                picture.line(y, plane: 0)[x] = Self.ink
            }
        }
        return picture.jpeg()
    }
}
