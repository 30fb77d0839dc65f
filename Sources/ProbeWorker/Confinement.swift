import CLinux
import Glibc

/// What the worker gives up before it reads a byte from a card.
enum Confinement {
    /// The libraries and ordinary recordings need 210 MB of address space, a PNG of 80 megapixels 460 MB.
    private static let addressSpaceBytes: UInt = 768 << 20
    /// Standard ones, the socket, the file, and a few for libraries that open their own.
    private static let openFiles: UInt = 16

    /// The call that failed, or nothing.
    ///
    /// PR_SET_PDEATHSIG is not used: prctl(2) counts as parent the *thread* that started the process, and a thread of
    /// Dispatch ends after seconds without work. The end of the connection and `Deadline.arm` end a left-alone worker.
    static func apply() -> String? {
        for (resource, bound) in [
            (RLIMIT_CORE, UInt(0)), (RLIMIT_AS, addressSpaceBytes), (RLIMIT_NOFILE, openFiles),
        ] {
            var limit = rlimit(rlim_cur: bound, rlim_max: bound)
            guard setrlimit(Int32(resource.rawValue), &limit) == 0 else { return "setrlimit" }
        }
        // Out of whatever folder the agent was started in, so that it can be unmounted.
        guard chdir("/") == 0 else { return "chdir" }
        return clinux_forbid_new_privileges() == 0 ? nil : "prctl"
    }
}
