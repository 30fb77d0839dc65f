import CSeccomp
import EvidenceModel
import Glibc

/// The system calls that are left to the worker: read and seek in what it was handed, memory, answer, exit. seccomp(2).
///
/// What an attacker would want ends the worker at once (SIGSYS). Anything else fails with EPERM: a library that asks for
/// a file it can do without must not cost a recording its facts.
enum SystemCallFilter {
    /// With these alone the libraries work.
    private static let allowed = [
        "read", "pread64", "lseek", "fstat", "close",
        "mmap", "munmap", "mremap", "brk", "madvise", "mprotect",
        "futex", "sched_yield", "sched_getaffinity", "getrandom", "getpid", "gettid",
        "clock_gettime", "gettimeofday", "setitimer",
        "rt_sigreturn", "rt_sigprocmask", "restart_syscall", "poll", "ppoll", "exit", "exit_group",
    ]
    /// With these a process reaches for more.
    private static let fatal = [
        "execve", "execveat", "fork", "vfork", "clone", "clone3", "ptrace", "process_vm_readv", "process_vm_writev",
        "socket", "connect", "bind", "listen", "accept", "accept4", "sendto", "mount", "bpf", "io_uring_setup",
        "init_module", "finit_module", "kexec_load", "open_by_handle_at", "perf_event_open", "keyctl", "userfaultfd",
    ]

    private enum Argument {
        case equals(UInt32, UInt64)
        /// None of these bits.
        case without(UInt32, UInt64)
    }

    /// Whether the kernel took the filter.
    static func apply() -> Bool {
        guard let filter = seccomp_init(cseccomp_refuse(EPERM)) else { return false }
        defer { seccomp_release(filter) }
        // A tree instead of a list: every call of the worker goes through it.
        seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2)
        let protection: UInt32 = 2
        let isComplete =
            allowed.allSatisfy { name in
                // Memory never becomes code: what the program is was mapped before.
                let bounds: [Argument] =
                    name == "mmap" || name == "mprotect" ? [.without(protection, UInt64(PROT_EXEC))] : []
                return add(SCMP_ACT_ALLOW, name, bounds, to: filter)
            }
            && fatal.allSatisfy { add(SCMP_ACT_KILL_PROCESS, $0, [], to: filter) }
            // The socket to the agent, and nothing else.
            && ["sendmsg", "recvmsg"].allSatisfy {
                add(SCMP_ACT_ALLOW, $0, [.equals(0, UInt64(ProbeProtocol.socketNumber))], to: filter)
            }
            // glibc's fstat(3): no name, only what is open (AT_EMPTY_PATH, <linux/fcntl.h>).
            && add(SCMP_ACT_ALLOW, "newfstatat", [.equals(3, 0x1000)], to: filter)
        return isComplete && seccomp_load(filter) == 0
    }

    /// Whether the rule is in the filter, or the processor has no such call.
    private static func add(
        _ action: UInt32, _ name: String, _ arguments: [Argument], to filter: scmp_filter_ctx
    ) -> Bool {
        let number = seccomp_syscall_resolve_name(name)
        // __NR_SCMP_ERROR, and libseccomp's negative numbers of calls that other processors have.
        guard number >= 0 else { return true }
        let bounds = arguments.map { argument in
            switch argument {
            case .equals(let index, let value):
                scmp_arg_cmp(arg: index, op: SCMP_CMP_EQ, datum_a: value, datum_b: 0)
            case .without(let index, let bits):
                scmp_arg_cmp(arg: index, op: SCMP_CMP_MASKED_EQ, datum_a: bits, datum_b: 0)
            }
        }
        return seccomp_rule_add_array(filter, action, number, UInt32(bounds.count), bounds) == 0
    }
}
