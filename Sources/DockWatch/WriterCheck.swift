package import EvidenceModel
package import FileAccess
import Glibc

/// What came of asking whether somebody has a file open for writing.
package struct WriterAnswer: Sendable, Hashable {
    package enum Outcome: Sendable, Hashable {
        /// The kernel's word, and the file's stamp at that moment. Where the kernel cannot tell, also how the file ends.
        case asked(WriterPresence, FileStamp, FileTail = .written)
        /// The file is no longer there, or no longer a regular file.
        case vanished
        /// The file could not be opened for asking: only time can tell.
        case notAsked
    }

    package var path: RawPath
    package var outcome: Outcome

    package init(path: RawPath, outcome: Outcome) {
        self.path = path
        self.outcome = outcome
    }
}

/// Asks the kernel about writers, and where it cannot tell, the file itself.
package enum WriterCheck {
    /// Asks about each of `paths` below the root. Nothing is left open.
    ///
    /// - Throws: `FileAccessError` where the root is gone.
    package static func ask(
        about paths: ArraySlice<RawPath>, in root: WatchedRoot
    ) throws(FileAccessError) -> [WriterAnswer] {
        let tree = try DirectoryTree(root)
        var answers: [WriterAnswer] = []
        answers.reserveCapacity(paths.count)
        for path in paths {
            answers.append(WriterAnswer(path: path, outcome: try outcome(path, in: tree)))
        }
        return answers
    }

    private static func outcome(
        _ path: RawPath, in tree: borrowing DirectoryTree
    ) throws(FileAccessError) -> WriterAnswer.Outcome {
        do throws(FileAccessError) {
            let file = try tree.file(path)
            let presence = WriterPresence.of(file)
            let tail = presence == .unknown ? try FileTail.read(file) : .written
            return .asked(presence, try file.status().stamp, tail)
        } catch {
            switch error.meaning {
            case .gone: throw error
            case .missing: return .vanished
            case .full, .forbidden, .medium:
                // Not a regular file of this tree any more: a link, another kind, another file system.
                return [ELOOP, EINVAL, EXDEV].contains(error.code) ? .vanished : .notAsked
            }
        }
    }
}
