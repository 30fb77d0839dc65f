import EvidenceModel
import MediaForms

/// What state a recording is in, and the sentences that say why.
struct HealthVerdict: Equatable {
    var health: MediaHealth
    var details: [String] = []
    var playableSeconds: Double?
    var damagedSpans: [ByteSpan] = []
    /// What the recording was meant to last.
    var durationSeconds: Double?
    var durationBasis: DurationBasis?
}

/// Concludes from what was seen. Decides; reads nothing.
struct HealthRule {
    /// Seconds by which the last packet may end before the container's length: tracks seldom end together.
    private static let slackSeconds = 1.0
    /// So many zero bytes behind the last packet are a cluster's rest, bytes.
    private static let paddingBytes: Int64 = 128 << 10
    /// Thirty years: what claims to last longer claims nonsense.
    private static let longestSeconds = 1e9

    private let findings: Findings
    private var details: [String] = []
    /// Whether the end is missing, and what plays until then.
    private var isCut = false
    private var playable: Double?
    private var spans: [ByteSpan] = []
    private var isDamaged = false
    private var duration: Double?
    private var basis: DurationBasis?

    static func verdict(_ findings: Findings) -> HealthVerdict {
        var rule = HealthRule(findings)
        return rule.conclude()
    }

    private init(_ findings: Findings) {
        self.findings = findings
        if !findings.isPhoto {
            duration = findings.reading.durationSeconds.flatMap { $0 < Self.longestSeconds ? $0 : nil }
            basis = duration.map { _ in findings.reading.isDurationGuessed ? .estimated : .exact }
        }
    }

    private mutating func conclude() -> HealthVerdict {
        if findings.form.isEncrypted {
            return closed(
                .encrypted, "The recording is encrypted: what it shows cannot be told without its key.")
        }
        guard findings.hasPicture || findings.hasSound else {
            return closed(
                .unreadable,
                "The file is a \(findings.reading.format) container with neither picture nor sound in it.")
        }
        judgeLength()
        judgeForm()
        judgeSamples()
        judgeZeros()
        judgeDecoding()
        judgePictures()
        if let playable, let duration, playable > duration { self.playable = duration }
        if isCut, let playable { details.append("\(Self.text(playable)) of it play.") }
        if basis == .estimated { details.append("The length is estimated; the container does not say it.") }
        return HealthVerdict(
            health: isDamaged ? .damaged : isCut ? .truncated : .intact, details: details,
            playableSeconds: isCut ? playable : nil,
            damagedSpans: ByteSpan.joined(spans, most: ProbeProtocol.spans), durationSeconds: duration,
            durationBasis: basis)
    }

    private func closed(_ health: MediaHealth, _ sentence: String) -> HealthVerdict {
        HealthVerdict(health: health, details: [sentence], durationSeconds: duration, durationBasis: basis)
    }

    // MARK: What each finding says

    private mutating func cut(_ sentence: String, playable seconds: Double? = nil) {
        isCut = true
        details.append(sentence)
        if let seconds { playable = min(playable ?? seconds, max(0, seconds)) }
    }

    private mutating func damage(_ sentence: String, _ damaged: [ByteSpan]) {
        isDamaged = true
        details.append(sentence)
        spans += damaged
    }

    /// Packets that were counted say the length where the container guesses; the last one says where the end is.
    private mutating func judgeLength() {
        guard !findings.isPhoto, let walk = findings.walk, walk.isWhole, let end = walk.endSeconds else { return }
        let length = end - findings.reading.startSeconds
        if findings.reading.isDurationGuessed || duration == nil {
            let counted = walk.streams.map(\.seconds).max() ?? 0
            (duration, basis) = (counted > 0 ? counted : length, .exact)
        } else if let promised = duration, !hasText, max(end, length) < promised - max(slack, promised / 100) {
            cut("The recording ends before the \(Self.text(promised)) that its header promises.", playable: length)
        }
    }

    /// Pictures seconds apart: the last one lasts until the end.
    private var slack: Double {
        let rates = findings.reading.streams.filter { $0.kind == .video }.map { $0.averageRate }
        let interval =
            rates.filter { $0.numerator > 0 && $0.denominator > 0 }
            .map { Double($0.denominator) / Double($0.numerator) }.max() ?? 0
        return max(Self.slackSeconds, 2 * min(interval, 3600))
    }

    /// A subtitle may be meant to stand longer than the pictures last.
    private var hasText: Bool { findings.reading.streams.contains { $0.kind == .subtitle } }

    private mutating func judgeForm() {
        switch findings.form {
        case .boxes(let boxes): judge(boxes)
        case .riff(let riff): judge(riff)
        case .jpeg(let jpeg):
            if !jpeg.hasEnd { cut("The picture's end marker is missing: its lower part is lost.") }
        case .png(let png): if !png.hasEnd { cut("The picture's last part is missing.") }
        case .bitmap(let bitmap):
            if bitmap.missingBytes > 0 { cut("The picture lacks its last \(bitmap.missingBytes) bytes.") }
        case .matroska(let matroska): judge(matroska)
        case .transportStream(let stream): judge(stream)
        case .other: break
        }
    }

    private mutating func judge(_ boxes: MP4Structure) {
        if boxes.isFragmented {
            guard let end = boxes.fragmentsEndSeconds, end < Self.longestSeconds else {
                if boxes.missingBytes > 0 { cut("The file ends inside its first fragment.", playable: 0) }
                return
            }
            let isShort = duration.map { !hasText && end < $0 - slack } ?? false
            if boxes.missingBytes > 0 || isShort {
                cut("The file ends inside a fragment, or before its last one.", playable: end)
            }
            if duration == nil { (duration, basis) = (end, .exact) }
            return
        }
        if boxes.missingBytes > 0 && findings.samples?.missingFromSeconds == nil {
            details.append(
                "The last part of the file promises \(boxes.missingBytes) bytes more than there are; no picture or"
                    + " sound lies in them.")
        }
    }

    private mutating func judge(_ riff: RIFFStructure) {
        if riff.isOpenEnded {
            details.append("The header does not say how long the recording is: the recorder did not finish it.")
        }
        if riff.wrapsAround {
            details.append("The header's size has run over at 4 GiB; the recording goes on to the end of the file.")
        }
        guard riff.missingBytes > 0 else { return }
        if let data = riff.dataSpan, let promised = riff.promisedDataBytes, data.length >= promised {
            details.append(
                "The header promises \(riff.missingBytes) bytes more than there are; all of the recording is there.")
            return
        }
        if findings.isPhoto { return cut("The picture lacks its last \(riff.missingBytes) bytes.") }
        var seconds = findings.walk?.endSeconds
        if riff.form == "WAVE", let rate = riff.bytesPerSecond, rate > 0, let data = riff.dataSpan {
            seconds = Double(data.length) / Double(rate)
            if let promised = riff.promisedDataBytes { (duration, basis) = (Double(promised) / Double(rate), .exact) }
        } else if let data = riff.dataSpan, let promised = riff.promisedDataBytes, data.length > 0 {
            // libavformat gives an AVI that was cut the length of what is left.
            duration = (seconds ?? duration).map { $0 * Double(promised) / Double(data.length) }
            basis = .estimated
        }
        cut("The file lacks the last \(riff.missingBytes) bytes that its header promises.", playable: seconds)
    }

    private mutating func judge(_ matroska: MatroskaStructure) {
        if matroska.missingBytes > 0 || isShort(matroska) {
            let end = matroska.lastBlockSeconds ?? matroska.lastClusterSeconds
            cut(
                "The file ends before its last part: it was cut off.",
                playable: end.map { $0 - findings.reading.startSeconds })
        }
    }

    /// Its length counts from zero, whenever the first picture comes.
    private func isShort(_ matroska: MatroskaStructure) -> Bool {
        guard let end = matroska.lastBlockSeconds ?? matroska.lastClusterSeconds, let duration, !hasText else {
            return false
        }
        return end < duration - slack - Self.slackSeconds
    }

    private mutating func judge(_ stream: TransportStreamStructure) {
        if stream.cutBytes > (findings.zeroTail?.length ?? 0) {
            cut("The file ends in the middle of a transport packet: it was cut off.", playable: duration)
        }
        if let place = stream.firstLostSync,
            findings.zeroTail.map({ place < $0.offset - Int64(stream.packetBytes) }) ?? true
        {
            damage("From byte \(place) on there is no transport packet where one should begin.", [])
        }
    }

    private mutating func judgeSamples() {
        guard let samples = findings.samples else { return }
        if let missing = samples.missingFromSeconds {
            cut(
                "The file ends before its recording does: its index promises more than the file holds.",
                playable: missing)
        }
        if let seconds = samples.damagedFromSeconds {
            let what = findings.zeroTail == nil ? "something else" : "zero bytes"
            cut(
                "From \(Self.text(seconds)) on the file holds \(what) in the place of the recording: its end was never"
                    + " written, or is lost.", playable: seconds)
            spans += samples.damagedSpans
        } else if !samples.damagedSpans.isEmpty {
            damage("Inside the recording there are bytes that are none of it.", samples.damagedSpans)
        }
    }

    private mutating func judgeZeros() {
        if case .boxes(let boxes) = findings.form, !boxes.isFragmented { return }
        if let tail = findings.zeroTail, isEnd(tail) {
            let share = Double(tail.offset) / Double(max(1, findings.size))
            cut(
                "The last \(tail.length) bytes are zero: the end was never written, or is lost.",
                playable: findings.isPhoto ? nil : duration.map { $0 * share })
            spans.append(tail)
        }
        let holes = findings.zeroHoles.filter { hole in findings.zeroTail.map { hole.offset < $0.offset } ?? true }
        if !holes.isEmpty { damage("Inside the recording there are zero bytes where none should be.", holes) }
    }

    /// Whether zero bytes stand where the recording's end should.
    private func isEnd(_ tail: ByteSpan) -> Bool {
        switch findings.form {
        case .matroska(let matroska): matroska.lastBlockSeconds == nil || isShort(matroska)
        case .transportStream: tail.length >= Self.paddingBytes
        case .boxes, .riff, .jpeg, .png, .bitmap, .other: true
        }
    }

    private mutating func judgeDecoding() {
        if let tail = findings.tail, tail.isWhole, tail.isEndFaulty, !isCut {
            cut("The last picture does not decode: the recording was cut off in the middle of it.", playable: duration)
        }
        guard let deep = findings.deep else { return }
        if !deep.isWhole { details.append("Decoding did not come to the end in the time there was.") }
        if deep.frames == 0 && deep.faults == 0 {
            details.append("Nothing of it could be decoded here: there is no decoder for it.")
        }
        guard deep.faults > 0 else { return }
        if deep.isEndFaulty && deep.faults == 1 {
            if !isCut {
                cut(
                    "The last part does not decode.",
                    playable: deep.endSeconds.map { $0 - findings.reading.startSeconds })
            }
        } else {
            damage("\(deep.faults) pieces of picture or sound do not decode.", deep.damagedSpans)
        }
    }

    private mutating func judgePictures() {
        let unsized = findings.reading.streams.contains { $0.kind == .video && ($0.width <= 0 || $0.height <= 0) }
        if unsized { damage("A picture stream's size cannot be told: no part of it could be decoded.", []) }
    }

    /// `12.4 s`.
    private static func text(_ seconds: Double) -> String {
        let tenths = Int64((min(max(seconds, 0), 1e12) * 10).rounded())
        return "\(tenths / 10).\(tenths % 10) s"
    }
}
