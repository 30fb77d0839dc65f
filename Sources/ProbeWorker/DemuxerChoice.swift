/// Which demuxers may read a file from a card, and at what score of certainty.
///
/// libavformat has some 350. The ones that open further files or connections (`hls`, `concat`, `dash`, `imf`, `image2`,
/// `sdp`, `rtsp`), capture devices, scripts and game formats are attack surface without use here. A format is on the
/// list because a body camera, dashboard camera, hearing-room recorder, voice recorder or still camera writes it.
enum DemuxerChoice {
    /// libavformat's name of a demuxer is all its aliases; here stands the first.
    static let allowed: Set<String> = [
        // Cameras and recorders; `mov` is MP4, M4A and 3GP too, `dhav` is Dahua's DAV.
        "mov", "matroska", "avi", "mpegts", "mpeg", "flv", "asf", "dhav", "h264", "hevc",
        // Voice recorders; `dss` and `act` are dictation formats.
        "mp3", "wav", "w64", "aac", "amr", "flac", "ogg", "caf", "dss", "act",
        // Still cameras.
        "jpeg_pipe", "png_pipe", "bmp_pipe", "webp_pipe", "tiff_pipe",
    ]

    /// What is handed to libavformat, which matches any alias.
    static var whitelist: String { allowed.sorted().joined(separator: ",") }

    /// Random bytes were taken for `h263` at 25; MPEG program streams and JPEG reach 26 when they are real.
    static let leastScore: Int32 = 26

    enum Verdict: Equatable {
        /// The name is an allowed demuxer's first alias.
        case open(String)
        /// The name, where it looked like something, is the refused demuxer's first alias.
        case refuse(String?)
    }

    /// - Parameters:
    ///   - format: all aliases of the best guess, none where nothing was recognised.
    ///   - head: what the file begins with. A file with JPEG's first marker is a photo whatever follows the picture
    ///     (camera makers append clips and previews, which libavformat's own guess stumbles over).
    static func verdict(format: String?, score: Int32, head: FileHead) -> Verdict {
        let alias = format.map(firstAlias)
        if let alias, allowed.contains(alias), score >= leastScore { return .open(alias) }
        if head.beginsAsJPEG { return .open("jpeg_pipe") }
        // A few frames behind a long tag are not many to guess from, but the tag says the same.
        if alias == "mp3", head.beginsWithID3 { return .open("mp3") }
        return .refuse(score >= leastScore ? alias : nil)
    }

    static func firstAlias(_ name: String) -> String {
        String(name.prefix { $0 != "," })
    }
}
