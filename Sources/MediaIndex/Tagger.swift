package import EvidenceModel

/// Decides which items of the list a recording belongs to, from its source, device, folder and file name.
package struct Tagger: Sendable {
    private let list: ItemList

    package init(list: ItemList) {
        self.list = list
    }

    /// At most one tag for each item, that of the surest rule, the surest first; among equals the rule that stands first.
    package func tags(for recording: Recording, at time: WallTime) -> [Tag] {
        let ranked = list.rules.filter { matches($0, recording) }.enumerated().sorted {
            ($1.element.confidence, $0.offset) < ($0.element.confidence, $1.offset)
        }
        var tagged: Set<String> = []
        return ranked.compactMap { _, rule in
            guard tagged.insert(rule.item).inserted else { return nil }
            return Tag(
                item: rule.item, stage: rule.stage, by: "rule:\(rule.id)", confidence: rule.confidence, at: time,
                listVersion: list.version)
        }
    }

    private func matches(_ rule: ItemList.Rule, _ recording: Recording) -> Bool {
        if let source = rule.source, source != recording.source { return false }
        if let device = rule.device, !(recording.device.map(device.matches) ?? false) { return false }
        if let folder = rule.folder, !folder.matches(recording.sourcePath.parent.display) { return false }
        if let name = rule.fileName, !name.matches(recording.fileName.display) { return false }
        return true
    }
}
