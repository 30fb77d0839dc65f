package import FileAccess

/// Why a file could not be collected.
package enum CollectFailure: Error, Sendable, Hashable {
    /// It is not the file that settled any more: another size or time than then.
    case changed
    /// It is no longer there, or no longer a regular file.
    case vanished
    /// The device it is on is gone.
    case deviceGone(FileAccessError)
    /// The medium, or a permission, does not let it be read.
    case unreadable(FileAccessError)
    /// The spool has no room; so many bytes are needed.
    case spoolFull(bytes: Int64)
    /// The spool cannot be written.
    case spoolFailed(FileAccessError)
    /// The caller asked to stop.
    case cancelled

    /// What an error on the source means.
    package init(source error: FileAccessError) {
        switch error.meaning {
        case .gone: self = .deviceGone(error)
        case .missing: self = .vanished
        case .forbidden, .full, .medium: self = .unreadable(error)
        }
    }

    /// Whether the medium did not give what it should: a part of the file may be readable all the same
    /// (`CollectMachine.fileUnreadable`). A missing permission is no such case.
    package var asksForSalvage: Bool {
        if case .unreadable(let error) = self { error.meaning == .medium } else { false }
    }
}
