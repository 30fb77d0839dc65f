import EvidenceModel
import MediaForms

/// What is concluded from what was read. Decides; reads nothing.
enum FactsRule {
    /// - Parameter exif: of a photo.
    static func facts(_ findings: Findings, head: FileHead, exif: ExifReading?) -> MediaFacts {
        let reading = findings.reading
        let verdict = HealthRule.verdict(findings)
        let kind: MediaKind =
            if findings.isPhoto {
                .photo
            } else if findings.hasPicture {
                .video
            } else if findings.hasSound {
                .audio
            } else {
                .unknown
            }
        var facts = MediaFacts(
            kind: kind, container: container(reading.format, brand: reading.tags.brand ?? head.brand),
            durationSeconds: verdict.durationSeconds, durationBasis: verdict.durationBasis,
            playableSeconds: verdict.playableSeconds,
            bitRate: findings.isPhoto || reading.bitRate <= 0 ? nil : Int(reading.bitRate),
            streams: reading.streams.map { stream($0, reading, isPhoto: findings.isPhoto) },
            creationTime: creationTime(reading.tags) ?? exif?.creationTime, make: reading.tags.make ?? exif?.make,
            model: reading.tags.model ?? exif?.model,
            positions: [reading.tags.location.flatMap(ISO6709.point) ?? exif?.position].compactMap(\.self),
            health: verdict.health, healthDetails: Array(verdict.details.prefix(ProbeProtocol.sentences)),
            damagedSpans: verdict.damagedSpans)
        if let degrees = exif?.rotationDegrees, !facts.streams.isEmpty {
            facts.streams[0].rotationDegrees = degrees
        }
        return facts.bounded
    }

    /// MP4 and its kin name a brand; QuickTime names `qt`, and before it had brands it named none.
    static func container(_ format: String, brand: String?) -> String {
        guard format == "mov" else { return format }
        return brand == nil || brand == "qt  " ? "mov" : "mp4"
    }

    /// QuickTime's time has the zone's offset, so it says more. libavformat tells a Broadcast Wave's time without its
    /// date.
    private static func creationTime(_ tags: ContainerReading.Tags) -> String? {
        if let local = tags.localCreationTime { return local }
        guard let time = tags.creationTime, !time.contains("-") else { return tags.creationTime }
        return tags.date.map { "\($0)T\(time)" }
    }

    private static func stream(
        _ stream: ContainerReading.Stream, _ reading: ContainerReading, isPhoto: Bool
    ) -> StreamFacts {
        var facts: StreamFacts
        switch stream.kind {
        case .video:
            facts = StreamFacts(
                kind: .video, codec: stream.codec, widthPixels: positive(stream.width),
                heightPixels: positive(stream.height),
                frameRate: isPhoto ? nil : rate(stream.averageRate) ?? rate(stream.baseRate),
                rotationDegrees: [90, 180, 270].contains(stream.rotationDegrees) ? stream.rotationDegrees : nil)
        case .audio:
            facts = StreamFacts(
                kind: .audio, codec: stream.codec, sampleRateHertz: positive(stream.sampleRate),
                channels: positive(stream.channels))
        case .subtitle: facts = StreamFacts(kind: .subtitle, codec: stream.codec)
        case .data, .cover: facts = StreamFacts(kind: .data, codec: stream.codec)
        }
        facts.language = stream.language.flatMap { $0.isEmpty || $0 == "und" ? nil : $0 }
        if !isPhoto {
            let offset = stream.startSeconds.map { $0 - reading.startSeconds } ?? 0
            facts.startOffsetSeconds = offset > 0.001 ? offset : nil
            facts.bitRate = stream.bitRate > 0 ? Int(stream.bitRate) : nil
        }
        return facts
    }

    private static func positive(_ number: Int32) -> Int? { number > 0 ? Int(number) : nil }

    private static func rate(_ ratio: ContainerReading.Ratio) -> Double? {
        guard ratio.numerator > 0, ratio.denominator > 0 else { return nil }
        return Double(ratio.numerator) / Double(ratio.denominator)
    }
}

extension FactsRule {
    /// A file that no demuxer takes.
    ///
    /// - Parameter companion: what it says, where it is the text that a camera writes beside its recording.
    static func notMedia(
        looksLike: String?, head: FileHead, companion: SidecarReading?
    ) -> (ProbeOutcome, MediaFacts) {
        if head.isHEIF { return (.broken, unopenedHEIF()) }
        if let companion { return (.notMedia, sidecar(companion)) }
        if let sign = EncryptionSign.of(head.bytes) {
            let sentence = "The file is encrypted (\(sign)): what it holds cannot be told without its key."
            return (.notMedia, MediaFacts(kind: .unknown, health: .encrypted, healthDetails: [sentence]))
        }
        let sentence =
            if let looksLike {
                "The file looks like \(looksLike), which is not opened: no camera or recorder writes it."
            } else {
                "The file is of no known recording format."
            }
        return (.notMedia, unreadable(sentence))
    }

    private static func sidecar(_ companion: SidecarReading) -> MediaFacts {
        let local = companion.localStart.map { String($0.wallTime(offsetSeconds: 0).rfc3339().dropLast()) }
        return MediaFacts(
            kind: .sidecar, creationTime: companion.startedAt?.rfc3339() ?? local,
            positions: Track.thinned(companion.positions, to: ProbeProtocol.positions), health: .intact)
    }

    /// A file that a demuxer took and gave up on.
    static func broken(
        _ format: String, reason: String, head: FileHead, form: FileForm
    ) -> (ProbeOutcome, MediaFacts) {
        if head.isHEIF { return (.broken, unopenedHEIF()) }
        let container = container(format, brand: head.brand)
        var facts =
            unopened(form) ?? unreadable("The file begins as \(container) but cannot be opened: \(reason).")
        facts.container = container
        return (.broken, facts.bounded)
    }

    /// What its form says of a file that libavformat says nothing of.
    private static func unopened(_ form: FileForm) -> MediaFacts? {
        guard case .boxes(let boxes) = form else { return nil }
        let media = boxes.mediaSpans.reduce(0) { $0 + $1.length }
        if boxes.isEncrypted {
            return MediaFacts(
                kind: .unknown, health: .encrypted,
                healthDetails: ["The recording is encrypted: it cannot be opened without its key."])
        }
        guard !boxes.hasIndex, media > 0 else { return nil }
        return MediaFacts(
            kind: .unknown, playableSeconds: 0, health: .truncated,
            healthDetails: [
                "The recording was cut off before its index (moov) was written: no player opens it. It holds \(media)"
                    + " bytes of picture and sound, which a recovery on a copy may bring back."
            ])
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

extension MediaFacts {
    /// The same, with every text as long as a reply may have it.
    fileprivate var bounded: MediaFacts {
        var facts = self
        let bytes = ProbeProtocol.textBytes
        facts.container = container?.prefix(utf8Bytes: bytes)
        facts.creationTime = creationTime?.prefix(utf8Bytes: bytes)
        facts.make = make?.prefix(utf8Bytes: bytes)
        facts.model = model?.prefix(utf8Bytes: bytes)
        facts.healthDetails = healthDetails.map { $0.prefix(utf8Bytes: ProbeProtocol.sentenceBytes) }
        for index in streams.indices {
            facts.streams[index].codec = streams[index].codec.prefix(utf8Bytes: bytes)
            facts.streams[index].language = streams[index].language?.prefix(utf8Bytes: bytes)
        }
        return facts
    }
}

extension String {
    /// At most so many bytes of UTF-8, whole characters.
    func prefix(utf8Bytes most: Int) -> String {
        var text = self
        while text.utf8.count > most { text.unicodeScalars.removeLast() }
        return text
    }
}
