import CAVFormat
import EvidenceModel

/// Owner of an AVFrame with pixels in YUV 4:2:0 of full range, as JPEG has them.
struct Picture: ~Copyable {
    let frame: UnsafeMutablePointer<AVFrame>
    /// Pixels; even.
    let width: Int
    let height: Int

    /// Black, unless filled. Nothing where there is no memory, or the size is none.
    init?(width: Int, height: Int) {
        guard (2...4096).contains(width), (2...4096).contains(height),
            let frame = Self.allocate(width: width / 2 * 2, height: height / 2 * 2)
        else { return nil }
        self.frame = frame
        self.width = width / 2 * 2
        self.height = height / 2 * 2
        fill(luma: 0)
    }

    private static func allocate(width: Int, height: Int) -> UnsafeMutablePointer<AVFrame>? {
        var frame = av_frame_alloc()
        frame?.pointee.width = Int32(width)
        frame?.pointee.height = Int32(height)
        frame?.pointee.format = AV_PIX_FMT_YUVJ420P.rawValue
        guard let made = frame, av_frame_get_buffer(made, 0) >= 0 else {
            av_frame_free(&frame)
            return nil
        }
        return made
    }

    deinit {
        var gone: UnsafeMutablePointer<AVFrame>? = frame
        av_frame_free(&gone)
    }

    /// The bytes of one line of a plane: 0 is brightness at full size, 1 and 2 are colours at half of it.
    borrowing func line(_ y: Int, plane: Int) -> UnsafeMutableBufferPointer<UInt8> {
        let planes = [frame.pointee.data.0, frame.pointee.data.1, frame.pointee.data.2]
        let strides = [frame.pointee.linesize.0, frame.pointee.linesize.1, frame.pointee.linesize.2]
        let count = plane == 0 ? width : width / 2
        // av_frame_get_buffer made three planes, each with `height` lines (half of it for colours) of `linesize` bytes.
        return UnsafeMutableBufferPointer(start: planes[plane].map { $0 + y * Int(strides[plane]) }, count: count)
    }

    /// Lines of a plane.
    borrowing func lines(plane: Int) -> Int { plane == 0 ? height : height / 2 }

    borrowing func fill(luma: UInt8) {
        for plane in 0..<3 {
            for y in 0..<lines(plane: plane) { line(y, plane: plane).update(repeating: plane == 0 ? luma : 128) }
        }
    }

    /// How much brightness differs over the picture: the mean distance from the mean, 0 to 127. A black or foggy
    /// picture tells nothing.
    borrowing func contrast() -> Int {
        var sum = 0
        for y in 0..<height { for value in line(y, plane: 0) { sum += Int(value) } }
        let mean = sum / (width * height)
        var distance = 0
        for y in 0..<height { for value in line(y, plane: 0) { distance += abs(Int(value) - mean) } }
        return distance / (width * height)
    }

    /// The picture turned clockwise by 90, 180 or 270 degrees; nothing for other numbers.
    borrowing func turned(_ degrees: Int) -> Picture? {
        guard [90, 180, 270].contains(degrees) else { return nil }
        let isUpright = degrees == 180
        guard let turned = Picture(width: isUpright ? width : height, height: isUpright ? height : width) else {
            return nil
        }
        for plane in 0..<3 {
            let (rows, columns) = (lines(plane: plane), plane == 0 ? width : width / 2)
            for y in 0..<rows {
                let source = line(y, plane: plane)
                for x in 0..<columns {
                    switch degrees {
                    case 90: turned.line(x, plane: plane)[rows - 1 - y] = source[x]
                    case 180: turned.line(rows - 1 - y, plane: plane)[columns - 1 - x] = source[x]
                    default: turned.line(columns - 1 - x, plane: plane)[y] = source[x]
                    }
                }
            }
        }
        return turned
    }

    /// As JPEG of at most `ProbeProtocol.pictureBytes`, by as much loss as that takes; nothing where that is not enough.
    borrowing func jpeg() -> [UInt8]? {
        for quality in [3, 6, 12, 24, 31] as [Int32] {
            guard let bytes = jpeg(quality: quality) else { return nil }
            if bytes.count <= ProbeProtocol.pictureBytes { return bytes }
        }
        return nil
    }

    /// - Parameter quality: libavcodec's quantiser, 1 (best) to 31.
    private borrowing func jpeg(quality: Int32) -> [UInt8]? {
        guard let codec = avcodec_find_encoder(AV_CODEC_ID_MJPEG) else { return nil }
        var context = avcodec_alloc_context3(codec)
        defer { avcodec_free_context(&context) }
        guard let context, let packet = MediaPacket() else { return nil }
        context.pointee.width = frame.pointee.width
        context.pointee.height = frame.pointee.height
        context.pointee.pix_fmt = AV_PIX_FMT_YUVJ420P
        context.pointee.time_base = AVRational(num: 1, den: 25)
        context.pointee.thread_count = 1
        context.pointee.flags |= AV_CODEC_FLAG_QSCALE
        context.pointee.global_quality = quality * FF_QP2LAMBDA
        frame.pointee.quality = quality * FF_QP2LAMBDA
        frame.pointee.pts = 0
        guard avcodec_open2(context, codec, nil) >= 0, avcodec_send_frame(context, frame) >= 0,
            avcodec_send_frame(context, nil) >= 0, packet.receive(from: context)
        else { return nil }
        return packet.bytes
    }
}

extension MediaPacket {
    /// Takes what an encoder has ready; whether it had something.
    fileprivate func receive(from encoder: UnsafeMutablePointer<AVCodecContext>) -> Bool {
        avcodec_receive_packet(encoder, pointer) >= 0
    }

    /// A copy of its content.
    fileprivate var bytes: [UInt8] {
        // libavcodec keeps `size` bytes at `data`.
        [UInt8](UnsafeBufferPointer(start: content.pointee.data, count: size))
    }
}
