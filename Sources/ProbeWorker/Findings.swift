import EvidenceModel
import MediaForms

/// The form of a file as its own specification has it, read beside libavformat.
enum FileForm: Equatable {
    case boxes(MP4Structure)
    case riff(RIFFStructure)
    case jpeg(JPEGStructure)
    case png(PNGStructure)
    case bitmap(BMPStructure)
    case matroska(MatroskaStructure)
    case transportStream(TransportStreamStructure)
    /// None that is walked here.
    case other

    /// Walks the form that belongs to a demuxer, by the demuxer's first alias.
    static func read(_ format: String, _ bytes: ByteSource) -> FileForm {
        switch format {
        case "mov": MP4Structure.walk(bytes).map(FileForm.boxes) ?? .other
        case "wav", "avi", "webp_pipe": RIFFStructure.walk(bytes).map(FileForm.riff) ?? .other
        case "jpeg_pipe": JPEGStructure.walk(bytes).map(FileForm.jpeg) ?? .other
        case "png_pipe": PNGStructure.walk(bytes).map(FileForm.png) ?? .other
        case "bmp_pipe": BMPStructure.walk(bytes).map(FileForm.bitmap) ?? .other
        case "matroska": MatroskaStructure.walk(bytes).map(FileForm.matroska) ?? .other
        case "mpegts": TransportStreamStructure.walk(bytes).map(FileForm.transportStream) ?? .other
        default: .other
        }
    }

    /// The Exif data of a photo.
    var exif: [UInt8]? {
        switch self {
        case .jpeg(let jpeg): jpeg.exif
        case .png(let png): png.exif
        case .boxes, .riff, .bitmap, .matroska, .transportStream, .other: nil
        }
    }

    var isEncrypted: Bool {
        switch self {
        case .boxes(let boxes): boxes.isEncrypted
        case .matroska(let matroska): matroska.isEncrypted
        case .riff, .jpeg, .png, .bitmap, .transportStream, .other: false
        }
    }
}

/// All that was seen of a file that a demuxer opened, before a verdict on its health.
struct Findings: Equatable {
    /// Bytes.
    var size: Int64
    var reading: ContainerReading
    var form: FileForm
    /// Of containers with a whole index.
    var samples: SampleSurvey?
    /// Of containers whose end must be looked for.
    var walk: PacketWalk?
    /// Decoded end, of containers that say nothing about theirs.
    var tail: DecodeCheck?
    /// All of it decoded.
    var deep: DecodeCheck?
    /// Zero bytes at the end.
    var zeroTail: ByteSpan?
    /// Runs of zero bytes before that.
    var zeroHoles: [ByteSpan] = []

    init(size: Int64, reading: ContainerReading, form: FileForm) {
        self.size = size
        self.reading = reading
        self.form = form
    }

    var isPhoto: Bool { reading.format.hasSuffix("_pipe") }
    var hasPicture: Bool { reading.streams.contains { $0.kind == .video } }
    var hasSound: Bool { reading.streams.contains { $0.kind == .audio } }
    /// Nothing but samples as they are: silence is zero bytes then, and no damage.
    var isRaw: Bool { reading.streams.filter { $0.kind == .video || $0.kind == .audio }.allSatisfy(\.isRaw) }
}

/// Looks at an opened file as far as its form calls for. Acts; `HealthRule` concludes.
enum Examination {
    /// Fewer zero bytes at the end are padding.
    private static let leastZeroTail: Int64 = 4096
    /// Blocks that are looked at for holes; containers leave room behind their header.
    private static let holeSamples = 256
    private static let holesFrom: Int64 = 64 << 10

    static func findings(
        _ demuxer: borrowing Demuxer, _ form: FileForm, isDeep: Bool
    ) -> Findings {
        let source = demuxer.source
        var findings = Findings(size: source.size, reading: demuxer.reading(), form: form)
        findings.zeroTail = zeroTail(findings, source.bytes)
        if hasIndex(findings) { findings.samples = SampleSurveyor.survey(demuxer, findings.reading) }
        if let spans = spansWithoutFiller(findings) {
            findings.zeroHoles = ZeroSearch.holes(source.bytes, in: spans, samples: holeSamples)
        }
        if isDeep {
            findings.deep = DecodeChecker.everything(demuxer, findings.reading)
        } else if needsWalk(findings), source.canReadAll {
            findings.walk = PacketWalk.toEnd(demuxer)
        } else if needsDecoding(findings) {
            findings.tail = DecodeChecker.tail(demuxer, findings.reading)
        }
        return findings
    }

    /// Zero bytes at the end of what was recorded: writers fill the file behind it as they like.
    private static func zeroTail(_ findings: Findings, _ bytes: ByteSource) -> ByteSpan? {
        let media: ByteSpan?
        switch findings.form {
        case .jpeg(let jpeg) where !jpeg.hasEnd: media = nil
        case .png(let png) where !png.hasEnd: media = nil
        case .jpeg, .png, .bitmap: return nil
        case .riff(let riff): media = riff.dataSpan
        case .boxes(let boxes): media = boxes.isFragmented ? boxes.mediaSpans.last : nil
        case .transportStream: return ZeroSearch.tail(bytes, least: 1)
        case .matroska, .other: media = nil
        }
        if findings.isRaw && !findings.isPhoto { return nil }
        guard let tail = ZeroSearch.tail(bytes, least: leastZeroTail) else { return nil }
        guard let media else { return tail }
        let (start, end) = (max(tail.offset, media.offset), min(tail.end, media.end))
        return end - start >= leastZeroTail ? ByteSpan(offset: start, length: end - start) : nil
    }

    /// Whether the container's index is complete once it is open.
    private static func hasIndex(_ findings: Findings) -> Bool {
        switch findings.form {
        case .boxes(let boxes): !boxes.isFragmented
        case .riff(let riff): riff.form == "AVI " && riff.missingBytes == 0 && !riff.isOpenEnded
        case .jpeg, .png, .bitmap, .matroska, .transportStream, .other: false
        }
    }

    /// Where a block of zero bytes is damage wherever it stands; nothing where writers may fill with them: raw streams,
    /// MPEG's stuffing, attachments.
    private static func spansWithoutFiller(_ findings: Findings) -> [ByteSpan]? {
        let stuffed = ["mpeg1video", "mpeg2video"]
        let isPlain = findings.reading.streams.allSatisfy { stream in
            (stream.kind == .video || stream.kind == .audio) && !stream.isRaw && !stuffed.contains(stream.codec)
        }
        guard isPlain, !findings.isPhoto else { return nil }
        if case .boxes(let boxes) = findings.form { return boxes.isFragmented ? boxes.mediaSpans : nil }
        guard ["mpegts", "matroska", "ogg", "flv"].contains(findings.reading.format) else { return nil }
        let begin = min(holesFrom, findings.size)
        return [ByteSpan(offset: begin, length: findings.size - begin)]
    }

    /// Whether only the last packet tells where the recording ends.
    private static func needsWalk(_ findings: Findings) -> Bool {
        if findings.isPhoto { return false }
        switch findings.reading.format {
        case "mp3", "aac", "amr", "flac", "flv", "asf", "dhav", "h264", "hevc", "act", "dss": return true
        case "avi":
            guard case .riff(let riff) = findings.form else { return true }
            return riff.missingBytes > 0 || riff.isOpenEnded
        default: return false
        }
    }

    /// Whether nothing in the container tells that its end is missing.
    private static func needsDecoding(_ findings: Findings) -> Bool {
        ["mpegts", "mpeg"].contains(findings.reading.format)
    }
}
