import EvidenceModel
import FileAccess
import Foundation
import MediaIndex
import StationTesting
import Testing

@testable import CaptureAgent

@Suite("Programs of the office, run", .timeLimit(.minutes(1)))
struct AttachHookRunTests {
    private let directory: TemporaryDirectory
    private let hooks: AttachHooks
    private let lane = IOLane(label: "test")

    init() throws {
        directory = try TemporaryDirectory()
        hooks = try AttachHooks()
    }

    /// A hook that runs `script` with `arguments`.
    private func hook(
        _ script: String, _ arguments: [[AttachHook.Piece]] = [], timeoutSeconds: Double = 20
    ) throws -> AttachHook {
        let file = try directory.file("hook", "#!/bin/sh\n" + script)
        #expect(chmod(file.display, 0o700) == 0)
        return AttachHook(program: file, arguments: arguments, timeoutSeconds: timeoutSeconds)
    }

    private func isAlive(_ number: String) -> Bool {
        let status = (try? String(contentsOfFile: "/proc/\(number)/stat", encoding: .utf8)) ?? ""
        return !status.isEmpty && status.split(separator: ")").last?.contains("Z") == false
    }

    /// What `script` wrote into the file `name`.
    private func written(_ name: String) throws -> String {
        try String(contentsOfFile: directory.path.appending(name).display, encoding: .utf8)
            .trimmingCharacters(in: .newlines)
    }

    @Test func itGetsItsArgumentsAndNothingElse() async throws {
        let script = """
            printf '%s|' "$#" "$1" "$2"
            env | sort
            ls /proc/self/fd
            cat
            pwd
            """
        let outcome = await hooks.run(
            try hook(script, [[.text("--node="), .value(.deviceNode)], [.value(.serial)]]),
            [.deviceNode: RawPath("/dev/sdb1"), .serial: RawPath("a b;c")], on: lane)
        #expect(outcome.trouble == nil)
        #expect(outcome.output.hasPrefix("2|--node=/dev/sdb1|a b;c|LANG=C.UTF-8\n"))
        let names = outcome.output.split(separator: "\n").compactMap { $0.split(separator: "=").first }
        #expect(!names.contains("HOME") && !names.contains("USER"))
        // Standard input, output, errors, and the directory that ls reads.
        #expect(outcome.output.contains("\n0\n1\n2\n3\n"))
        #expect(!outcome.output.contains("\n4\n"))
    }

    /// Of root every program has all capabilities in force; the ambient ones are what other users' would get.
    @Test(.enabled(if: geteuid() == 0, "giving capabilities to a thread needs root"))
    func itHasNoneOfTheAgentsCapabilities() async throws {
        let script = try hook("grep CapAmb /proc/self/status | tr -s '[:space:]' ' '")
        let hooks = try AmbientCapability.whileRaised {
            let own = try String(contentsOfFile: "/proc/thread-self/status", encoding: .utf8)
            #expect(own.contains("CapAmb:\t0000000000000004\n"))
            return try AttachHooks()
        }
        let output = await hooks.run(script, [:], on: lane).output
        #expect(output.hasPrefix("CapAmb: 0000000000000000"), "\(output)")
    }

    @Test func howItEndedIsASentence() async throws {
        let failed = await hooks.run(try hook("echo 'no such camera' >&2; exit 3"), [:], on: lane)
        let program = directory.path.appending("hook").display
        #expect(failed.trouble == "on_attach: \(program) ended with exit status 3")
        #expect(failed.output == "no such camera\n")
        let killed = await hooks.run(try hook("kill -9 $$"), [:], on: lane)
        #expect(killed.trouble == "on_attach: \(program) ended with signal 9")
        let missing = await hooks.run(AttachHook(program: directory.path.appending("gone")), [:], on: lane)
        #expect(missing.trouble?.contains("No such file or directory") == true)
        let refused = await hooks.run(
            try hook("", [[.value(.serial)]]), [.serial: RawPath("--force")], on: lane)
        #expect(refused.trouble?.contains("begins with \"-\"") == true)
    }

    @Test func theLastOfMuchOutputIsKept() async throws {
        let script = #"i=0; while [ $i -lt 20000 ]; do echo "line $i"; i=$((i+1)); done; printf 'end\033[2J'"#
        let outcome = await hooks.run(try hook(script), [:], on: lane)
        #expect(outcome.trouble == nil)
        #expect(outcome.output.hasSuffix("line 19999\nend\u{FFFD}[2J"))
        #expect(outcome.output.utf8.count <= 4100)
    }

    @Test func aProgramWithoutEndIsKilledWithItsChildren() async throws {
        let script = """
            trap '' TERM
            sleep 600 &
            echo $! > "$(dirname "$0")/child"
            echo $$ > "$(dirname "$0")/self"
            while :; do echo on; done
            """
        let start = ContinuousClock.now
        let outcome = await hooks.run(try hook(script, timeoutSeconds: 1), [:], on: lane)
        #expect(start.duration(to: .now) < .seconds(20))
        #expect(outcome.trouble?.hasSuffix("did not end within 1 s and was killed") == true)
        #expect(outcome.output.hasSuffix("on\n"))
        for name in ["child", "self"] { #expect(!isAlive(try written(name)), "\(name)") }
    }

    @Test func whatItLeavesBehindIsEndedAndNotWaitedFor() async throws {
        let script = "sleep 600 & echo $! > \"$(dirname \"$0\")/child\""
        let start = ContinuousClock.now
        let outcome = await hooks.run(try hook(script), [:], on: lane)
        #expect(start.duration(to: .now) < .seconds(10) && outcome.trouble == nil)
        let child = try written("child")
        // Its parent is init, which reaps it when it likes.
        #expect(!isAlive(child))
    }

    @Test func aDeviceThatGoesEndsIt() async throws {
        let hook = try hook("touch \"$(dirname \"$0\")/runs\"; sleep 600")
        let (hooks, lane, started) = (hooks, lane, directory.path.appending("runs"))
        let run = Task { await hooks.run(hook, [:], on: lane) }
        while access(started.display, F_OK) != 0 { await Task.yield() }
        run.cancel()
        #expect(await run.value.trouble?.contains("was ended before it was through") == true)
    }
}

/// CAP_DAC_READ_SEARCH among the ambient capabilities of this thread, as the agent's unit sets it; capset(2), prctl(2).
private enum AmbientCapability {
    private typealias Control = @convention(c) (Int32, UInt, UInt, UInt, UInt) -> Int32
    private typealias Sets = @convention(c) (UnsafeMutableRawPointer, UnsafeMutableRawPointer) -> Int32

    static func whileRaised<Result>(_ body: () throws -> Result) throws -> Result {
        // prctl is variadic and capset has no header; both take words alone.
        let control = unsafeBitCast(try #require(dlsym(nil, "prctl")), to: Control.self)
        try setInheritable(1 << 2)
        let (ambient, raise, clearAll): (Int32, UInt, UInt) = (47, 2, 4)
        #expect(control(ambient, raise, 2, 0, 0) == 0)
        defer {
            _ = control(ambient, clearAll, 0, 0, 0)
            try? setInheritable(0)
        }
        return try body()
    }

    /// Of the first 32 capabilities.
    private static func setInheritable(_ bits: UInt32) throws {
        // _LINUX_CAPABILITY_VERSION_3 and this thread; then effective, permitted and inheritable, twice.
        var header: [UInt32] = [0x2008_0522, 0]
        var sets = [UInt32](repeating: 0, count: 6)
        let (get, set) = (try #require(dlsym(nil, "capget")), try #require(dlsym(nil, "capset")))
        #expect(unsafeBitCast(get, to: Sets.self)(&header, &sets) == 0)
        sets[2] = bits
        #expect(unsafeBitCast(set, to: Sets.self)(&header, &sets) == 0)
    }
}
