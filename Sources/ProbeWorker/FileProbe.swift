import CAVFormat
package import EvidenceModel
package import FileAccess
import MediaForms

/// Looks into one file: the order of the steps, each of which decides or acts elsewhere.
package struct FileProbe {
    /// What looking came to.
    package struct Result {
        package var outcome: ProbeOutcome
        package var facts: MediaFacts
        /// A JPEG.
        package var picture: [UInt8]?
    }

    /// Sidecars are text: one that is longer is read so far, bytes.
    private static let sidecarBytes: Int64 = 8 << 20
    /// For a picture of a sound the whole of it is read, where it is not longer than this, bytes.
    private static let pictureReadBytes: Int64 = 64 << 20

    /// libavformat says nothing of its own: what is worth saying stands in the reply.
    package static func silenceLibrary() {
        av_log_set_level(AV_LOG_QUIET)
    }

    /// `59.27.100`.
    static var libraryVersion: String {
        let version = avformat_version()
        return "\(version >> 16).\(version >> 8 & 0xFF).\(version & 0xFF)"
    }

    /// Looks in this process, without its protections: the worker's work, and the measure of what a worker costs.
    ///
    /// - Parameter isOver: whether the time for this file is used up.
    package static func look(
        at file: consuming OwnedDescriptor, task: ProbeTask, isOver: @escaping () -> Bool
    ) -> Result {
        let status: FileStatus
        do throws(FileAccessError) { status = try file.status() } catch {
            return Result(outcome: .readFailed, facts: FactsRule.unreadable(readSentence(0, error)))
        }
        guard status.kind == .regular else {
            return Result(
                outcome: .readFailed, facts: FactsRule.unreadable("What was handed over is no regular file."))
        }
        if status.stamp.size == 0 { return empty("The file has no content.", .empty) }
        let mostBytes: Int64 =
            switch task {
            case .describe: ProbeProtocol.readBytes
            case .picture: pictureReadBytes
            case .deep: .max
            }
        let source = ProbeSource(file: file, size: status.stamp.size, mostBytes: mostBytes, isOver: isOver)
        return FileProbe(source: source, head: source.head(), task: task).result()
    }

    private let source: ProbeSource
    private let head: FileHead
    private let task: ProbeTask

    private func result() -> Result {
        var result = head.isZeroed && isZeroThroughout ? zeroed() : described()
        if let failure = source.failure {
            // What was found before is told, but not as if all was well.
            result.facts.health = result.outcome == .described ? .damaged : .unreadable
            result.facts.healthDetails = [Self.readSentence(failure.offset, failure.error)]
            result.facts.playableSeconds = nil
            result.outcome = .readFailed
        } else if source.isTimeOver {
            return Result(
                outcome: .tooSlow,
                facts: FactsRule.unreadable("Describing the file took too long and was given up."))
        }
        return result
    }

    private func described() -> Result {
        do throws(DemuxerRefusal) {
            let demuxer = try Demuxer(source, head: head)
            if let reason = demuxer.analyze() { return broken(demuxer.format, reason) }
            if task == .picture { return picture(demuxer) }
            let form = FileForm.read(demuxer.format, source.bytes)
            let findings = Examination.findings(demuxer, form, isDeep: task == .deep)
            let exif = form.exif.flatMap(ExifReading.read)
            return Result(outcome: .described, facts: FactsRule.facts(findings, head: head, exif: exif))
        } catch {
            switch error {
            case .notMedia(let looksLike):
                let companion = SidecarReading.read(
                    source.bytes.bytes(ByteSpan(offset: 0, length: Self.sidecarBytes)))
                let (outcome, facts) = FactsRule.notMedia(looksLike: looksLike, head: head, companion: companion)
                return Result(outcome: outcome, facts: facts)
            case .broken(let container, let reason): return broken(container, reason)
            case .noMemory:
                return Result(
                    outcome: .broken, facts: FactsRule.unreadable("There was no memory left to look into the file."))
            }
        }
    }

    private func broken(_ format: String, _ reason: String) -> Result {
        let form = FileForm.read(format, source.bytes)
        let (outcome, facts) = FactsRule.broken(format, reason: reason, head: head, form: form)
        return Result(outcome: outcome, facts: facts)
    }

    private func picture(_ demuxer: borrowing Demuxer) -> Result {
        let findings = Findings(size: source.size, reading: demuxer.reading(), form: .other)
        let facts = FactsRule.facts(findings, head: head, exif: nil)
        let picture =
            findings.hasPicture ? Poster.make(demuxer, findings.reading) : Waveform.make(demuxer, findings.reading)
        return Result(outcome: .described, facts: facts, picture: picture)
    }

    // MARK: Nothing in it

    /// The head is zero; whether the rest is, as far as the last block and the blocks that are sampled tell.
    private var isZeroThroughout: Bool { ZeroSearch.tail(source.bytes, least: 1)?.offset == 0 }

    private func zeroed() -> Result {
        Self.empty(
            "The file holds only zero bytes: the recorder reserved the space and wrote nothing, or the card lost it.",
            .zeroed)
    }

    private static func empty(_ sentence: String, _ outcome: ProbeOutcome) -> Result {
        Result(
            outcome: outcome, facts: MediaFacts(kind: .unknown, health: .empty, healthDetails: [sentence]))
    }

    private static func readSentence(_ offset: Int64, _ error: FileAccessError) -> String {
        "The medium could not be read at byte \(offset) (errno \(error.code))."
    }
}
