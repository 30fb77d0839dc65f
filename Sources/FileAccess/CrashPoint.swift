import Glibc
import Synchronization

/// A moment at which a power cut or a kill must cost nothing. The tests of debug builds let the process die at each of
/// them (`CAPTURE_AGENT_CRASH_AT`); in release builds reaching one does nothing.
///
/// `CAPTURE_AGENT_CRASH_AT=journal.sealed.after` dies the first time that moment is there, with `:3` behind it the third
/// time. The process dies as by kill(1) -9: nothing is written, closed or told any more.
package enum CrashPoint: String, Sendable, Hashable, CaseIterable {
    // A file becomes a recording.
    case spoolCopy = "spool.copy"
    case catalogueInsert = "catalogue.insert"
    case spoolSeal = "spool.seal"
    case planInsert = "plan.insert"
    // Entries of the journal, each with what stands in its transaction.
    case journalCreating = "journal.creating"
    case journalOpened = "journal.opened"
    case journalAcknowledged = "journal.acknowledged"
    case journalForgotten = "journal.forgotten"
    case journalSealed = "journal.sealed"
    case journalCompleted = "journal.completed"
    case journalVerified = "journal.verified"
    case journalLost = "journal.lost"
    case journalParked = "journal.parked"
    // Requests to a target.
    case stepPutWhole = "step.put_whole"
    case stepCreate = "step.create"
    case stepFind = "step.find"
    case stepList = "step.list"
    case stepSend = "step.send"
    case stepCompare = "step.compare"
    case stepComplete = "step.complete"
    case stepInspect = "step.inspect"
    case stepAbort = "step.abort"
    // A file is removed from its device.
    case removalIntent = "removal.intent"
    case removalName = "removal.name"
    case removalFact = "removal.fact"

    package enum Moment: String, Sendable, Hashable, CaseIterable {
        case before, after
    }

    /// Every moment of every point, as `CAPTURE_AGENT_CRASH_AT` names it, in the order in which a recording meets them.
    package static var all: [String] {
        allCases.flatMap { point in Moment.allCases.map { point.name($0) } }
    }

    package func name(_ moment: Moment) -> String { "\(rawValue).\(moment.rawValue)" }

    /// Does not return where the process is to die here.
    package func reached(_ moment: Moment) {
        #if DEBUG
            guard let wanted = Self.wanted, wanted.name == name(moment) else { return }
            let times = Self.times.withLock { times in
                times += 1
                return times
            }
            guard times == wanted.time else { return }
            kill(getpid(), SIGKILL)
            // The signal ends every thread, this one too; until it does nothing more may happen here.
            while true { pause() }
        #endif
    }

    #if DEBUG
        private static let times = Mutex(0)
        private static let wanted: (name: String, time: Int)? = getenv("CAPTURE_AGENT_CRASH_AT").flatMap {
            let words = String(cString: $0).split(separator: ":").map(String.init)
            guard let name = words.first else { return nil }
            return (name, words.count > 1 ? Int(words[1]) ?? 1 : 1)
        }
    #endif
}
