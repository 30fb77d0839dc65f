import Yams

/// A YAML file of ours: a mapping at the top, every value read with the line it stands on.
package struct YAMLFile {
    /// As it is named in messages.
    package let name: String
    private let root: YAMLValue

    /// Parses `text` (YAML 1.2 as Yams reads it).
    ///
    /// - Parameters:
    ///   - overrides: environment variables that may replace scalars, by full name.
    ///   - prefix: what those names begin with, `CAPTURE_AGENT`; a scalar `station.id` is then `CAPTURE_AGENT_STATION_ID`.
    /// - Throws: `YAMLError` with the line of the first thing that is no YAML.
    package init(
        name: String, text: String, overrides: [String: String] = [:], prefix: String? = nil
    ) throws(YAMLError) {
        let node: Node?
        do {
            node = try Yams.compose(yaml: text)
        } catch {
            throw Self.located(error, in: name)
        }
        guard let node else {
            throw YAMLError(file: name, line: nil, path: "", problem: "is empty")
        }
        self.name = name
        root = YAMLValue(
            node: node, path: [], file: name, environment: YAMLEnvironment(prefix: prefix, variables: overrides))
    }

    /// Reads the top mapping with `body`; a key that `body` did not ask for is an error.
    package func read<Result>(
        _ body: (inout YAMLMapping) throws(YAMLError) -> Result
    ) throws(YAMLError) -> Result {
        try root.mapping(body)
    }

    private static func located(_ error: any Error, in name: String) -> YAMLError {
        guard let error = error as? YamlError else {
            return YAMLError(file: name, line: nil, path: "", problem: "is no YAML: \(error)")
        }
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            return YAMLError(file: name, line: mark.line, path: "", problem: "is no YAML: \(problem)")
        case .duplicatedKeysInMapping(let duplicates, let context):
            let keys = duplicates.map { "\"\($0)\"" }.sorted().joined(separator: ", ")
            return YAMLError(
                file: name, line: context.mark.line, path: "", problem: "a key stands twice in one mapping: \(keys)")
        default:
            return YAMLError(file: name, line: nil, path: "", problem: "is no YAML: \(error)")
        }
    }
}

/// Environment variables that replace scalars.
struct YAMLEnvironment: Sendable {
    let prefix: String?
    let variables: [String: String]

    /// The variable for `path` and its value, where there is one.
    func override(of path: [String]) -> (name: String, value: String)? {
        guard let prefix else { return nil }
        let name = ([prefix] + path.map { $0.uppercased() }).joined(separator: "_")
        return variables[name].map { (name, $0) }
    }
}
