package import EvidenceModel
import Glibc

/// A system call on a file that failed: which call, on what, with which errno.
package struct FileAccessError: Error, Hashable, Sendable {
    /// What the errno means to a caller that must decide.
    package enum Meaning: Sendable, Hashable {
        /// The disk, or the quota, is full (ENOSPC, EDQUOT).
        case full
        /// The device or its mount is gone (ENODEV, ENXIO, ENOTCONN, ESTALE, ENOMEDIUM).
        case gone
        /// There is no such file (ENOENT, ENOTDIR).
        case missing
        /// Not permitted (EACCES, EPERM, EROFS).
        case forbidden
        /// The medium could not be read or written (EIO and everything else).
        case medium
    }

    /// The call as its manual page names it: `openat`, `read`.
    package var call: String
    package var path: RawPath
    /// The errno value.
    package var code: Int32

    package init(call: String, path: RawPath, code: Int32) {
        self.call = call
        self.path = path
        self.code = code
    }

    package var meaning: Meaning {
        switch code {
        case ENOSPC, EDQUOT: .full
        case ENODEV, ENXIO, ENOTCONN, ESTALE, ENOMEDIUM: .gone
        case ENOENT, ENOTDIR: .missing
        case EACCES, EPERM, EROFS: .forbidden
        default: .medium
        }
    }
}

extension FileAccessError: CustomStringConvertible {
    /// `read /media/a/b.mp4: Input/output error`.
    package var description: String { "\(call) \(path.display): \(String(cString: strerror(code)))" }
}
