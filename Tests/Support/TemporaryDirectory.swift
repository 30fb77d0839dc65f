package import EvidenceModel
import Foundation

/// A directory of its own below /tmp, removed with everything in it when the last reference goes; file systems that are
/// still mounted below it are detached first.
package final class TemporaryDirectory: Sendable {
    /// Absolute.
    package let path: RawPath

    /// Whether such directories lie on a disk: what lies in memory (tmpfs) is never read past the page cache.
    package static let isOnDisk =
        (try? Tool.run("stat", "--file-system", "--format=%T", "/tmp"))?.hasPrefix("tmpfs") == false

    package init() throws {
        var template = Array("/tmp/station-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw CocoaError(.fileWriteUnknown)
        }
        path = RawPath(bytes: template.dropLast().map { UInt8(bitPattern: $0) })
    }

    deinit {
        close()
    }

    /// Removes it now; again does nothing.
    package func close() {
        Self.detachMounts(below: path)
        _ = try? Tool.run("rm", "-rf", "--one-file-system", path.display)
    }

    /// umount2(2) with MNT_DETACH of every mount at or below `path`, the last one first.
    package static func detachMounts(below path: RawPath) {
        guard let table = try? String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8) else { return }
        for line in table.split(separator: "\n").reversed() {
            let fields = line.split(separator: " ")
            guard fields.count > 4, fields[4] == path.display || fields[4].hasPrefix(path.display + "/") else {
                continue
            }
            // Test directories have no characters that mountinfo escapes.
            umount2(String(fields[4]), Int32(MNT_DETACH))
        }
    }

    /// Makes the folder `name`, and its parents, below this directory; its absolute path.
    @discardableResult
    package func folder(_ name: String) throws -> RawPath {
        let folder = path.appending(name)
        try FileManager.default.createDirectory(atPath: folder.display, withIntermediateDirectories: true)
        return folder
    }

    /// Writes `content` to the file `name` below this directory; its absolute path.
    @discardableResult
    package func file(_ name: String, _ content: String = "content") throws -> RawPath {
        try write(content, to: path.appending(name))
        return path.appending(name)
    }
}

/// Writes `content` to the file at the absolute `path`, byte for byte the name given; missing folders are made.
package func write(_ content: String, to path: RawPath) throws {
    if let folder = path.parent.text {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }
    let descriptor = path.withCString { open($0, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644) }
    guard descriptor >= 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
    defer { close(descriptor) }
    let bytes = Array(content.utf8)
    guard Glibc.write(descriptor, bytes, bytes.count) == bytes.count else {
        throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO)
    }
}
