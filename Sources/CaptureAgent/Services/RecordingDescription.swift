import EvidenceModel
import MediaIndex

/// Decides what follows from what is known of a recording and what the probe found: its tags. When it started is chosen
/// where the description is written (`Station.describe`): what is beside it counts too.
enum RecordingDescription {
    static func describe(
        _ recording: Recording, facts: MediaFacts, itemList: ItemList?, now: WallTime
    ) -> Recording {
        var described = recording
        described.facts = facts.unreadable(recording.unreadable)
        described.tags = itemList.map { Tagger(list: $0).tags(for: described, at: now) } ?? []
        return described
    }
}
