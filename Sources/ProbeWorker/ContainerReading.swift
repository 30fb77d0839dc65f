/// What libavformat said of a file, before anything is concluded from it.
struct ContainerReading: Equatable {
    struct Ratio: Equatable {
        var numerator: Int32
        var denominator: Int32
    }

    struct Stream: Equatable {
        enum Kind: Equatable {
            case video, audio, subtitle, data
            /// A picture attached to a recording, not part of it (AV_DISPOSITION_ATTACHED_PIC).
            case cover
        }

        var kind: Kind
        var codec: String
        var width: Int32 = 0
        var height: Int32 = 0
        var averageRate = Ratio(numerator: 0, denominator: 0)
        var baseRate = Ratio(numerator: 0, denominator: 0)
        var sampleRate: Int32 = 0
        var channels: Int32 = 0
        /// Degrees counter-clockwise by which the picture was turned, as av_display_rotation_get(3) tells.
        var displayRotation: Double = 0
        var language: String?
        /// Seconds from the beginning of the file's clock.
        var startSeconds: Double?
        /// Bits per second, 0 where the container has none.
        var bitRate: Int64 = 0
        /// Bytes of the length before each unit of a sample: ISO/IEC 14496-15, `lengthSizeMinusOne`; 0 for codecs that
        /// have none.
        var unitLengthBytes: Int = 0

        /// Degrees clockwise by which the picture is to be turned for viewing, 0 to 359: libavutil counts against the clock
        /// what is to be undone with it.
        var rotationDegrees: Int { (Int((-displayRotation).rounded()) % 360 + 360) % 360 }

        /// Any bytes may stand in its samples, zeros too: sound as it is, and codecs that write zeros for silence, as all
        /// of differences do; of a codec that is not known the same is supposed.
        var isRaw: Bool { kind == .audio ? !Self.framedSound.contains(codec) : codec == "rawvideo" }

        /// Codecs of sound whose every frame begins with, or has, bits that are set.
        private static let framedSound: Set<String> = [
            "aac", "mp1", "mp2", "mp3", "opus", "vorbis", "flac", "alac", "ac3", "eac3", "amr_nb", "amr_wb",
        ]
    }

    /// Texts about the whole file, as they stand there.
    struct Tags: Equatable {
        var brand: String?
        var creationTime: String?
        /// QuickTime's, with the offset of the zone the device was in.
        var localCreationTime: String?
        /// Broadcast Wave, EBU Tech 3285: a date of no zone; the time that belongs to it is `creationTime` then.
        var date: String?
        var make: String?
        var model: String?
        /// ISO 6709.
        var location: String?
    }

    /// First alias of the demuxer.
    var format: String
    /// None where libavformat knows of none (AV_NOPTS_VALUE).
    var durationMicroseconds: Int64?
    /// The duration is file size by bit rate (AVFMT_DURATION_FROM_BITRATE).
    var isDurationGuessed = false
    /// Bits per second, 0 where unknown.
    var bitRate: Int64 = 0
    var tags = Tags()
    var streams: [Stream] = []

    /// Seconds from the beginning of the file's clock to the first stream.
    var startSeconds: Double { streams.compactMap(\.startSeconds).min() ?? 0 }

    var durationSeconds: Double? {
        durationMicroseconds.flatMap { $0 >= 0 ? Double($0) / 1_000_000 : nil }
    }
}
