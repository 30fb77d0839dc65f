import CAVFormat
import EvidenceModel

/// One picture that stands for a video or a photo, upright and small. For people; never evidence.
enum Poster {
    /// A frame with less contrast is given up for the next place, as long as there is one.
    private static let leastContrast = 6
    /// From the beginning: cameras show a logo, a pocket or a hand first, seconds.
    private static let latestSeconds = 10.0
    /// Packets that are read in search of one frame.
    private static let mostPackets = 2000

    /// A JPEG; nothing where no frame could be decoded.
    static func make(_ demuxer: borrowing Demuxer, _ reading: ContainerReading) -> [UInt8]? {
        guard let stream = reading.streams.firstIndex(where: { $0.kind == .video }),
            let parameters = demuxer.parameters(of: stream),
            let decoder = StreamDecoder(parameters, isFast: false)
        else { return nil }
        var best: (contrast: Int, jpeg: [UInt8])?
        for seconds in places(reading) {
            // A format that cannot seek stays where it is: then the first frame is taken.
            if let seconds, !demuxer.seek(toSeconds: reading.startSeconds + seconds), best != nil { break }
            decoder.flush()
            guard let picture = frame(demuxer, stream, decoder) else { continue }
            let contrast = picture.contrast()
            if let best, best.contrast >= contrast { continue }
            let turned = picture.turned(reading.streams[stream].rotationDegrees)
            guard let jpeg = turned == nil ? picture.jpeg() : turned?.jpeg() else { continue }
            best = (contrast, jpeg)
            if contrast >= leastContrast { break }
        }
        return best?.jpeg
    }

    /// Seconds from the beginning, in the order of trial; none for the place where the demuxer stands.
    private static func places(_ reading: ContainerReading) -> [Double?] {
        guard let duration = reading.durationSeconds, duration > 1, !reading.format.hasSuffix("_pipe") else {
            return [nil]
        }
        return [min(duration / 10, latestSeconds), duration / 2, duration * 0.9, 0]
    }

    /// The next frame, made small.
    private static func frame(
        _ demuxer: borrowing Demuxer, _ stream: Int, _ decoder: borrowing StreamDecoder
    ) -> Picture? {
        for _ in 0..<mostPackets {
            let packet = demuxer.nextPacket()
            if let packet, packet.stream != stream { continue }
            var picture: Picture?
            _ = decoder.decode(packet) { frame in
                if picture == nil { picture = Scaler.shrink(frame) }
            }
            if packet == nil || picture != nil { return picture }
        }
        return nil
    }
}

/// libswscale, for one picture.
enum Scaler {
    /// The frame in JPEG's colours, with square pixels, no side longer than `ProbeProtocol.pictureSide`, never enlarged.
    static func shrink(_ frame: UnsafeMutablePointer<AVFrame>) -> Picture? {
        let (width, height) = (Double(frame.pointee.width), Double(frame.pointee.height))
        guard width > 0, height > 0 else { return nil }
        let aspect = frame.pointee.sample_aspect_ratio
        let stretch = aspect.num > 0 && aspect.den > 0 ? Double(aspect.num) / Double(aspect.den) : 1
        let shown = width * min(max(stretch, 0.25), 4)
        let scale = min(1, Double(ProbeProtocol.pictureSide) / max(shown, height))
        guard
            let picture = Picture(width: max(2, Int(shown * scale)), height: max(2, Int(height * scale))),
            let context = sws_getContext(
                frame.pointee.width, frame.pointee.height, AVPixelFormat(frame.pointee.format), Int32(picture.width),
                Int32(picture.height), AV_PIX_FMT_YUVJ420P, SWS_AREA, nil, nil, nil)
        else { return nil }
        defer { sws_freeContext(context) }
        guard sws_scale_frame(context, picture.frame, frame) >= 0 else { return nil }
        return picture
    }
}
