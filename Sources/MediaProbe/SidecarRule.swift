import EvidenceModel

/// Which files belong to a recording instead of being one. The one place where a name says what a file is, because
/// these formats have nothing else to be known by.
enum SidecarRule {
    /// Text, keys and indexes that no demuxer takes: a sidecar unless the content says otherwise.
    private static let companions: Set<String> = [
        "srt", "gpx", "nmea", "log", "idx", "key", "json", "txt", "xml", "csv",
    ]

    /// A camera's own small copy of a recording: a JPEG and an MP4 by content. The name wins over the content, for a
    /// preview is no second recording of the act, and would count twice in what is covered. Its streams are told all the
    /// same.
    private static let previews: Set<String> = ["thm", "lrv"]

    static func facts(_ reply: ProbeReply, name: RawPath) -> MediaFacts {
        let ending = fileExtension(name)
        var facts = reply.facts
        if previews.contains(ending) {
            facts.kind = .sidecar
            return facts
        }
        guard companions.contains(ending) else { return facts }
        switch reply.outcome {
        case .notMedia:
            // What its text says of places and times is kept.
            if facts.kind != .sidecar { return MediaFacts(kind: .sidecar, health: .intact) }
        case .empty, .zeroed: facts.kind = .sidecar
        case .described, .broken, .tooSlow, .readFailed: break
        }
        return facts
    }

    /// What stands behind the last dot, in small letters; empty where there is none.
    private static func fileExtension(_ name: RawPath) -> String {
        let bytes = name.lastComponent.bytes
        guard let dot = bytes.lastIndex(of: UInt8(ascii: ".")) else { return "" }
        return String(decoding: bytes[(dot + 1)...], as: UTF8.self).lowercased()
    }
}
