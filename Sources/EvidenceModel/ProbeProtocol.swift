/// What the agent and its probe worker say to each other over a SOCK_SEQPACKET socket: JSON, one message each, the
/// request with the file's open descriptor. `docs/design/media-probe.md` draws it.
package enum ProbeProtocol {
    /// Both sides must say the same number.
    package static let version = 1
    /// The descriptor a worker finds its end of the socket at.
    package static let socketNumber: Int32 = 3
    /// No message is longer, bytes.
    package static let messageBytes = 64 * 1024
    /// No reply lists more streams; a file's further ones are left out.
    package static let streams = 32
    /// No text from a file is longer, UTF-8 bytes; longer ones are cut.
    package static let textBytes = 256
    /// No reply has more sentences about a file's health.
    package static let sentences = 8
    /// No reply has more places; of a longer track some are taken, spread evenly.
    package static let positions = 48
    /// No reply has more spans of damaged bytes; further ones are joined with the last.
    package static let spans = 16
}

/// The worker's first message: it has started and can be asked.
package struct ProbeHello: Sendable, Hashable, Codable {
    package var version: Int
    /// `59.27.100`: the libavformat that answers.
    package var library: String

    package init(version: Int = ProbeProtocol.version, library: String) {
        self.version = version
        self.library = library
    }
}

/// The agent's question about the file whose descriptor comes with it.
package struct ProbeRequest: Sendable, Hashable, Codable {
    package var version: Int
    /// Stands in the reply again, so that no answer is taken for another file's.
    package var sequence: UInt64
    /// How long the worker may take, milliseconds.
    package var deadlineMilliseconds: Int

    package init(version: Int = ProbeProtocol.version, sequence: UInt64, deadlineMilliseconds: Int) {
        self.version = version
        self.sequence = sequence
        self.deadlineMilliseconds = deadlineMilliseconds
    }

    package enum CodingKeys: String, CodingKey {
        case version, sequence
        case deadlineMilliseconds = "deadline_ms"
    }
}

/// How far the worker came with a file.
package enum ProbeOutcome: String, Sendable, Hashable, Codable, CaseIterable {
    case described, empty, zeroed, broken
    /// Nothing that is looked for: what a sidecar is, too.
    case notMedia = "not_media"
    case tooSlow = "too_slow"
    case readFailed = "read_failed"
}

/// The worker's answer.
package struct ProbeReply: Sendable, Hashable, Codable {
    package var version: Int
    package var sequence: UInt64
    package var outcome: ProbeOutcome
    package var facts: MediaFacts

    package init(
        version: Int = ProbeProtocol.version, sequence: UInt64, outcome: ProbeOutcome, facts: MediaFacts
    ) {
        self.version = version
        self.sequence = sequence
        self.outcome = outcome
        self.facts = facts
    }

    /// What is wrong with a reply that must not be believed, or nothing: the worker has read hostile bytes, so what it
    /// says is checked as if it came from the file.
    package func flaw(askedSequence: UInt64) -> String? {
        if version != ProbeProtocol.version { return "protocol version \(version)" }
        if sequence != askedSequence { return "answer \(sequence) to question \(askedSequence)" }
        if facts.streams.count > ProbeProtocol.streams { return "\(facts.streams.count) streams" }
        if facts.healthDetails.count > ProbeProtocol.sentences { return "\(facts.healthDetails.count) sentences" }
        let texts = [facts.container, facts.creationTime].compactMap(\.self) + facts.streams.map(\.codec)
        if texts.contains(where: { $0.utf8.count > ProbeProtocol.textBytes }) { return "a text that is too long" }
        if let duration = facts.durationSeconds, !(duration >= 0 && duration.isFinite) { return "a wrong duration" }
        let numbers = facts.streams.flatMap { [$0.widthPixels, $0.heightPixels, $0.sampleRateHertz, $0.channels] }
        if numbers.contains(where: { $0.map { $0 < 0 } ?? false }) { return "a negative number" }
        return nil
    }
}
