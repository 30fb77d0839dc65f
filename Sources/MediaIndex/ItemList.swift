package import LocatedYAML

/// The office's published list of acts that must be recorded (音像记录事项清单), and the station's rules that tell from
/// where and under which name a file came to which item it belongs.
package struct ItemList: Sendable {
    package struct Item: Sendable, Hashable {
        /// `[a-z0-9-]`, the item's name for ever.
        package var id: String
        /// As published.
        package var name: String
        package var stages: [Stage]
    }

    package struct Stage: Sendable, Hashable {
        package var id: String
        package var name: String
    }

    /// Every condition that is there must hold.
    package struct Rule: Sendable {
        package var id: String
        package var item: String
        package var stage: String?
        package var source: String?
        package var device: NamedPattern?
        /// Of the folders below the source's root, with slashes between them.
        package var folder: NamedPattern?
        package var fileName: NamedPattern?
        /// 0 to 1.
        package var confidence: Double
    }

    package var version: String
    package var items: [Item]
    package var rules: [Rule]
}

extension ItemList {
    /// Reads `item-list.yaml`; an item named twice, or a rule about an item or stage that is not there, is an error
    /// with its line.
    package init(file: YAMLFile) throws(YAMLError) {
        self = try file.read { (top) throws(YAMLError) in
            let version = try top.required("version").string()
            var ids: Set<String> = []
            let items = try top.required("items").list { (value) throws(YAMLError) in
                let item = try Self.item(value)
                guard ids.insert(item.id).inserted else { throw value.error("the id \"\(item.id)\" stands twice") }
                return item
            }
            let rules = try top.optional("rules").map { (rules) throws(YAMLError) in
                try rules.list { (rule) throws(YAMLError) in try Self.rule(rule, items: items) }
            }
            return ItemList(version: version, items: items, rules: rules ?? [])
        }
    }

    private static func item(_ value: YAMLValue) throws(YAMLError) -> Item {
        try value.mapping { (item) throws(YAMLError) in
            let stages = try item.optional("stages").map { (stages) throws(YAMLError) in
                try stages.list { (stage) throws(YAMLError) in
                    try stage.mapping { (stage) throws(YAMLError) in
                        Stage(id: try identifier(stage.required("id")), name: try stage.required("name").string())
                    }
                }
            }
            return Item(
                id: try identifier(item.required("id")), name: try item.required("name").string(),
                stages: stages ?? [])
        }
    }

    private static func identifier(_ value: YAMLValue) throws(YAMLError) -> String {
        let text = try value.string()
        guard text.wholeMatch(of: /[a-z0-9-]{1,63}/) != nil else {
            throw value.error("is \"\(text)\", expected 1 to 63 of a-z, 0-9 and -")
        }
        return text
    }

    private static func rule(_ value: YAMLValue, items: [Item]) throws(YAMLError) -> Rule {
        try value.mapping { (rule) throws(YAMLError) in
            let itemValue = try rule.required("item")
            let itemID = try itemValue.string()
            guard let item = items.first(where: { $0.id == itemID }) else {
                throw itemValue.error("the list has no item \"\(itemID)\"")
            }
            var stage: String?
            if let stageValue = rule.optional("stage") {
                let id = try stageValue.string()
                guard item.stages.contains(where: { $0.id == id }) else {
                    throw stageValue.error("the item \"\(itemID)\" has no stage \"\(id)\"")
                }
                stage = id
            }
            return Rule(
                id: try identifier(rule.required("id")), item: itemID, stage: stage,
                source: try rule.optional("source").map { (source) throws(YAMLError) in try source.string() },
                device: try rule.optional("device").map(DeviceProfiles.expression),
                folder: try rule.optional("folder").map(DeviceProfiles.expression),
                fileName: try rule.optional("file_name").map(DeviceProfiles.expression),
                confidence: try rule.optional("confidence").map { (value) throws(YAMLError) in
                    try value.number(in: 0...1)
                } ?? 0.5)
        }
    }
}
