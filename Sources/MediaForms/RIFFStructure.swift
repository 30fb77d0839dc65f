package import EvidenceModel

/// What the chunks of a WAVE, AVI or WebP file say of its bytes (Multimedia Programming Interface and Data
/// Specifications 1.0; EBU Tech 3306 for RF64, ITU-R BS.2088 for BW64; OpenDML AVI File Format Extensions).
///
/// Reads 8 to 64 bytes for each chunk, of at most 20,000 chunks.
package struct RIFFStructure: Sendable, Hashable {
    /// `WAVE`, `AVI ` or `WEBP`.
    package var form: String
    /// Bytes that the file promises beyond its end, by the size of the whole or by that of its media chunk, whichever
    /// says more; 0 where there are none, or where it is open-ended.
    package var missingBytes: Int64 = 0
    /// No size was written (0 or 0xFFFFFFFF, and no `ds64`): a recorder that streamed, or that was stopped by force.
    /// The media then goes to the end of the file.
    package var isOpenEnded = false
    /// The payload of `data`, or of the lists `movi` from the first to the last, cut at the end of the file.
    package var dataSpan: ByteSpan?
    /// Bytes that `dataSpan` would have if nothing were missing; none where the file does not say.
    package var promisedDataBytes: Int64?
    /// `nAvgBytesPerSec` of `fmt `.
    package var bytesPerSecond: Int64?
    /// Format tag 1 or 3, or extensible with one of those.
    package var isPCM = false
    /// A size field of 32 bits counted over: the file is larger than 4 GiB, and the field is what remains of the truth.
    package var wrapsAround = false

    /// Nothing where the file does not begin as one of the three forms.
    package static func walk(_ source: ByteSource) -> RIFFStructure? {
        let head = source.bytes(at: 0, 12)
        guard head.holds("RIFF") || head.holds("RF64") || head.holds("BW64"), let form = head.fourCharacters(8),
            ["WAVE", "AVI ", "WEBP"].contains(form), let size = head.little(4, 4)
        else { return nil }
        var found = RIFFStructure(form: form)
        var walk = RIFFWalk(source: source, has64BitSizes: !head.holds("RIFF"), size: size)
        walk.run()
        found.bytesPerSecond = walk.bytesPerSecond
        found.isPCM = walk.isPCM
        found.judge(walk)
        return found
    }

    package init(form: String) { self.form = form }

    private mutating func judge(_ walk: RIFFWalk) {
        let fileSize = walk.source.size
        if let media = walk.media { judgeMedia(media, walk) }
        guard !isOpenEnded else { return }
        if walk.hasNoSize {
            // Nothing but the size of the whole could tell, and that was not written.
            isOpenEnded = promisedDataBytes == nil
            if isOpenEnded { return }
        }
        let dataEnd = dataSpan.map { $0.offset.adding(clamped: UInt64(promisedDataBytes ?? 0)) } ?? 0
        let missingData = max(0, dataEnd - fileSize)
        var missingWhole = walk.hasNoSize || wrapsAround ? 0 : max(0, walk.end - fileSize)
        // Recorders that count the 8 bytes of the header, or a pad byte, into the size of the whole: nothing is
        // missing.
        if missingData == 0, dataSpan != nil, missingWhole <= 9 { missingWhole = 0 }
        missingBytes = max(missingData, missingWhole)
    }

    private mutating func judgeMedia(_ media: RIFFWalk.Media, _ walk: RIFFWalk) {
        let (start, rest) = (media.offset, walk.source.size - media.offset)
        if walk.isWithoutSize(media) {
            isOpenEnded = true
            dataSpan = ByteSpan(offset: start, length: rest)
            return
        }
        var promised = Int64(clamping: media.length)
        let turn: Int64 = 1 << 32
        if !walk.knowsLongSizes, form == "WAVE", rest >= turn, promised < turn {
            let dataAgrees = (0...1).contains((rest - promised) % turn)
            let wholeAgrees = !walk.hasNoSize && (walk.source.size - 8) % turn == Int64(clamping: walk.shortSize)
            if dataAgrees || wholeAgrees {
                wrapsAround = true
                promised += (rest - promised) / turn * turn
            }
        }
        promisedDataBytes = promised
        dataSpan = walk.source.span(start, UInt64(promised))
    }
}
