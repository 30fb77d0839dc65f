import CAVFormat
import EvidenceModel

/// Owner of an `AVIOContext` over a `ProbeSource`, and of its buffer.
struct ByteInput: ~Copyable {
    private static let bufferBytes = 32 * 1024
    /// libavformat reads at most this much to guess a format, bytes: its own PROBE_BUF_MAX.
    private static let guessBytes: UInt32 = 1 << 20

    /// Valid while this value lives.
    let context: UnsafeMutablePointer<AVIOContext>
    let source: ProbeSource

    /// Nothing where there is no memory.
    init?(_ source: ProbeSource) {
        guard let buffer = av_malloc(Self.bufferBytes) else { return nil }
        let bytes = buffer.assumingMemoryBound(to: UInt8.self)
        // Unretained: `self.source` keeps the object for longer than the context lives.
        let opaque = Unmanaged.passUnretained(source).toOpaque()
        guard
            let context = avio_alloc_context(
                bytes, Int32(Self.bufferBytes), 0, opaque, Self.read, nil, Self.seek)
        else {
            av_free(buffer)
            return nil
        }
        self.context = context
        self.source = source
    }

    deinit {
        // libavformat may have put another buffer in the place of the first: the context's own is the one to free.
        av_freep(UnsafeMutableRawPointer(context).advanced(by: Self.bufferOffset))
        var gone: UnsafeMutablePointer<AVIOContext>? = context
        avio_context_free(&gone)
    }

    /// What the bytes look like, by libavformat's guess alone: no name, no extension.
    borrowing func guess() -> (format: UnsafePointer<AVInputFormat>?, score: Int32) {
        var format: UnsafePointer<AVInputFormat>?
        let score = av_probe_input_buffer2(context, &format, "", nil, 0, Self.guessBytes)
        return score < 0 ? (nil, score) : (format, score)
    }

    private static let bufferOffset: Int = {
        // `buffer` is a stored field of a C struct, so it has an offset.
        guard let offset = MemoryLayout<AVIOContext>.offset(of: \.buffer) else { preconditionFailure("C layout") }
        return offset
    }()

    private static let read: @convention(c) (UnsafeMutableRawPointer?, UnsafeMutablePointer<UInt8>?, Int32) -> Int32 = {
        opaque, buffer, size in
        guard let opaque, let buffer, size > 0 else { return cavformat_end_of_file() }
        // `opaque` is the source that the owner of the context holds.
        let source = Unmanaged<ProbeSource>.fromOpaque(opaque).takeUnretainedValue()
        return source.read(into: UnsafeMutableRawBufferPointer(start: buffer, count: Int(size)))
    }

    private static let seek: @convention(c) (UnsafeMutableRawPointer?, Int64, Int32) -> Int64 = {
        opaque, offset, whence in
        guard let opaque else { return Int64(cavformat_end_of_file()) }
        // As in `read`.
        return Unmanaged<ProbeSource>.fromOpaque(opaque).takeUnretainedValue().seek(to: offset, whence: whence)
    }
}
