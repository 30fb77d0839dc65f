import EvidenceModel
import FileAccess
import Foundation
import Testing

@testable import MediaProbe

/// Workers that do not do what they should: real processes, by script.
@Suite(.serialized) struct WorkerFailureTests {
    private func recording() throws -> String { try ProbeBench.recording() }

    @Test(arguments: [
        ("hello; question; kill -SEGV $$", "signal 11"),
        ("hello; question; kill -KILL $$", "signal 9"),
        ("hello; question; exit 7", "exit status 7"),
        ("hello; question; printf nonsense >&3", "nonsense"),
        ("hello; question; printf '{\"version\":1}' >&3; question", "nonsense"),
        ("hello; question; /bin/dd if=/dev/zero bs=70000 count=1 >&3 2>/dev/null; question", "65536"),
        (
            "hello; question; printf '{\"version\":2,\"sequence\":99,\"outcome\":\"described\",\"facts\":"
                + "{\"kind\":\"video\",\"streams\":[],\"positions\":[],\"damaged_bytes\":[],\"health\":\"intact\",\"health_details\":[]}}' >&3; question",
            "answer 99 to question 1"
        ),
    ])
    func failureCostsOneFile(_ script: String, _ reason: String) async throws {
        let worker = try ProbeBench.fakeWorker("if once; then \(script); exit 0; fi; exec \"$WORKER\"")
        let path = try recording()
        try await ProbeBench.with(worker: worker) { prober in
            let first = try await ProbeBench.facts(prober, path)
            #expect(first.kind == .unknown)
            #expect(first.health == .unreadable)
            #expect(first.healthDetails.first?.contains(reason) == true, "\(first.healthDetails)")
            let second = try await ProbeBench.facts(prober, path)
            #expect(second.kind == .audio)
            #expect(second.health == .intact)
        }
    }

    @Test func hangCostsTheTimeoutAndOneFile() async throws {
        let worker = try ProbeBench.fakeWorker(
            "if once; then hello; question; exec /bin/sleep 1000; fi; exec \"$WORKER\"")
        let path = try recording()
        try await ProbeBench.with(worker: worker, timeout: .seconds(3)) { prober in
            let first = try await ProbeBench.facts(prober, path)
            #expect(first.health == .unreadable)
            #expect(first.healthDetails.first?.contains("did not come to an end") == true)
            #expect(try await ProbeBench.facts(prober, path).kind == .audio)
        }
    }

    @Test func hangHoldsUpNoOtherWorker() async throws {
        let worker = try ProbeBench.fakeWorker(
            "if once; then hello; question; exec /bin/sleep 1000; fi; exec \"$WORKER\"")
        let path = try recording()
        let order = try await ProbeBench.with(worker: worker, workers: 2, timeout: .seconds(8)) { prober in
            try await withThrowingTaskGroup(of: MediaHealth.self) { group in
                for _ in 0..<8 { group.addTask { try await ProbeBench.facts(prober, path).health } }
                return try await group.reduce(into: [MediaHealth]()) { $0.append($1) }
            }
        }
        #expect(order == [MediaHealth](repeating: .intact, count: 7) + [.unreadable])
    }

    @Test func idleDeathCostsNothing() async throws {
        let path = try recording()
        let worker = try ProbeBench.linkedWorker()
        try await ProbeBench.with(worker: worker) { prober in
            #expect(try await ProbeBench.facts(prober, path).kind == .audio)
            let child = try #require(try ProbeBench.children(of: worker).first)
            kill(child, SIGKILL)
            var info = siginfo_t()
            // Waits until it has ended, and leaves it to its owner to reap.
            #expect(waitid(P_PID, id_t(child), &info, Int32(WEXITED | WNOWAIT)) == 0)
            #expect(try await ProbeBench.facts(prober, path).health == .intact)
        }
    }

    @Test(arguments: ["/nowhere/capture-probe", "/bin/true", "/bin/cat", "/etc/passwd"])
    func missingOrForeignWorkerIsAnError(_ worker: String) async throws {
        let path = try recording()
        try await ProbeBench.with(worker: worker, timeout: .seconds(2)) { prober in
            let error = await #expect(throws: MediaProbeError.self) { _ = try await ProbeBench.facts(prober, path) }
            #expect(error?.code == .workerUnavailable)
            #expect(error?.sentence.contains(worker) == true)
            #expect(error?.cause != nil)
        }
    }

    @Test func nothingIsStartedAfterStop() async throws {
        let path = try recording()
        let worker = try ProbeBench.linkedWorker()
        try await ProbeBench.with(worker: worker) { prober in
            _ = try await ProbeBench.facts(prober, path)
            #expect(try ProbeBench.children(of: worker).count == 1)
            await prober.stop()
            let error = await #expect(throws: MediaProbeError.self) { _ = try await ProbeBench.facts(prober, path) }
            #expect(error?.code == .stopped)
            #expect(try ProbeBench.children(of: worker).isEmpty)
        }
    }

    /// An agent that ends does not wait for a card that hangs, and blames no file for it.
    @Test func interruptionEndsAHang() async throws {
        let worker = try ProbeBench.fakeWorker(
            "if once; then hello; question; exec /bin/sleep 1000; fi; exec \"$WORKER\"")
        let path = try recording()
        try await ProbeBench.with(worker: worker) { prober in
            await withTaskGroup(of: MediaProbeError.Code?.self) { group in
                group.addTask {
                    do {
                        _ = try await ProbeBench.facts(prober, path)
                        return nil
                    } catch {
                        return (error as? MediaProbeError)?.code
                    }
                }
                while !ProbeBench.hasBeenOnce(worker) { await Task.yield() }
                prober.interrupt()
                let code = await group.next()
                #expect(code == .stopped)
            }
            let error = await #expect(throws: MediaProbeError.self) { _ = try await ProbeBench.facts(prober, path) }
            #expect(error?.code == .stopped)
        }
    }

    @Test func byHandItSaysWhatItIs() throws {
        let (code, _) = try Footage.run(MediaProber.defaultWorkerPath().display, [])
        #expect(code == 64)
    }
}
