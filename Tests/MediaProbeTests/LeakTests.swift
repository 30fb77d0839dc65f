import EvidenceModel
import Foundation
import Testing

@testable import MediaProbe

/// What is left when the work is done. Each in a process of its own, where no other test starts or opens anything.
@Suite struct LeakTests {
    @Test func twoHundredFilesLeaveNothingBehind() async {
        await #expect(processExitsWith: .success) {
            let path = try ProbeBench.recording()
            let before = try ProbeBench.openDescriptors()
            try await ProbeBench.with { prober in
                _ = try await ProbeBench.facts(prober, path)
                let during = try ProbeBench.openDescriptors()
                for _ in 0..<200 {
                    let facts = try await ProbeBench.facts(prober, path)
                    #expect(facts.kind == .audio)
                }
                #expect(try ProbeBench.openDescriptors() == during)
                let child = try #require(try ProbeBench.children().first)
                // 0 to 3: the files that were handed over are closed, and nothing was inherited.
                #expect(try ProbeBench.openDescriptors(of: "\(child)") == 4)
            }
            #expect(try ProbeBench.children() == [])
            #expect(try ProbeBench.openDescriptors() == before)
        }
    }

    @Test func brokenWorkersLeaveNothingBehind() async {
        await #expect(processExitsWith: .success) {
            let path = try ProbeBench.recording()
            // What Foundation opens once, when it first starts a process, is there before the count.
            _ = try ProbeBench.fakeWorker("")
            let before = try ProbeBench.openDescriptors()
            for script in ["kill -SEGV $$", "printf nonsense >&3; question", "/bin/sleep 1000"] {
                let worker = try ProbeBench.fakeWorker("hello; question; \(script)")
                try await ProbeBench.with(worker: worker, timeout: .seconds(2)) { prober in
                    for _ in 0..<2 {
                        let facts = try await ProbeBench.facts(prober, path)
                        #expect(facts.health == .unreadable)
                    }
                }
            }
            for worker in ["/nowhere/capture-probe", "/bin/true"] {
                _ = try? await ProbeBench.with(worker: worker) { try await ProbeBench.facts($0, path) }
            }
            #expect(try ProbeBench.children() == [])
            #expect(try ProbeBench.openDescriptors() == before)
        }
    }

    /// A prober that is dropped without `stop()` ends its worker all the same.
    @Test func droppedProberEndsItsWorker() async {
        await #expect(processExitsWith: .success) {
            let path = try ProbeBench.recording()
            func ask() async throws {
                let worker = try MediaProber.defaultWorkerPath()
                let prober = try MediaProber(worker: worker, logger: ProbeBench.quiet)
                _ = try await ProbeBench.facts(prober, path)
                #expect(try ProbeBench.children().count == 1)
            }
            try await ask()
            #expect(try ProbeBench.children() == [])
        }
    }
}
