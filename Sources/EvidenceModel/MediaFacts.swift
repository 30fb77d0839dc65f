/// What kind of thing a recording is, by its content and not by its name.
package enum MediaKind: String, Sendable, Hashable, Codable, CaseIterable {
    case video, audio, photo, sidecar, unknown
}

/// What state the medium itself is in, as far as it was looked at.
package enum MediaHealth: String, Sendable, Hashable, Codable, CaseIterable {
    /// Opened, described, and nothing was seen that contradicts; that every frame decodes is known after a deep look
    /// only.
    case intact
    /// The end is missing: cut off, or never written. What is there plays for `playableSeconds`.
    case truncated
    /// Bytes in it are not what was recorded: `damagedSpans` says which, where that can be told.
    case damaged
    /// Nothing that is looked for, or an index that is beyond use.
    case unreadable
    /// No bytes, or only zero bytes.
    case empty
    /// Signs of encryption: what is in it cannot be told here.
    case encrypted
}

/// What the length of a recording rests on.
package enum DurationBasis: String, Sendable, Hashable, Codable, CaseIterable {
    /// The container says it, or every packet was counted.
    case exact
    /// Size divided by bit rate, or what a broken index promises.
    case estimated
}

/// One elementary stream of a recording.
package struct StreamFacts: Sendable, Hashable, Codable {
    package enum Kind: String, Sendable, Hashable, Codable {
        /// A cover picture inside a recording is `data`: it is no moving picture.
        case video, audio, subtitle, data
    }

    package var kind: Kind
    /// libavcodec's name of the codec: `h264`, `aac`.
    package var codec: String
    /// Pixels; video only.
    package var widthPixels: Int?
    /// Pixels; video only.
    package var heightPixels: Int?
    /// Frames per second; video only, where the container tells.
    package var frameRate: Double?
    /// Hertz; audio only.
    package var sampleRateHertz: Int?
    /// Audio only.
    package var channels: Int?
    /// Degrees clockwise by which the picture is to be turned for viewing: 90, 180 or 270; video only, none where it
    /// stands upright.
    package var rotationDegrees: Int?
    /// ISO 639-2 code as the container has it; none where it has none or says `und`.
    package var language: String?
    /// Seconds between the beginning of the recording and of this stream, where they differ: a camera that keeps the
    /// picture of before the button was pressed may keep it without sound.
    package var startOffsetSeconds: Double?
    /// Bits per second, as the container says.
    package var bitRate: Int?

    package init(
        kind: Kind, codec: String, widthPixels: Int? = nil, heightPixels: Int? = nil, frameRate: Double? = nil,
        sampleRateHertz: Int? = nil, channels: Int? = nil, rotationDegrees: Int? = nil, language: String? = nil,
        startOffsetSeconds: Double? = nil, bitRate: Int? = nil
    ) {
        self.kind = kind
        self.codec = codec
        self.widthPixels = widthPixels
        self.heightPixels = heightPixels
        self.frameRate = frameRate
        self.sampleRateHertz = sampleRateHertz
        self.channels = channels
        self.rotationDegrees = rotationDegrees
        self.language = language
        self.startOffsetSeconds = startOffsetSeconds
        self.bitRate = bitRate
    }

    package enum CodingKeys: String, CodingKey {
        case kind, codec, channels, language
        case widthPixels = "width_px"
        case heightPixels = "height_px"
        case frameRate = "frame_rate"
        case sampleRateHertz = "sample_rate_hz"
        case rotationDegrees = "rotation_degrees"
        case startOffsetSeconds = "start_offset_seconds"
        case bitRate = "bit_rate"
    }
}

/// What the probe found in a file. The file itself is never changed by it, nor refused because of it.
package struct MediaFacts: Sendable, Hashable, Codable {
    package var kind: MediaKind
    /// libavformat's short name of the demuxer, its first alias: `matroska`, `mpegts`; none where no demuxer took it.
    /// The family `mov,mp4,…` is `mp4` unless its brand is QuickTime's or it has none: then `mov`.
    package var container: String?
    /// Seconds; none where nothing tells. What the recording was meant to be: of a truncated one less plays.
    package var durationSeconds: Double?
    /// There where `durationSeconds` is.
    package var durationBasis: DurationBasis?
    /// Seconds from the beginning that play; truncated recordings only, where it can be told.
    package var playableSeconds: Double?
    /// Bits per second of the whole file, as the container says.
    package var bitRate: Int?
    package var streams: [StreamFacts]
    /// The time of making as it stands in the file, RFC 3339; without an offset where the file gives none (Exif's local
    /// times). Not judged: the year 1904 or 2000 may stand here.
    package var creationTime: String?
    /// Who made the device, as the file says.
    package var make: String?
    /// The device's model, as the file says.
    package var model: String?
    /// Where it was recorded: at most `ProbeProtocol.positions` places of those in the file, in its order, the first and
    /// the last among them.
    package var positions: [GeoPoint]
    package var health: MediaHealth
    /// Sentences for a person, each about one thing that is not as it should be, or that is worth knowing.
    package var healthDetails: [String]
    /// Bytes that are not what was recorded, ascending; at most `ProbeProtocol.spans`.
    package var damagedSpans: [ByteSpan]

    package init(
        kind: MediaKind, container: String? = nil, durationSeconds: Double? = nil,
        durationBasis: DurationBasis? = nil, playableSeconds: Double? = nil, bitRate: Int? = nil,
        streams: [StreamFacts] = [], creationTime: String? = nil, make: String? = nil, model: String? = nil,
        positions: [GeoPoint] = [], health: MediaHealth, healthDetails: [String] = [], damagedSpans: [ByteSpan] = []
    ) {
        self.kind = kind
        self.container = container
        self.durationSeconds = durationSeconds
        self.durationBasis = durationBasis
        self.playableSeconds = playableSeconds
        self.bitRate = bitRate
        self.streams = streams
        self.creationTime = creationTime
        self.make = make
        self.model = model
        self.positions = positions
        self.health = health
        self.healthDetails = healthDetails
        self.damagedSpans = damagedSpans
    }

    package enum CodingKeys: String, CodingKey {
        case kind, container, streams, health, make, model, positions
        case durationSeconds = "duration_seconds"
        case durationBasis = "duration_basis"
        case playableSeconds = "playable_seconds"
        case bitRate = "bit_rate"
        case creationTime = "creation_time"
        case healthDetails = "health_details"
        case damagedSpans = "damaged_bytes"
    }
}

extension MediaFacts {
    /// What is true of a file of which `spans` could not be read from its device, so that zeros stand there: whatever
    /// the look at it says, it is damaged.
    package func unreadable(_ spans: [ByteSpan]) -> MediaFacts {
        guard !spans.isEmpty else { return self }
        var facts = self
        facts.health = .damaged
        let bytes = spans.reduce(0) { $0 + $1.length }
        facts.healthDetails.insert(
            "\(bytes) bytes in \(spans.count) places could not be read from the device; zeros stand there.", at: 0)
        facts.damagedSpans = ByteSpan.joined(facts.damagedSpans + spans, most: ProbeProtocol.spans)
        return facts
    }
}
