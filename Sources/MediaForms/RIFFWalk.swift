import EvidenceModel

/// One pass over the chunks of a RIFF file, and over those of the `AVIX` parts behind it (OpenDML).
struct RIFFWalk {
    struct Media {
        /// Of the payload.
        var offset: Int64
        /// Bytes of the payload, as promised.
        var length: UInt64
        /// The size field as it was written, 32 bits.
        var field: UInt64
    }

    let source: ByteSource
    /// Begins as RF64 or BW64, whose sizes stand in `ds64`.
    private let has64BitSizes: Bool
    /// The size field of the whole as it was written.
    let shortSize: UInt64
    private var longSize: UInt64?
    private var longDataSize: UInt64?
    private(set) var media: Media?
    private(set) var bytesPerSecond: Int64?
    private(set) var isPCM = false
    /// The byte behind the last RIFF chunk, as promised.
    private(set) var end: Int64
    private var chunks = 0

    private static let mostChunks = 20_000
    private static let noSizes: Set<UInt64> = [0, 0xFFFF_FFFF]

    init(source: ByteSource, has64BitSizes: Bool, size: UInt64) {
        self.source = source
        self.has64BitSizes = has64BitSizes
        shortSize = size
        end = Int64(8).adding(clamped: size)
    }

    /// There is a `ds64`.
    var knowsLongSizes: Bool { longSize != nil }

    /// The whole has no size.
    var hasNoSize: Bool { longSize == nil && Self.noSizes.contains(shortSize) }

    /// The size of the media was never written. 0 is a true size where the size of the whole agrees with it.
    func isWithoutSize(_ media: Media) -> Bool {
        if knowsLongSizes || !Self.noSizes.contains(media.field) { return false }
        return media.field != 0 || hasNoSize || (end <= media.offset && media.offset < source.size)
    }

    mutating func run() {
        walkChunks(from: 12, to: hasNoSize || has64BitSizes ? .max : end)
        guard !hasNoSize else { return }
        // The next RIFF chunk stands where this one ends; each has its own `movi`.
        var start = end
        while start < source.size, chunks < Self.mostChunks {
            let head = source.bytes(at: start, 12)
            guard head.holds("RIFF"), head.holds("AVIX", at: 8), let size = head.little(4, 4), size > 4 else { return }
            end = (start + 8).adding(clamped: size)
            walkChunks(from: start + 12, to: end)
            start = end
        }
    }

    private mutating func walkChunks(from first: Int64, to end: Int64) {
        var offset = first
        while offset < min(end, source.size), chunks < Self.mostChunks {
            chunks += 1
            let head = source.bytes(at: offset, 12)
            guard let field = head.little(4, 4), head.isType(0) else { return }
            let payload = offset + 8
            var length = field
            if head.holds("ds64") {
                readLongSizes(payload)
            } else if head.holds("fmt ") {
                readFormat(payload, field)
            } else if head.holds("data") {
                if field == 0xFFFF_FFFF, let longDataSize { length = longDataSize }
                add(Media(offset: payload, length: length, field: field))
            } else if head.holds("LIST"), head.holds("movi", at: 8) {
                add(Media(offset: payload + 4, length: field >= 4 ? field - 4 : 0, field: field))
            }
            // Behind media without a size there is nothing but media.
            if let media, isWithoutSize(media) { return }
            // Chunks begin at even places.
            offset = payload.adding(clamped: length.addingReportingOverflow(length & 1).partialValue)
        }
    }

    private mutating func add(_ next: Media) {
        guard let first = media, next.offset >= first.offset else {
            media = next
            return
        }
        let end = next.offset.adding(clamped: next.length)
        media = Media(offset: first.offset, length: UInt64(end - first.offset), field: next.field)
    }

    /// `ds64` (EBU Tech 3306, 3): size of the whole, of the data, number of samples. All zero or all one bits were never
    /// written.
    private mutating func readLongSizes(_ offset: Int64) {
        guard has64BitSizes, longSize == nil else { return }
        let bytes = source.bytes(at: offset, 24)
        guard let whole = bytes.little(0, 8), let data = bytes.little(8, 8),
            whole != 0, whole != .max, data != .max
        else { return }
        (longSize, longDataSize) = (whole, data)
        end = Int64(8).adding(clamped: whole)
    }

    /// `WAVEFORMATEX`; tag 0xFFFE keeps the real one at byte 24.
    private mutating func readFormat(_ offset: Int64, _ length: UInt64) {
        let bytes = source.bytes(at: offset, Int64(clamping: min(length, 40)))
        guard var tag = bytes.little(0, 2), let rate = bytes.little(8, 4) else { return }
        if tag == 0xFFFE, let inner = bytes.little(24, 2) { tag = inner }
        isPCM = tag == 1 || tag == 3
        bytesPerSecond = rate > 0 ? Int64(clamping: rate) : nil
    }
}
