import CAVFormat

/// Owner of an AVCodecContext that decodes one stream in this thread, and of the frame it decodes into.
struct StreamDecoder: ~Copyable {
    /// What one packet came to.
    struct Outcome {
        /// Pictures, or pieces of sound.
        var frames = 0
        /// The decoder refused it, or had to make something up.
        var isFaulty = false
    }

    /// A picture of more pixels is not decoded: three bytes for two of them would not fit into the memory a worker has.
    private static let mostPixels: Int64 = 100_000_000

    private let context: UnsafeMutablePointer<AVCodecContext>
    private let frame: UnsafeMutablePointer<AVFrame>

    /// - Parameters:
    ///   - parameters: of the stream; read now, and not kept.
    ///   - isFast: without the filter that smooths blocks: to tell whether a picture decodes, not to show it.
    /// - Returns: nothing where there is no decoder for it.
    init?(_ parameters: UnsafePointer<AVCodecParameters>, isFast: Bool) {
        var frame = av_frame_alloc()
        guard let made = frame, let context = Self.open(parameters, isFast: isFast) else {
            av_frame_free(&frame)
            return nil
        }
        self.context = context
        self.frame = made
    }

    private static func open(
        _ parameters: UnsafePointer<AVCodecParameters>, isFast: Bool
    ) -> UnsafeMutablePointer<AVCodecContext>? {
        guard let codec = avcodec_find_decoder(parameters.pointee.codec_id) else { return nil }
        var context = avcodec_alloc_context3(codec)
        context?.pointee.thread_count = 1
        context?.pointee.max_pixels = mostPixels
        if isFast { context?.pointee.skip_loop_filter = AVDISCARD_ALL }
        guard let opened = context, avcodec_parameters_to_context(opened, parameters) >= 0,
            avcodec_open2(opened, codec, nil) >= 0
        else {
            avcodec_free_context(&context)
            return nil
        }
        return opened
    }

    deinit {
        var goneFrame: UnsafeMutablePointer<AVFrame>? = frame
        av_frame_free(&goneFrame)
        var gone: UnsafeMutablePointer<AVCodecContext>? = context
        avcodec_free_context(&gone)
    }

    /// Decodes `packet`, or what is left when there is none any more, and shows every frame to `body`, which may look at
    /// it until it returns.
    borrowing func decode(_ packet: MediaPacket?, _ body: (UnsafeMutablePointer<AVFrame>) -> Void = { _ in }) -> Outcome
    {
        var outcome = Outcome()
        let sent = avcodec_send_packet(context, packet?.content)
        if sent < 0 && sent != cavformat_end_of_file() { outcome.isFaulty = true }
        while true {
            let received = avcodec_receive_frame(context, frame)
            if received < 0 {
                if received != cavformat_again() && received != cavformat_end_of_file() { outcome.isFaulty = true }
                return outcome
            }
            outcome.frames += 1
            if frame.pointee.decode_error_flags != 0 || frame.pointee.flags & AV_FRAME_FLAG_CORRUPT != 0 {
                outcome.isFaulty = true
            }
            body(frame)
        }
    }

    /// Forgets what came before: the next packet follows none.
    borrowing func flush() {
        avcodec_flush_buffers(context)
    }
}
