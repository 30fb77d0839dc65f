/// What kind of thing a recording is, by its content and not by its name.
package enum MediaKind: String, Sendable, Hashable, Codable, CaseIterable {
    case video, audio, photo, sidecar, unknown
}

/// What state the medium itself is in, as far as it was looked at.
package enum MediaHealth: String, Sendable, Hashable, Codable, CaseIterable {
    /// Opened, described, and nothing was seen that contradicts; no promise that every frame decodes.
    case intact
    case truncated, damaged, unreadable, empty, encrypted
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

    package init(
        kind: Kind, codec: String, widthPixels: Int? = nil, heightPixels: Int? = nil, frameRate: Double? = nil,
        sampleRateHertz: Int? = nil, channels: Int? = nil
    ) {
        self.kind = kind
        self.codec = codec
        self.widthPixels = widthPixels
        self.heightPixels = heightPixels
        self.frameRate = frameRate
        self.sampleRateHertz = sampleRateHertz
        self.channels = channels
    }

    package enum CodingKeys: String, CodingKey {
        case kind, codec, channels
        case widthPixels = "width_px"
        case heightPixels = "height_px"
        case frameRate = "frame_rate"
        case sampleRateHertz = "sample_rate_hz"
    }
}

/// What the probe found in a file. The file itself is never changed by it, nor refused because of it.
package struct MediaFacts: Sendable, Hashable, Codable {
    package var kind: MediaKind
    /// libavformat's short name of the demuxer, its first alias: `matroska`, `mpegts`; none where no demuxer took it.
    /// The family `mov,mp4,…` is `mp4` unless its brand is QuickTime's or it has none: then `mov`.
    package var container: String?
    /// Seconds, as the container says; none where it does not.
    package var durationSeconds: Double?
    package var streams: [StreamFacts]
    /// The container's creation time as it stands there, RFC 3339 in UTC; not judged.
    package var creationTime: String?
    package var health: MediaHealth
    /// Sentences for a person, each about one thing that is not as it should be.
    package var healthDetails: [String]

    package init(
        kind: MediaKind, container: String? = nil, durationSeconds: Double? = nil, streams: [StreamFacts] = [],
        creationTime: String? = nil, health: MediaHealth, healthDetails: [String] = []
    ) {
        self.kind = kind
        self.container = container
        self.durationSeconds = durationSeconds
        self.streams = streams
        self.creationTime = creationTime
        self.health = health
        self.healthDetails = healthDetails
    }

    package enum CodingKeys: String, CodingKey {
        case kind, container, streams, health
        case durationSeconds = "duration_seconds"
        case creationTime = "creation_time"
        case healthDetails = "health_details"
    }
}
