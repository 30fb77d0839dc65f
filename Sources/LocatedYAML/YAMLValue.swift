import Yams

/// One value of a YAML file, its place, and readers for what it may be.
package struct YAMLValue {
    private let node: Node
    private let path: [String]
    let file: String
    private let environment: YAMLEnvironment
    /// Line of the key this value belongs to.
    var keyLine: Int?

    init(node: Node, path: [String], file: String, environment: YAMLEnvironment, keyLine: Int? = nil) {
        self.node = node
        self.path = path
        self.file = file
        self.environment = environment
        self.keyLine = keyLine
    }

    /// Keys from the top, joined by dots.
    var pathText: String { path.joined(separator: ".") }

    /// Counts from 1.
    package var line: Int? { node.mark?.line ?? keyLine }

    var isNull: Bool { node.null != nil && node.scalar?.style == .plain }

    /// An error about this value, with its file, line and path.
    package func error(_ problem: String) -> YAMLError {
        YAMLError(file: file, line: line, path: pathText, problem: problem)
    }

    /// The text of a scalar, whatever it looks like.
    package func string() throws(YAMLError) -> String {
        guard let scalar = node.scalar else { throw error("expected a single value, not a list or a mapping") }
        return scalar.string
    }

    package func integer(in range: ClosedRange<Int64> = .min ... .max) throws(YAMLError) -> Int64 {
        let text = try string()
        guard let number = Int64(text) else { throw error("is \"\(text)\", expected a whole number") }
        guard range.contains(number) else {
            throw error("is \(number), expected \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    package func number(in range: ClosedRange<Double>) throws(YAMLError) -> Double {
        let text = try string()
        guard let number = Double(text), number.isFinite else { throw error("is \"\(text)\", expected a number") }
        guard range.contains(number) else {
            throw error("is \(text), expected \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    package func boolean() throws(YAMLError) -> Bool {
        switch try string() {
        case "true": return true
        case "false": return false
        case let text: throw error("is \"\(text)\", expected true or false")
        }
    }

    /// One of the values of an enumeration, by its raw text.
    package func choice<Choice: RawRepresentable & CaseIterable>(
        _ type: Choice.Type
    ) throws(YAMLError) -> Choice where Choice.RawValue == String {
        let text = try string()
        guard let choice = Choice(rawValue: text) else {
            let choices = Choice.allCases.map(\.rawValue).joined(separator: ", ")
            throw error("is \"\(text)\", expected one of: \(choices)")
        }
        return choice
    }

    package func list<Element>(
        _ body: (YAMLValue) throws(YAMLError) -> Element
    ) throws(YAMLError) -> [Element] {
        guard let sequence = node.sequence else { throw error("expected a list") }
        var elements: [Element] = []
        for (index, element) in sequence.enumerated() {
            let value = YAMLValue(node: element, path: path + [String(index)], file: file, environment: environment)
            elements.append(try body(overridden(key: String(index)) ?? value))
        }
        return elements
    }

    /// Reads a mapping with `body`; a key that `body` did not ask for is an error.
    package func mapping<Result>(
        _ body: (inout YAMLMapping) throws(YAMLError) -> Result
    ) throws(YAMLError) -> Result {
        guard let mapping = node.mapping else { throw error("expected a mapping of keys to values") }
        var entries: [String: YAMLValue] = [:]
        for (key, element) in mapping {
            let name = key.scalar?.string ?? ""
            entries[name] = YAMLValue(
                node: element, path: path + [name], file: file, environment: environment, keyLine: key.mark?.line)
        }
        var reader = YAMLMapping(value: self, entries: entries)
        let result = try body(&reader)
        try reader.finish()
        return result
    }

    /// The scalar that an environment variable puts in place of this mapping's `key`, or of this list's element by its index.
    func overridden(key: String) -> YAMLValue? {
        guard let (name, text) = environment.override(of: path + [key]) else { return nil }
        return YAMLValue(
            node: Node(text), path: path + [key], file: "environment variable \(name)", environment: environment)
    }
}
