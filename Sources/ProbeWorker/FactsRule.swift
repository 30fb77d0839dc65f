import EvidenceModel

/// What is concluded from what was read. Decides; reads nothing.
enum FactsRule {
    static func facts(_ reading: ContainerReading, head: FileHead) -> MediaFacts {
        let isPhoto = reading.format.hasSuffix("_pipe")
        let kind: MediaKind =
            if isPhoto {
                .photo
            } else if reading.streams.contains(where: { $0.kind == .video }) {
                .video
            } else if reading.streams.contains(where: { $0.kind == .audio }) {
                .audio
            } else {
                .unknown
            }
        let (health, details) = judgement(reading, kind)
        return MediaFacts(
            kind: kind, container: container(reading.format, brand: reading.brand ?? head.brand),
            // libavformat gives a lone picture the length of one frame at 25 a second.
            durationSeconds: isPhoto ? nil : seconds(reading.durationMicroseconds),
            streams: reading.streams.map { stream($0, isPhoto: isPhoto) },
            creationTime: reading.creationTime.map(cut), health: health, healthDetails: details)
    }

    /// MP4 and its kin name a brand; QuickTime names `qt`, and before it had brands it named none.
    static func container(_ format: String, brand: String?) -> String {
        guard format == "mov" else { return format }
        return brand == nil || brand == "qt  " ? "mov" : "mp4"
    }

    private static func judgement(_ reading: ContainerReading, _ kind: MediaKind) -> (MediaHealth, [String]) {
        if kind == .unknown {
            return (.unreadable, ["The file is a \(reading.format) container with neither picture nor sound in it."])
        }
        var details: [String] = []
        let unsized = reading.streams.contains { $0.kind == .video && ($0.width <= 0 || $0.height <= 0) }
        if unsized { details.append("A picture stream's size cannot be told: no part of it could be decoded.") }
        if reading.isDurationGuessed && kind != .photo {
            details.append("The length is estimated from the bit rate; the container does not say it.")
        }
        return (unsized ? .damaged : .intact, details)
    }

    private static func seconds(_ microseconds: Int64?) -> Double? {
        guard let microseconds, microseconds >= 0 else { return nil }
        return Double(microseconds) / 1_000_000
    }

    private static func stream(_ stream: ContainerReading.Stream, isPhoto: Bool) -> StreamFacts {
        switch stream.kind {
        case .video:
            StreamFacts(
                kind: .video, codec: cut(stream.codec), widthPixels: positive(stream.width),
                heightPixels: positive(stream.height),
                frameRate: isPhoto ? nil : rate(stream.averageRate) ?? rate(stream.baseRate))
        case .audio:
            StreamFacts(
                kind: .audio, codec: cut(stream.codec), sampleRateHertz: positive(stream.sampleRate),
                channels: positive(stream.channels))
        case .subtitle: StreamFacts(kind: .subtitle, codec: cut(stream.codec))
        case .data, .cover: StreamFacts(kind: .data, codec: cut(stream.codec))
        }
    }

    private static func positive(_ number: Int32) -> Int? { number > 0 ? Int(number) : nil }

    private static func rate(_ ratio: ContainerReading.Ratio) -> Double? {
        guard ratio.numerator > 0, ratio.denominator > 0 else { return nil }
        return Double(ratio.numerator) / Double(ratio.denominator)
    }

    /// At most `ProbeProtocol.textBytes` of UTF-8.
    static func cut(_ text: String) -> String {
        var text = text
        while text.utf8.count > ProbeProtocol.textBytes { text.unicodeScalars.removeLast() }
        return text
    }
}

extension FactsRule {
    /// A file that no demuxer takes.
    static func notMedia(looksLike: String?, head: FileHead) -> (ProbeOutcome, MediaFacts) {
        if head.isHEIF { return (.broken, unopenedHEIF()) }
        let sentence =
            if let looksLike {
                "The file looks like \(looksLike), which is not opened: no camera or recorder writes it."
            } else {
                "The file is of no known recording format."
            }
        return (.notMedia, unreadable(sentence))
    }

    /// A file that a demuxer took and gave up on.
    static func broken(_ format: String, reason: String, head: FileHead) -> (ProbeOutcome, MediaFacts) {
        if head.isHEIF { return (.broken, unopenedHEIF()) }
        let container = container(format, brand: head.brand)
        let missing = format == "mov" ? " Its index (moov) may be missing, as when a recording was cut off." : ""
        var facts = unreadable("The file begins as \(container) but cannot be opened: \(reason).\(missing)")
        facts.container = container
        return (.broken, facts)
    }

    static func unreadable(_ sentence: String) -> MediaFacts {
        MediaFacts(kind: .unknown, health: .unreadable, healthDetails: [sentence])
    }

    private static func unopenedHEIF() -> MediaFacts {
        MediaFacts(
            kind: .photo, container: "heif", health: .unreadable,
            healthDetails: [
                "The file is a HEIF photo by its first bytes; the installed libavformat does not open it, so whether it"
                    + " is whole is not known."
            ])
    }
}
