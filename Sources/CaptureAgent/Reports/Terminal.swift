import EvidenceModel
import Foundation
import Logging
import Synchronization

/// Standard error, shared by log lines and the one line of progress below them.
final class Terminal: Sendable {
    static let standard = Terminal()

    private let line = Mutex("")
    /// Whether a person looks at it: progress is shown only then.
    let isInteractive: Bool

    private init() {
        isInteractive = isatty(STDERR_FILENO) == 1
    }

    /// Writes whole lines, above the progress.
    func write(_ text: String) {
        line.withLock { line in
            let erase = line.isEmpty ? "" : "\r\u{1B}[K"
            Self.put(erase + text + "\n" + line)
        }
    }

    /// Replaces the progress; an empty text takes it away. Nothing where nobody looks.
    func show(progress: String) {
        guard isInteractive else { return }
        let columns = Self.columns - 1
        var cut = ""
        for character in progress {
            if Text.width(cut) + Text.width(String(character)) > columns { break }
            cut.append(character)
        }
        line.withLock { line in
            guard line != cut else { return }
            Self.put("\r\u{1B}[K" + cut)
            line = cut
        }
    }

    private static var columns: Int {
        var size = winsize()
        guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }

    private static func put(_ text: String) {
        FileHandle.standardError.write(Data(text.utf8))
    }
}

/// One line an event: time, level where it is worth a word, message, and what it is about.
struct TerminalLogHandler: LogHandler {
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level = .info

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let merged = metadata.merging(event.metadata ?? [:]) { $1 }
        let details = merged.sorted { $0.key < $1.key }.map { " \($0.key)=\(Text.printable($0.value.description))" }
        let mark = event.level >= .warning ? "\(event.level.rawValue): " : ""
        Terminal.standard.write("\(Station.now().rfc3339()) \(mark)\(event.message)\(details.joined())")
    }
}
