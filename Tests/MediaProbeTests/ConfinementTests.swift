import EvidenceModel
import FileAccess
import Foundation
import StationTesting
import Testing

@testable import MediaProbe

/// What a worker is kept from, as the kernel and strace tell.
@Suite struct ConfinementTests {
    private static let hasStrace = Tool.path(of: "strace") != nil
    private static let strace: Comment = "needs strace to see what a worker calls"

    @Test func workerSaysWhatItIsKeptFrom() async throws {
        let hello = try await ProbeBench.with { try await $0.hello() }
        #expect(hello.protections.noNewPrivileges)
        #expect(hello.protections.systemCallFilter)
        #expect(hello.library.split(separator: ".").count == 3)
    }

    /// proc(5): what the kernel says of a living worker.
    @Test func kernelAgrees() async throws {
        let worker = try ProbeBench.linkedWorker()
        let path = try ProbeBench.recording()
        try await ProbeBench.with(worker: worker) { prober in
            _ = try await ProbeBench.facts(prober, path)
            let child = try #require(try ProbeBench.children(of: worker).first)
            let status = try String(contentsOfFile: "/proc/\(child)/status", encoding: .utf8)
            #expect(status.contains("NoNewPrivs:\t1"))
            for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
                #expect(status.contains("\(set):\t0000000000000000"), "\(set)")
            }
            #expect(status.contains("Seccomp:\t2"))
            let limits = try String(contentsOfFile: "/proc/\(child)/limits", encoding: .utf8)
            #expect(limits.contains(#/Max address space +805306368 /#))
            #expect(limits.contains(#/Max core file size +0 /#))
        }
    }

    /// After its start a worker opens no file, whatever it is given: every try is refused.
    @Test(.enabled(if: hasStrace, strace), .enabled(if: Footage.isAvailable, Footage.reason))
    func noFileIsOpenedAfterTheStart() async throws {
        let folder = try Scratch.subfolder()
        let worker = try ProbeBench.fakeWorker(
            "exec /usr/bin/strace -f -o '\(folder)/calls' -e trace=all \"$WORKER\"")
        try await ProbeBench.with(worker: worker) { prober in
            for clip in Footage.all {
                let path = try Footage.path(clip)
                _ = try await ProbeBench.facts(prober, path)
                _ = try await ProbeBench.facts(prober, path, isDeep: true)
                let file = try Scratch.open(path)
                _ = try await prober.picture(of: file)
            }
        }
        let calls = try String(contentsOfFile: folder + "/calls", encoding: .utf8)
            .split(separator: "\n").map { $0.drop { $0.isNumber || $0 == " " } }
        let start = try #require(calls.firstIndex { $0.hasPrefix("sendmsg(3") })
        let later = calls[start...]
        #expect(later.count { $0.hasPrefix("recvmsg(3") } > Footage.all.count)
        let opened = later.filter { $0.contains(/^(open|openat|openat2|creat|socket|execve|clone3?|fork|vfork)\(/) }
        #expect(opened.allSatisfy { $0.contains("= -1 E") }, "\(opened)")
        let harmless: Set<String> = [
            "pread64", "read", "lseek", "fstat", "newfstatat", "close", "mmap", "munmap", "mremap", "brk", "madvise",
            "mprotect", "futex", "sched_yield", "sched_getaffinity", "getrandom", "getpid", "gettid", "clock_gettime",
            "gettimeofday", "setitimer", "rt_sigreturn", "rt_sigprocmask", "poll", "recvmsg", "sendmsg",
            "exit_group", "restart_syscall",
        ]
        let granted = later.filter { !$0.contains("= -1 E") && $0.contains("(") }
        let names = Set(granted.map { String($0.prefix { $0 != "(" }) }).filter {
            !$0.contains("<") && !$0.contains("+")
        }
        #expect(names.subtracting(harmless) == [], "calls that were granted")
    }

    /// As if a file had taken over libavformat: a library in its place tries what an intruder would.
    @Test(
        .enabled(if: Tool.path(of: "gcc") != nil, "needs gcc to make the intruder"),
        arguments: [
            ("open", "exit status 98"), ("write", "exit status 98"), ("code", "exit status 98"),
            ("signal", "exit status 98"), ("socket", "signal 31"), ("fork", "signal 31"), ("exec", "signal 31"),
            ("message", "exit status 98"), ("grow", "exit status 98"), ("spin", "did not come to an end"),
        ])
    func intruderGetsNowhere(_ deed: String, _ end: String) async throws {
        let intruder = try Self.intruder.get()
        let worker = try ProbeBench.fakeWorker(
            "if once; then LD_PRELOAD='\(intruder)' DEED=\(deed) exec \"$WORKER\"; fi; exec \"$WORKER\"")
        let path = try ProbeBench.recording()
        try await ProbeBench.with(worker: worker, timeout: .seconds(deed == "spin" ? 8 : 60)) { prober in
            let facts = try await ProbeBench.facts(prober, path)
            #expect(facts.health == .unreadable)
            #expect(facts.healthDetails.first?.contains(end) == true, "\(facts.healthDetails)")
            #expect(try await ProbeBench.facts(prober, path).health == .intact)
        }
    }

    /// Ends the process with 98 where the kernel refused the deed, with 99 where it was done.
    private static let intruder = Result {
        let folder = try Scratch.subfolder()
        let source = """
            #include <errno.h>
            #include <signal.h>
            #include <stdlib.h>
            #include <string.h>
            #include <sys/mman.h>
            #include <sys/socket.h>
            #include <sys/syscall.h>
            #include <unistd.h>
            #include <fcntl.h>
            static volatile long deeds;
            static long deed(const char *name) {
                char byte = 'x';
                if (!strcmp(name, "open")) return syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY);
                if (!strcmp(name, "write")) return syscall(SYS_write, 2, &byte, 1);
                if (!strcmp(name, "code"))
                    return syscall(SYS_mmap, 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                if (!strcmp(name, "signal")) return syscall(SYS_kill, getppid(), 0);
                if (!strcmp(name, "socket")) return syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
                if (!strcmp(name, "fork")) return syscall(SYS_fork);
                if (!strcmp(name, "exec")) return syscall(SYS_execve, "/bin/true", 0, 0);
                if (!strcmp(name, "spin")) for (;;) deeds++;
                if (!strcmp(name, "grow")) {
                    long megabytes = 0;
                    for (char *block; (block = malloc(1 << 20)); megabytes++) memset(block, 1, 1 << 20);
                    errno = megabytes < 768 ? EPERM : 0;
                    return -1;
                }
                struct msghdr none = {0};
                return syscall(SYS_sendmsg, 2, &none, 0);
            }
            void *avformat_alloc_context(void) {
                const char *name = getenv("DEED");
                long result = deed(name ? name : "");
                syscall(SYS_exit_group, result < 0 && errno == EPERM ? 98 : 99);
                return 0;
            }
            """
        try Data(source.utf8).write(to: URL(fileURLWithPath: folder + "/intruder.c"))
        try Tool.run("gcc", "-shared", "-fPIC", "-o", folder + "/intruder.so", folder + "/intruder.c")
        return folder + "/intruder.so"
    }
}
