/// A mapping that is being read. It remembers which keys were asked for, and takes those for the known ones.
package struct YAMLMapping {
    let value: YAMLValue
    private let entries: [String: YAMLValue]
    private var known: [String] = []

    init(value: YAMLValue, entries: [String: YAMLValue]) {
        self.value = value
        self.entries = entries
    }

    /// The value of `key`, or nothing where it is absent or null.
    package mutating func optional(_ key: String) -> YAMLValue? {
        known.append(key)
        if let overridden = value.overridden(key: key) { return overridden }
        guard let entry = entries[key], !entry.isNull else { return nil }
        return entry
    }

    /// The value of `key`, which must be there.
    package mutating func required(_ key: String) throws(YAMLError) -> YAMLValue {
        guard let entry = optional(key) else { throw missing(key) }
        return entry
    }

    /// An error about this mapping as a whole.
    package func error(_ problem: String) -> YAMLError { value.error(problem) }

    private func missing(_ key: String) -> YAMLError {
        // The likeliest cause is a misspelling: name the key that stands there and means nothing.
        let stranger = entries.keys.filter { !known.contains($0) }
            .min { EditDistance.between($0, key) < EditDistance.between($1, key) }
        guard let stranger, EditDistance.between(stranger, key) <= 2 else {
            return value.error("the key \"\(key)\" is missing")
        }
        return value.error("the key \"\(key)\" is missing: is \"\(stranger)\" meant to be it?")
    }

    /// Complains about the first key, by line, that nobody asked for.
    func finish() throws(YAMLError) {
        let unknown = entries.filter { !known.contains($0.key) }
        guard let first = unknown.min(by: { ($0.value.keyLine ?? 0, $0.key) < ($1.value.keyLine ?? 0, $1.key) }) else {
            return
        }
        let nearest = known.min { EditDistance.between($0, first.key) < EditDistance.between($1, first.key) }
        let hint = nearest.map { ", the nearest known key is \"\($0)\"" } ?? ""
        throw YAMLError(
            file: value.file, line: first.value.keyLine, path: value.pathText,
            problem: "the key \"\(first.key)\" is not known\(hint)")
    }
}

/// Levenshtein's distance: how many single characters to insert, delete or replace.
package enum EditDistance {
    package static func between(_ left: String, _ right: String) -> Int {
        let (left, right) = (Array(left), Array(right))
        var row = Array(0...right.count)
        for (i, a) in left.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, b) in right.enumerated() {
                let substituted = diagonal + (a == b ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(substituted, row[j] + 1, row[j + 1] + 1)
            }
        }
        return row[right.count]
    }
}
