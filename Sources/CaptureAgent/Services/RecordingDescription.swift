import EvidenceModel
import MediaIndex

/// Decides what follows from what is known of a recording and what the probe found: when it started, and its tags.
enum RecordingDescription {
    static func describe(
        _ recording: Recording, facts: MediaFacts, itemList: ItemList?, now: WallTime
    ) -> Recording {
        var described = recording
        described.facts = facts
        (described.startedAt, described.startedAtBasis) = start(
            named: recording.startedAtBasis == .fileName ? recording.startedAt : nil,
            embedded: facts.creationTime.flatMap { WallTime(rfc3339: $0) },
            fileTime: recording.fileTime, collectedAt: recording.collectedAt)
        described.tags = itemList.map { Tagger(list: $0).tags(for: described, at: now) } ?? []
        return described
    }

    /// The first plausible one of: file name, container, modification time.
    private static func start(
        named: WallTime?, embedded: WallTime?, fileTime: WallTime, collectedAt: WallTime
    ) -> (WallTime?, StartBasis) {
        let evidence: [(WallTime?, StartBasis)] = [(named, .fileName), (embedded, .embedded), (fileTime, .fileTime)]
        for (time, basis) in evidence {
            if let time, isPlausible(time, collectedAt) { return (time, basis) }
        }
        return (nil, .unknown)
    }

    /// Clocks of devices begin at 1970, 1980, 1904 or 2000 when their battery was empty; none of our recordings is as
    /// old, and none is from later than tomorrow.
    private static func isPlausible(_ time: WallTime, _ collectedAt: WallTime) -> Bool {
        let earliest = WallTime(millisecondsSince1970: 1_262_304_000_000)  // 2010-01-01
        return time >= earliest && time.seconds(since: collectedAt) < 86_400
    }
}
