package import EvidenceModel
import Foundation
import Synchronization

/// A card that breaks on demand: `Scripts/faulty-card`, a FUSE file system that shows a folder and fails as it is told
/// to, while it is mounted. The kernel keeps what was read of it, as it does with any card.
package final class FaultyCard: Sendable {
    /// How one file fails; what is not set works.
    package struct Fault: Sendable {
        /// Reads that touch these bytes fail with EIO.
        package var bad: [ByteSpan] = []
        /// They do so many times for each span; for ever where this is not set.
        package var tries: Int?
        /// Every read takes so long.
        package var delaySeconds: Double?
        /// Reads wait until `release`, or until the card is pulled out; where `stallsAt` is set, those that touch that byte.
        package var stalls = false
        package var stallsAt: Int64?
        /// Whoever opens the file as the n-th (since it was mounted) or later gets another byte at `liesAt`.
        package var liesFromOpening: Int?
        package var liesAt: Int64 = 0
        /// Reads that reach behind this offset end there.
        package var shortBytes: Int64?
        /// It is listed, and there is no such file.
        package var isMissing = false

        package init() {}

        fileprivate var settings: [String: Any] {
            let all: [String: Any?] = [
                "bad": bad.map { [$0.offset, $0.length] }, "tries": tries, "delay_seconds": delaySeconds,
                "stalls": stalls, "stalls_at": stallsAt, "lies_from_opening": liesFromOpening, "lies_at": liesAt,
                "short_bytes": shortBytes, "missing": isMissing,
            ]
            return all.compactMapValues { $0 }
        }
    }

    /// What has reached the card since it was mounted.
    package struct Count: Sendable, Hashable, Decodable {
        package var bytes: Int64
        package var reads: Int
        package var opens: Int
    }

    private struct State {
        var mountPoint: RawPath?
        var program: Companion?
    }

    /// The folder whose files the card shows; written to here, they change behind the kernel's back.
    package let backing: RawPath
    private let state = Mutex(State())

    /// Whether such a card can be mounted here.
    package static let isAvailable =
        geteuid() == 0 && access("/dev/fuse", R_OK | W_OK) == 0 && Repository.hasTestTools
        && (try? Tool.run("env", python, "-c", "import mfusepy")) != nil

    private static let python = Repository.path(".build/test-tools/bin/python")

    /// - Parameter name: of the folder below `directory` that holds its files.
    package init(in directory: TemporaryDirectory, name: String = "backing") throws {
        // An order to a card that was pulled out fails; it does not end the tests.
        signal(SIGPIPE, SIG_IGN)
        backing = try directory.folder(name)
    }

    deinit {
        close()
    }

    package var mountPoint: RawPath? { state.withLock(\.mountPoint) }

    /// Mounts the card at `point`, which is made where it is missing. Faults and counts begin anew.
    package func mount(at point: RawPath, readOnly: Bool = false) throws {
        try FileManager.default.createDirectory(atPath: point.display, withIntermediateDirectories: true)
        let program = try Companion(
            "env", Self.python, Repository.path("Scripts/faulty-card"), backing.display, point.display,
            readOnly ? "ro" : "rw", beginsWith: "ready")
        state.withLock { $0 = State(mountPoint: point, program: program) }
    }

    /// How the file at `path`, below the mount point, fails from now on; what stalled goes on.
    package func set(_ fault: Fault, on path: String) throws {
        try tell(fault.settings.merging(["do": "fault", "path": "/\(path)"]) { $1 })
    }

    /// Everything fails with `code` from now on, as on a card whose contacts have gone; 0 ends that.
    package func yank(_ code: Int32 = EIO) throws { try tell(["do": "yank", "errno": code]) }

    /// The card's own switch: nothing can be written, though it is mounted for writing.
    package func setReadOnly(_ isReadOnly: Bool) throws { try tell(["do": "read_only", "is": isReadOnly]) }

    /// As a share that is mounted over SMB: folders cannot be synchronised (EINVAL).
    package func behaveAsShare() throws { try tell(["do": "share"]) }

    /// Reads that wait go on.
    package func release() throws { try tell(["do": "release"]) }

    /// Returns when a read waits.
    package func waitUntilStalled() throws {
        let answer = try tell(["do": "wait_stalled"])
        guard answer.contains("true") else { throw failure("wait_stalled", answer) }
    }

    package func count(of path: String) throws -> Count {
        try JSONDecoder().decode(Count.self, from: Data(tell(["do": "count", "path": "/\(path)"]).utf8))
    }

    @discardableResult
    private func tell(_ order: [String: Any]) throws -> String {
        guard let program = state.withLock(\.program) else { throw failure("faulty-card", "it is not mounted") }
        let line = try JSONSerialization.data(withJSONObject: order)
        let answer = try program.tell(String(decoding: line, as: UTF8.self))
        if answer.contains("\"error\"") { throw failure("faulty-card", answer) }
        return answer
    }

    private func failure(_ command: String, _ message: String) -> Tool.Failure {
        Tool.Failure(command: command, status: 1, message: message)
    }

    /// Ends the file system by SIGKILL, as when a card is pulled out: the mount stays and answers ENOTCONN, and reads
    /// that wait fail.
    package func pullOut() { state.withLock(\.program)?.end() }

    /// Out of the tree at once, gone when nobody uses it any more.
    package func lazyUnmount() throws {
        guard let point = mountPoint else { return }
        try Tool.run("umount", "--lazy", point.display)
        state.withLock { $0.mountPoint = nil }
    }

    /// Unmounts and ends it; again does nothing.
    package func close() {
        let old = state.withLock { state in
            defer { state = State() }
            return state
        }
        if let point = old.mountPoint { umount2(point.display, Int32(MNT_DETACH)) }
        old.program?.end()
    }
}
