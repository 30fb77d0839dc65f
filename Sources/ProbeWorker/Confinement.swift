import CLinux
import EvidenceModel
import Glibc

/// What the worker gives up before it reads a byte from a card.
enum Confinement {
    /// The libraries and ordinary recordings need 210 MB of address space, a PNG of 80 megapixels 460 MB.
    private static let addressSpaceBytes: UInt = 768 << 20
    /// Standard ones, the socket, the file, and a few for libraries that open their own.
    private static let openFiles: UInt = 16

    /// The call that failed; nothing is to be read then.
    struct Failure: Error {
        var call: String
    }

    /// Limits first, then names, then system calls: each step forbids what the one before it needed. Where the kernel
    /// has no Landlock or no filter the worker goes on without, and says so: a recording that is described with less
    /// protection is better kept than one that is not described.
    ///
    /// PR_SET_PDEATHSIG is not used: prctl(2) counts as parent the *thread* that started the process, and a thread of
    /// Dispatch ends after seconds without work. The end of the connection and `Deadline.arm` end a left-alone worker.
    static func apply() throws(Failure) -> ProbeProtections {
        for (resource, bound) in [
            (RLIMIT_CORE, UInt(0)), (RLIMIT_AS, addressSpaceBytes), (RLIMIT_NOFILE, openFiles),
        ] {
            var limit = rlimit(rlim_cur: bound, rlim_max: bound)
            guard setrlimit(Int32(resource.rawValue), &limit) == 0 else { throw Failure(call: "setrlimit") }
        }
        // Out of whatever folder the agent was started in, so that it can be unmounted.
        guard chdir("/") == 0 else { throw Failure(call: "chdir") }
        // The agent may read other users' files; what a worker may read was opened for it.
        guard clinux_drop_capabilities() == 0 else { throw Failure(call: "capset") }
        guard clinux_forbid_new_privileges() == 0 else { throw Failure(call: "prctl") }
        let landlock = clinux_landlock_version()
        let isNamed = landlock > 0 && clinux_forbid_everything_named(Int32(landlock)) == 0
        return ProbeProtections(
            noNewPrivileges: true, systemCallFilter: SystemCallFilter.apply(),
            landlockVersion: isNamed ? Int(landlock) : 0)
    }
}
