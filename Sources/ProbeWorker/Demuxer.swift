import CAVFormat
import Glibc

/// Why a file could not be opened as a recording.
enum DemuxerRefusal: Error, Equatable {
    /// Nothing on the list takes it; the name is what it looks like, where it looks like something.
    case notMedia(String?)
    /// The named demuxer took it and gave up, for libavformat's reason.
    case broken(container: String, reason: String)
    case noMemory
}

/// Owner of an `AVFormatContext` that can reach nothing but the bytes of one source: no names, no protocols, no further
/// files, bounded in bytes, streams and time.
struct Demuxer: ~Copyable {
    private static let probeBytes: Int64 = 5 << 20
    /// Microseconds of the recording that are looked at to describe its streams.
    private static let analyzeMicroseconds: Int64 = 5_000_000
    private static let streams: Int32 = 64

    /// First alias of the demuxer.
    let format: String
    // Released in this order: the format context by `deinit`, then the input it reads from, a stored property.
    let context: UnsafeMutablePointer<AVFormatContext>
    private let input: ByteInput
    /// What the demuxer reads from.
    var source: ProbeSource { input.source }

    /// Recognises and opens; the streams of some formats are known only after `analyze`.
    init(_ source: ProbeSource, head: FileHead) throws(DemuxerRefusal) {
        guard let input = ByteInput(source) else { throw .noMemory }
        let guess = input.guess()
        let guessed = guess.format.map { String(cString: $0.pointee.name) }
        let name: String
        switch DemuxerChoice.verdict(format: guessed, score: guess.score, head: head) {
        case .refuse(let looksLike): throw .notMedia(looksLike)
        case .open(let chosen): name = chosen
        }
        let isGuess = guessed.map(DemuxerChoice.firstAlias) == name
        context = try Self.open(input, name, isGuess ? guess.format : av_find_input_format(name))
        format = name
        self.input = input
    }

    deinit {
        // Does not touch the custom input, which is ours (AVFMT_FLAG_CUSTOM_IO).
        var gone: UnsafeMutablePointer<AVFormatContext>? = context
        avformat_close_input(&gone)
    }

    private static func open(
        _ input: borrowing ByteInput, _ name: String, _ format: UnsafePointer<AVInputFormat>?
    ) throws(DemuxerRefusal) -> UnsafeMutablePointer<AVFormatContext> {
        var context = avformat_alloc_context()
        guard let configured = context else { throw .noMemory }
        configured.pointee.pb = input.context
        confine(configured)
        configured.pointee.interrupt_callback = AVIOInterruptCB(
            callback: isInterrupted, opaque: Unmanaged.passUnretained(input.source).toOpaque())
        // On failure this frees the format context and leaves the input to its owner.
        let code = avformat_open_input(&context, "", format, nil)
        guard code == 0, let context else { throw .broken(container: name, reason: sentence(code)) }
        return context
    }

    private static func confine(_ context: UnsafeMutablePointer<AVFormatContext>) {
        context.pointee.probesize = probeBytes
        context.pointee.max_analyze_duration = analyzeMicroseconds
        context.pointee.max_streams = streams
        context.pointee.format_whitelist = av_strdup(DemuxerChoice.whitelist)
        // No protocol has this name, so none is allowed: concat hands this bound on to what it opens, but not the
        // callback, which refuses what the demuxer itself asks for.
        context.pointee.protocol_whitelist = av_strdup("none")
        context.pointee.io_open = { _, _, _, _, _ in cavformat_error(EPERM) }
    }

    private static let isInterrupted: @convention(c) (UnsafeMutableRawPointer?) -> Int32 = { opaque in
        guard let opaque else { return 1 }
        // `opaque` is the source that the demuxer's input holds.
        return Unmanaged<ProbeSource>.fromOpaque(opaque).takeUnretainedValue().isTimeOver ? 1 : 0
    }

    /// Reads as far as it takes to describe the streams; libavformat's reason where that failed.
    borrowing func analyze() -> String? {
        let code = avformat_find_stream_info(context, nil)
        return code < 0 ? Self.sentence(code) : nil
    }

    private static func sentence(_ code: Int32) -> String {
        // What libavformat says of more than `streams` of them, too.
        if code == cavformat_error(ENOMEM) {
            return "it asks for more memory, or has more tracks, than a recording has"
        }
        // AV_ERROR_MAX_STRING_SIZE.
        var text = [CChar](repeating: 0, count: 64)
        _ = av_strerror(code, &text, text.count)
        return text.withUnsafeBufferPointer { buffer in
            buffer.baseAddress.map { String(cString: $0) } ?? "error \(code)"
        }
    }
}
