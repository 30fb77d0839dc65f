package import EvidenceModel

/// What the chain of boxes of an MP4, QuickTime or 3GP file says of its bytes (ISO/IEC 14496-12).
///
/// Reads 16 bytes for each box at the top level, and the payloads of `moov` (16 MiB at most) and `moof` (8 MiB in all).
package struct MP4Structure: Sendable, Hashable {
    package struct Box: Sendable, Hashable {
        /// Four characters; what is not printable ASCII is "?".
        package var type: String
        /// Header included, as the header promises: it may go beyond the end of the file.
        package var span: ByteSpan

        package init(type: String, span: ByteSpan) {
            self.type = type
            self.span = span
        }
    }

    /// At the top level, the first 256 of them.
    package var boxes: [Box] = []
    /// A whole `moov` lies in the file.
    package var hasIndex = false
    /// Bytes that the last box promises beyond the end of the file; 0 where it promises none.
    package var missingBytes: Int64 = 0
    /// Where the chain ends in something that is no box: zero bytes, too few bytes for a header, a type that no
    /// standard has at the top level and that does not fit into the file.
    package var brokenAt: Int64?
    /// Payloads of `mdat`, cut at the end of the file. At most 64: the last one then goes on to the end of the last.
    package var mediaSpans: [ByteSpan] = []
    /// A sample entry of encrypted samples, or a `pssh`.
    package var isEncrypted = false
    /// There is a `moof`. An index that only allows for them (`mvex`) is complete as any other.
    package var isFragmented = false
    /// Seconds from the beginning to the end of the last fragment of which every byte lies in the file, the latest of
    /// all tracks; none without fragments, or where they do not tell.
    package var fragmentsEndSeconds: Double?

    private static let mostKept = 256, mostBoxes = 200_000, mostSpans = 64
    private static let mostIndexBytes: Int64 = 16 << 20

    package init() {}

    /// Nothing where the file does not begin as one of the family.
    package static func walk(_ source: ByteSource) -> MP4Structure? {
        guard let first = BoxHeader(source.bytes(at: 0, 16)), BoxHeader.firstTypes.contains(first.type) else {
            return nil
        }
        var found = MP4Structure()
        var (movie, fragments) = (MovieIndex(), FragmentList())
        var (offset, walked): (Int64, Int) = (0, 0)
        while offset < source.size, walked < mostBoxes {
            walked += 1
            guard let (header, span) = box(source, at: offset) else {
                found.brokenAt = offset
                break
            }
            found.add(header, span, source)
            if span.end > source.size {
                found.missingBytes = span.end - source.size
            } else if header.type == "moov", !found.hasIndex {
                found.hasIndex = true
                let length = min(mostIndexBytes, span.length - header.headerLength)
                movie = MovieIndex(source.bytes(at: offset + header.headerLength, length))
            } else if header.type == "moof" {
                fragments.add(span, headerLength: header.headerLength)
            }
            offset = span.end
        }
        found.isEncrypted = movie.isEncrypted
        found.read(fragments, movie, source)
        return found
    }

    /// The box at `offset`, as far as it promises to go; nothing where there is none.
    private static func box(_ source: ByteSource, at offset: Int64) -> (BoxHeader, ByteSpan)? {
        let rest = UInt64(source.size - offset)
        guard let header = BoxHeader(source.bytes(at: offset, 16)) else { return nil }
        let promised = header.length ?? rest
        guard promised <= rest || BoxHeader.topLevelTypes.contains(header.type) else { return nil }
        return (header, ByteSpan(offset: offset, length: offset.adding(clamped: promised) - offset))
    }

    private mutating func add(_ header: BoxHeader, _ span: ByteSpan, _ source: ByteSource) {
        if boxes.count < Self.mostKept { boxes.append(Box(type: header.type, span: span)) }
        if header.type == "moof" { isFragmented = true }
        guard header.type == "mdat" else { return }
        let payload = source.span(
            span.offset.adding(clamped: UInt64(header.headerLength)), UInt64(span.length - header.headerLength))
        guard mediaSpans.count == Self.mostSpans, let last = mediaSpans.popLast() else {
            return mediaSpans.append(payload)
        }
        mediaSpans.append(ByteSpan(offset: last.offset, length: payload.end - last.offset))
    }

    private mutating func read(_ fragments: FragmentList, _ movie: MovieIndex, _ source: ByteSource) {
        var ends: [UInt32: Double] = [:]
        for piece in fragments.toRead {
            let bytes = source.bytes(at: piece.span.offset + piece.headerLength, piece.span.length - piece.headerLength)
            let fragment = MovieFragment(bytes, at: piece.span.offset, movie)
            isEncrypted = isEncrypted || fragment.isEncrypted
            guard fragment.dataEnd <= source.size else { continue }
            for run in fragment.runs {
                // Without a decode time a run goes on where the one before ended (8.8.12), which is known when all
                // were read.
                guard let start = run.start ?? (fragments.isComplete ? ends[run.track] ?? 0 : nil) else { continue }
                ends[run.track] = start + run.duration
            }
        }
        let seconds = ends.compactMap { track, end -> Double? in
            guard let timescale = movie.tracks[track]?.timescale, timescale > 0 else { return nil }
            return end / Double(timescale)
        }
        fragmentsEndSeconds = seconds.max()
    }
}

/// The whole `moof` boxes of a file, and which of them are worth their bytes.
private struct FragmentList {
    struct Piece {
        var span: ByteSpan
        var headerLength: Int64
    }

    private static let mostBytesEach: Int64 = 1 << 20, mostBytes: Int64 = 8 << 20, lastOnes = 8

    private var pieces: [Piece] = []
    private var bytes: Int64 = 0
    /// None had to be left out.
    private(set) var isComplete = true

    mutating func add(_ span: ByteSpan, headerLength: Int64) {
        guard span.length <= Self.mostBytesEach else {
            isComplete = false
            return
        }
        pieces.append(Piece(span: span, headerLength: headerLength))
        bytes += span.length
        if bytes > Self.mostBytes { isComplete = false }
    }

    /// All, or the last eight of too many.
    var toRead: ArraySlice<Piece> { isComplete ? pieces[...] : pieces.suffix(Self.lastOnes) }
}
