/// Why no facts about a file could be got. Nothing here is the file's fault: what a file does to the probe is among its
/// facts.
package struct MediaProbeError: Error, Sendable {
    package enum Code: Sendable, Hashable {
        /// `capture-probe` cannot be started, or what was started is no such program of this release.
        case workerUnavailable
        /// The file's descriptor could not be handed over.
        case fileNotHanded
        /// `stop()` was called.
        case stopped
    }

    package var code: Code
    /// What was tried, on what, and what to do.
    package var sentence: String
    package var cause: (any Error)?

    package init(code: Code, sentence: String, cause: (any Error)? = nil) {
        self.code = code
        self.sentence = sentence
        self.cause = cause
    }
}

extension MediaProbeError {
    static let stopped = MediaProbeError(code: .stopped, sentence: "The probe was stopped with the agent.")
}

extension MediaProbeError: CustomStringConvertible {
    package var description: String { cause.map { "\(sentence) (\($0))" } ?? sentence }
}
