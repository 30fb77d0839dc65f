/// What is wrong in a file somebody wrote, and where.
package struct YAMLError: Error, Sendable, Hashable {
    /// The file as it was named, or the environment variable.
    package var file: String
    /// Counts from 1; none where the whole file is meant.
    package var line: Int?
    /// Keys from the top: `targets.0.s3.endpoint`; empty for the file itself.
    package var path: String
    /// One sentence without a full stop.
    package var problem: String

    package init(file: String, line: Int?, path: String, problem: String) {
        self.file = file
        self.line = line
        self.path = path
        self.problem = problem
    }
}

extension YAMLError: CustomStringConvertible {
    /// `/etc/x.yaml:7: upload.deadline_hours: is "four", expected a whole number`.
    package var description: String {
        let place = line.map { "\(file):\($0)" } ?? file
        return path.isEmpty ? "\(place): \(problem)" : "\(place): \(path): \(problem)"
    }
}
