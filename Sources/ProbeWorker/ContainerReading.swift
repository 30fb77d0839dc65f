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
    }

    /// First alias of the demuxer.
    var format: String
    /// None where libavformat knows of none (AV_NOPTS_VALUE).
    var durationMicroseconds: Int64?
    /// The duration is file size by bit rate (AVFMT_DURATION_FROM_BITRATE).
    var isDurationGuessed = false
    var brand: String?
    var creationTime: String?
    var streams: [Stream] = []
}
