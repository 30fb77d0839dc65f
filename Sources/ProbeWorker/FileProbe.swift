import CAVFormat
import EvidenceModel
import FileAccess

/// Looks into one file: the order of the steps, each of which decides or acts elsewhere.
enum FileProbe {
    /// libavformat says nothing of its own: what is worth saying stands in the reply.
    static func silenceLibrary() {
        av_log_set_level(AV_LOG_QUIET)
    }

    /// `59.27.100`.
    static var libraryVersion: String {
        let version = avformat_version()
        return "\(version >> 16).\(version >> 8 & 0xFF).\(version & 0xFF)"
    }

    /// - Parameter isOver: whether the time for this file is used up.
    static func look(
        at file: consuming OwnedDescriptor, isOver: @escaping () -> Bool
    ) -> (ProbeOutcome, MediaFacts) {
        do throws(FileAccessError) {
            let status = try file.status()
            guard status.kind == .regular else {
                return (.readFailed, FactsRule.unreadable("What was handed over is no regular file."))
            }
            if status.stamp.size == 0 {
                let facts = MediaFacts(kind: .unknown, health: .empty, healthDetails: ["The file has no content."])
                return (.empty, facts)
            }
            let source = ProbeSource(file: file, size: status.stamp.size, isOver: isOver)
            let head = try source.head()
            if head.isZeroed {
                return (.zeroed, FactsRule.unreadable("The file has only zero bytes at the start."))
            }
            return describe(source, head)
        } catch {
            return (.readFailed, FactsRule.unreadable(readSentence(0, error)))
        }
    }

    private static func describe(_ source: ProbeSource, _ head: FileHead) -> (ProbeOutcome, MediaFacts) {
        var result: (ProbeOutcome, MediaFacts)
        do throws(DemuxerRefusal) {
            let demuxer = try Demuxer(source, head: head)
            if let reason = demuxer.analyze() {
                result = FactsRule.broken(demuxer.format, reason: reason, head: head)
            } else {
                result = (.described, FactsRule.facts(demuxer.reading(), head: head))
            }
        } catch {
            switch error {
            case .notMedia(let looksLike): result = FactsRule.notMedia(looksLike: looksLike, head: head)
            case .broken(let container, let reason):
                result = FactsRule.broken(container, reason: reason, head: head)
            case .noMemory: result = (.broken, FactsRule.unreadable("There was no memory left to look into the file."))
            }
        }
        if let failure = source.failure { return unread(failure, result) }
        if source.isTimeOver {
            return (.tooSlow, FactsRule.unreadable("Describing the file took too long and was given up."))
        }
        return result
    }

    /// A read failed on the way: what was found before is told, but not as if all was well.
    private static func unread(
        _ failure: (offset: Int64, error: FileAccessError), _ result: (ProbeOutcome, MediaFacts)
    ) -> (ProbeOutcome, MediaFacts) {
        var facts = result.1
        facts.health = result.0 == .described ? .damaged : .unreadable
        facts.healthDetails = [readSentence(failure.offset, failure.error)]
        return (.readFailed, facts)
    }

    private static func readSentence(_ offset: Int64, _ error: FileAccessError) -> String {
        "The medium could not be read at byte \(offset) (errno \(error.code))."
    }
}
