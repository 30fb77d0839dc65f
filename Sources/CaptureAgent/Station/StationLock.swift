import EvidenceModel
import FileAccess
import Foundation

/// Who works on a state directory holds its lock (fcntl(2), F_OFD_SETLK, on `lock`), which the kernel lets go of when the
/// process ends, however it ends.
final class StationLock: Sendable {
    private let file: OwnedDescriptor

    /// - Throws: `CommandFailure` with exit code 75 and the holder's process id where another process has it.
    init(stateDirectory: RawPath) throws(CommandFailure) {
        let directory = DurableDirectory(path: stateDirectory)
        do throws(FileAccessError) {
            try directory.create(below: RawPath("/"))
            file = try directory.openOrCreate(RawPath("lock"))
        } catch {
            throw CommandFailure(
                error.meaning == .forbidden ? .notPermitted : .inputOutput,
                "the state directory \(stateDirectory.display) cannot be used: \(error)",
                hint: "run as the user who owns it, or set state_directory to a place that can be written")
        }
        guard Self.lock(file) else {
            let holder =
                (try? file.readBytes(ByteSpan(offset: 0, length: 20)))
                .map { String(decoding: $0, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines) } ?? ""
            throw CommandFailure(
                .stationHeld, "process \(holder) is working on the state directory \(stateDirectory.display)",
                hint: "stop it first, or set another state_directory")
        }
        let line = Array("\(getpid())\n".utf8)
        guard ftruncate(file.number, 0) == 0, (try? file.write(line, at: 0)) != nil else {
            throw CommandFailure(
                .inputOutput, "the lock in \(stateDirectory.display) cannot be written", hint: "make room on its disk")
        }
    }

    /// Tried for a second: a child that the holder was just starting when it ended keeps the lock until it is on its own.
    private static func lock(_ file: borrowing OwnedDescriptor) -> Bool {
        for _ in 0..<20 {
            var request = request
            if fcntl(file.number, setLock, &request) == 0 { return true }
            usleep(50_000)
        }
        return false
    }

    /// The process that holds the lock now, or nothing.
    static func holder(stateDirectory: RawPath) -> String? {
        guard
            let file = try? OwnedDescriptor.open(absolute: stateDirectory.appending("lock"), flags: O_RDWR),
            isLocked(file),
            let bytes = try? file.readBytes(ByteSpan(offset: 0, length: 20))
        else { return nil }
        return String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Asked without taking the lock even for a moment, which could keep an agent from starting.
    private static func isLocked(_ file: borrowing OwnedDescriptor) -> Bool {
        var request = request
        return fcntl(file.number, getLock, &request) == 0 && request.l_type != Int16(F_UNLCK)
    }

    /// The whole file, for writing.
    private static var request: flock {
        flock(l_type: Int16(F_WRLCK), l_whence: Int16(SEEK_SET), l_start: 0, l_len: 0, l_pid: 0)
    }

    // F_OFD_GETLK and F_OFD_SETLK of <bits/fcntl-linux.h>, which the Glibc module leaves out.
    private static let getLock: Int32 = 36
    private static let setLock: Int32 = 37
}
