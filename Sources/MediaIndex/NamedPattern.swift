import Synchronization

/// A regular expression with named groups, compiled once. Matching takes a lock: `Regex` may not be used by two threads.
package final class NamedPattern: Sendable {
    package let text: String
    private let regex: Mutex<Regex<AnyRegexOutput>>

    /// - Throws: the compiler's complaint where `text` is no regular expression.
    package init(_ text: String) throws {
        self.text = text
        regex = Mutex(try Regex(text))
    }

    /// The texts of those of `groups` that took part in the first match in `subject`; nothing without a match.
    package func groups(_ groups: [String], in subject: String) -> [String: String]? {
        regex.withLock { regex in
            guard let match = try? regex.firstMatch(in: subject) else { return nil }
            var found: [String: String] = [:]
            for group in groups {
                if let text = match[group]?.substring, !text.isEmpty { found[group] = String(text) }
            }
            return found
        }
    }

    /// The names of the groups it has, in the order in which they stand.
    package var groupNames: [String] {
        // What looks like a group may stand in a class or be escaped: the compiler knows.
        let candidates = text.matches(of: /\(\?(?:P?<|')(\w+)/).map { String($0.1) }
        return regex.withLock { regex in candidates.filter { regex.contains(captureNamed: $0) } }
    }

    package func matches(_ subject: String) -> Bool { groups([], in: subject) != nil }
}
