/// What the agent and its probe worker say to each other over a SOCK_SEQPACKET socket: JSON, one message each, the
/// request with the file's open descriptor. `docs/design/media-probe.md` draws it.
package enum ProbeProtocol {
    /// Both sides must say the same number.
    package static let version = 2
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
    /// No sentence is longer, UTF-8 bytes.
    package static let sentenceBytes = 1024
    /// No picture is larger, bytes.
    package static let pictureBytes = 64 * 1024
    /// No picture is wider or higher, pixels.
    package static let pictureSide = 640
    /// So much of a file is read at most to describe it, bytes.
    package static let readBytes: Int64 = 32 << 20
    /// No reply has more places; of a longer track some are taken, spread evenly.
    package static let positions = 48
    /// No reply has more spans of damaged bytes; further ones are joined with the last.
    package static let spans = 16
}

/// The worker's first message: it has started, has given up what it does not need, and can be asked.
package struct ProbeHello: Sendable, Hashable, Codable {
    package var version: Int
    /// `59.27.100`: the libavformat that answers.
    package var library: String
    package var protections: ProbeProtections

    package init(version: Int = ProbeProtocol.version, library: String, protections: ProbeProtections) {
        self.version = version
        self.library = library
        self.protections = protections
    }
}

/// What the kernel keeps a worker from, as far as this kernel can.
package struct ProbeProtections: Sendable, Hashable, Codable {
    /// prctl(2), PR_SET_NO_NEW_PRIVS.
    package var noNewPrivileges: Bool
    /// seccomp(2): only the calls that reading, memory and answering need.
    package var systemCallFilter: Bool
    /// landlock(7): version of the kernel's rules, 0 where it has none. No file can be opened under any of them, no TCP
    /// port from version 4 on, no abstract socket or signal leaves the worker from version 6 on.
    package var landlockVersion: Int

    package init(noNewPrivileges: Bool, systemCallFilter: Bool, landlockVersion: Int) {
        self.noNewPrivileges = noNewPrivileges
        self.systemCallFilter = systemCallFilter
        self.landlockVersion = landlockVersion
    }

    package enum CodingKeys: String, CodingKey {
        case noNewPrivileges = "no_new_privileges"
        case systemCallFilter = "system_call_filter"
        case landlockVersion = "landlock_version"
    }
}

/// What a worker is to do with a file.
package enum ProbeTask: String, Sendable, Hashable, Codable, CaseIterable {
    /// Facts and health, by reading at most `ProbeProtocol.readBytes`.
    case describe
    /// Facts and health, by decoding everything.
    case deep
    /// A small JPEG picture for people: of a video a frame, of a sound its waveform.
    case picture
}

/// The agent's question about the file whose descriptor comes with it.
package struct ProbeRequest: Sendable, Hashable, Codable {
    package var version: Int
    /// Stands in the reply again, so that no answer is taken for another file's.
    package var sequence: UInt64
    package var task: ProbeTask
    /// How long the worker may take, milliseconds.
    package var deadlineMilliseconds: Int
    /// How much processor time of it, milliseconds.
    package var processorMilliseconds: Int

    package init(
        version: Int = ProbeProtocol.version, sequence: UInt64, task: ProbeTask, deadlineMilliseconds: Int,
        processorMilliseconds: Int
    ) {
        self.version = version
        self.sequence = sequence
        self.task = task
        self.deadlineMilliseconds = deadlineMilliseconds
        self.processorMilliseconds = processorMilliseconds
    }

    package enum CodingKeys: String, CodingKey {
        case version, sequence, task
        case deadlineMilliseconds = "deadline_ms"
        case processorMilliseconds = "processor_ms"
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

/// The worker's answer. Where it was asked for a picture, and could make one, a message with the picture follows.
package struct ProbeReply: Sendable, Hashable, Codable {
    package var version: Int
    package var sequence: UInt64
    package var outcome: ProbeOutcome
    package var facts: MediaFacts
    /// Bytes of the JPEG picture that is the next message; none where there is none.
    package var pictureBytes: Int?

    package init(
        version: Int = ProbeProtocol.version, sequence: UInt64, outcome: ProbeOutcome, facts: MediaFacts,
        pictureBytes: Int? = nil
    ) {
        self.version = version
        self.sequence = sequence
        self.outcome = outcome
        self.facts = facts
        self.pictureBytes = pictureBytes
    }

    package enum CodingKeys: String, CodingKey {
        case version, sequence, outcome, facts
        case pictureBytes = "picture_bytes"
    }

    /// What is wrong with a reply that must not be believed, or nothing: the worker has read hostile bytes, so what it
    /// says is checked as if it came from the file.
    package func flaw(askedSequence: UInt64) -> String? {
        if version != ProbeProtocol.version { return "protocol version \(version)" }
        if sequence != askedSequence { return "answer \(sequence) to question \(askedSequence)" }
        if let pictureBytes, !(1...ProbeProtocol.pictureBytes).contains(pictureBytes) {
            return "a picture of \(pictureBytes) bytes"
        }
        return facts.flaw
    }
}

extension MediaFacts {
    /// What is out of bounds in facts that a worker told.
    fileprivate var flaw: String? {
        if streams.count > ProbeProtocol.streams { return "\(streams.count) streams" }
        if healthDetails.count > ProbeProtocol.sentences { return "\(healthDetails.count) sentences" }
        if positions.count > ProbeProtocol.positions { return "\(positions.count) places" }
        let years =
            WallTime(
                millisecondsSince1970: -62_135_596_800_000)...WallTime(
                millisecondsSince1970: 253_402_300_799_999)
        if positions.contains(where: { $0.at.map { !years.contains($0) } ?? false }) {
            return "a time out of all years"
        }
        if damagedSpans.count > ProbeProtocol.spans { return "\(damagedSpans.count) damaged spans" }
        let texts =
            [container, creationTime, make, model].compactMap(\.self) + streams.map(\.codec)
            + streams.compactMap(\.language)
        if texts.contains(where: { $0.utf8.count > ProbeProtocol.textBytes }) { return "a text that is too long" }
        if healthDetails.contains(where: { $0.utf8.count > ProbeProtocol.sentenceBytes }) {
            return "a sentence that is too long"
        }
        for seconds in [durationSeconds, playableSeconds] {
            if let seconds, !(0...1e10).contains(seconds) { return "a wrong duration" }
        }
        let numbers = streams.flatMap { stream in
            [
                stream.widthPixels, stream.heightPixels, stream.sampleRateHertz, stream.channels, stream.bitRate,
                stream.rotationDegrees,
            ]
        }
        if (numbers + [bitRate]).contains(where: { $0.map { $0 < 0 } ?? false }) { return "a negative number" }
        let reals = streams.flatMap { [$0.frameRate, $0.startOffsetSeconds] }
        if reals.contains(where: { $0.map { !$0.isFinite } ?? false }) { return "a number that is none" }
        return nil
    }
}
