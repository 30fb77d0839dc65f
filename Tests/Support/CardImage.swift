package import EvidenceModel
import Foundation
import Synchronization

/// A card in an image file, made by mkfs and mounted for real: FAT by fusefat(1), exFAT by mount.exfat-fuse(8) on a loop
/// device, ext4 by the kernel. Kernels without a vfat or exfat driver can so see what a docking station sees.
package final class CardImage: Sendable {
    package enum Format: Sendable, CaseIterable {
        case fat, exfat, ext4

        fileprivate var programs: [String] {
            switch self {
            case .fat: ["mkfs.vfat", "fusefat", "umount"]
            case .exfat: ["mkfs.exfat", "losetup", "mount.exfat-fuse", "umount"]
            case .ext4: ["mkfs.ext4", "losetup", "mount", "umount"]
            }
        }

        fileprivate var usesFUSE: Bool { self != .ext4 }
    }

    private struct State {
        var mountPoint: RawPath?
        var loopDevice: String?
        /// Of the FUSE file system.
        var process: pid_t?
    }

    package let format: Format
    /// Absolute path of the image file.
    package let image: RawPath
    private let state = Mutex(State())

    /// Whether such a card can be mounted here: as root, with the programs and the device nodes it takes.
    package static func isAvailable(_ format: Format) -> Bool {
        let nodes = (format.usesFUSE ? ["/dev/fuse"] : []) + (format == .fat ? [] : ["/dev/loop-control"])
        return geteuid() == 0 && nodes.allSatisfy { access($0, R_OK | W_OK) == 0 }
            && format.programs.allSatisfy { Tool.path(of: $0) != nil }
    }

    /// Makes the image `label`.img in `directory`, empty but for the file system.
    package init(
        _ format: Format, label: String = "CAM01", sizeBytes: Int64 = 32 << 20, in directory: TemporaryDirectory
    ) throws {
        self.format = format
        image = directory.path.appending("\(label).img")
        guard truncateFile(image, sizeBytes) else { throw CocoaError(.fileWriteUnknown) }
        switch format {
        case .fat: try Tool.run("mkfs.vfat", "-n", label, image.display)
        case .exfat: try Tool.run("mkfs.exfat", "-L", label, image.display)
        case .ext4: try Tool.run("mkfs.ext4", "-q", "-F", "-L", label, image.display)
        }
    }

    deinit {
        close()
    }

    package var mountPoint: RawPath? { state.withLock(\.mountPoint) }

    /// Mounts the card at `point`, which is made where it is missing.
    package func mount(at point: RawPath, readOnly: Bool = false) throws {
        try FileManager.default.createDirectory(atPath: point.display, withIntermediateDirectories: true)
        let device = format == .fat ? image.display : try loopDevice()
        switch format {
        case .fat: try Tool.run("fusefat", "-o", readOnly ? "ro" : "rw+", device, point.display)
        case .exfat: try Tool.run("mount.exfat-fuse", "-o", readOnly ? "ro" : "rw", device, point.display)
        case .ext4: try Tool.run("mount", "-o", readOnly ? "ro" : "rw", device, point.display)
        }
        state.withLock {
            $0.mountPoint = point
            $0.process = format.usesFUSE ? Self.process(with: [device, point.display]) : nil
        }
    }

    /// umount(8), and all of it is in the image when this returns. A card on a FUSE file system is taken out of the tree
    /// first and waited for: a child that another test is just starting holds copies of this process's descriptors, and
    /// keeps it busy for a moment.
    package func unmount() throws {
        if format.usesFUSE { return try lazyUnmount() }
        guard let point = mountPoint else { return }
        try Tool.run("umount", point.display)
        unmounted()
    }

    /// umount(8) with --lazy: out of the tree at once, gone when nobody uses it any more.
    package func lazyUnmount() throws {
        guard let point = mountPoint else { return }
        try Tool.run("umount", "--lazy", point.display)
        unmounted()
    }

    /// Ends the FUSE file system by SIGKILL, as when a card is pulled out: the mount stays and answers ENOTCONN.
    package func pullOut() {
        guard let process = state.withLock(\.process) else { return }
        kill(process, SIGKILL)
        Self.waitForEnd(of: process)
    }

    /// Stops the FUSE file system by SIGSTOP, as when a card or its reader hangs: whoever reads waits. `pullOut` ends it.
    package func hang() {
        if let process = state.withLock(\.process) { kill(process, SIGSTOP) }
    }

    /// Unmounts, and gives the loop device back; again does nothing.
    package func close() {
        if let point = mountPoint {
            umount2(point.display, Int32(MNT_DETACH))
            unmounted()
        }
        let loop = state.withLock { state in
            defer { state.loopDevice = nil }
            return state.loopDevice
        }
        if let loop { _ = try? Tool.run("losetup", "-d", loop) }
    }

    private func unmounted() {
        let process = state.withLock { state in
            defer { (state.mountPoint, state.process) = (nil, nil) }
            return state.process
        }
        if let process { Self.waitForEnd(of: process) }
    }

    private func loopDevice() throws -> String {
        if let loop = state.withLock(\.loopDevice) { return loop }
        let made = try Tool.run("losetup", "-f", "--show", image.display).trimmingCharacters(in: .newlines)
        state.withLock { $0.loopDevice = made }
        return made
    }

    /// The process whose command line ends in `arguments`: FUSE file systems leave their parent.
    private static func process(with arguments: [String]) -> pid_t? {
        let wanted = arguments.joined(separator: "\0") + "\0"
        return (try? FileManager.default.contentsOfDirectory(atPath: "/proc"))?.lazy.compactMap { pid_t($0) }.first {
            (try? String(contentsOfFile: "/proc/\($0)/cmdline", encoding: .utf8))?.hasSuffix(wanted) == true
        }
    }

    /// Waits, at most 5 s, until a process that is no child of this one has ended: it writes the image until then.
    private static func waitForEnd(of process: pid_t) {
        for _ in 0..<2500 {
            let status = (try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)) ?? ""
            // proc(5): the state follows the name in parentheses; Z waits only for its parent.
            guard let state = status.split(separator: ")").last?.first(where: { $0 != " " }), state != "Z" else {
                return
            }
            usleep(2000)
        }
    }
}

private func truncateFile(_ path: RawPath, _ sizeBytes: Int64) -> Bool {
    let descriptor = path.withCString { open($0, O_RDWR | O_CREAT | O_CLOEXEC, 0o600) }
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    return ftruncate(descriptor, off_t(sizeBytes)) == 0
}
