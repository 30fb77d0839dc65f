import FileAccess
import EvidenceModel
import Testing

@testable import MediaProbe

@Suite struct WorkerMachineTests {
    @Test func keepsAWorkerThatAnswers() {
        var machine = WorkerMachine()
        #expect(machine.asked() == .start)
        #expect(machine.started() == .send)
        #expect(machine.replied() == .deliver)
        #expect(machine.asked() == .send)
        #expect(machine.replied() == .deliver)
        #expect(machine.state == .ready(served: 2))
    }

    @Test func blamesTheFileOnlyByAFreshWorker() {
        var machine = WorkerMachine()
        _ = machine.asked()
        _ = machine.started()
        _ = machine.replied()
        #expect(machine.asked() == .send)
        #expect(machine.failed(.died("signal 11")) == .start)
        #expect(machine.started() == .send)
        #expect(machine.failed(.died("signal 11")) == .blame(.died("signal 11")))
        #expect(machine.state == .absent)
    }

    @Test func blamesTheFileForAHangAtOnce() {
        var machine = WorkerMachine()
        _ = machine.asked()
        _ = machine.started()
        _ = machine.replied()
        _ = machine.asked()
        #expect(machine.failed(.hung) == .blame(.hung))
    }

    @Test func givesUpAWorkerThatEndsUnasked() {
        var machine = WorkerMachine()
        _ = machine.asked()
        _ = machine.started()
        #expect(machine.failed(.gone) == .giveUp)
        #expect(machine.state == .absent)
    }

    @Test func keepsTheWorkerWhenTheDescriptorIsBad() {
        var machine = WorkerMachine()
        let fault = WorkerFault.notHanded(FileAccessError(call: "sendmsg", path: RawPath("x"), code: 9))
        _ = machine.asked()
        _ = machine.started()
        #expect(machine.failed(fault) == .refuse(fault))
        #expect(machine.asked() == .send)
    }

    @Test func replacesAWorkerThatServedEnough() {
        var machine = WorkerMachine()
        _ = machine.asked()
        _ = machine.started()
        _ = machine.replied()
        for _ in 1..<WorkerMachine.mostServed {
            #expect(machine.asked() == .send)
            _ = machine.replied()
        }
        #expect(machine.asked() == .start)
    }

    @Test func endsAWorkerThatGrew() {
        var machine = WorkerMachine()
        _ = machine.asked()
        _ = machine.started()
        #expect(machine.replied(bytes: WorkerMachine.mostBytes + 1) == .retire)
        #expect(machine.asked() == .start)
    }

    /// Whatever happens, a file is sent at most twice and nothing is started after the stop.
    @Test(arguments: UInt64(1)...20)
    func randomWalkKeepsTheInvariants(_ seed: UInt64) {
        var generator = SplitMix(state: seed)
        var machine = WorkerMachine()
        let faults: [WorkerFault] = [.gone, .died("x"), .hung, .garbled("x")]
        for _ in 0..<300 {
            var sent = 0
            var servedBefore = 0
            if case .ready(let served) = machine.state { servedBefore = served }
            var action: WorkerMachine.Action? = machine.asked()
            while let current = action {
                switch current {
                case .start:
                    action = Int.random(in: 0..<9, using: &generator) == 0 ? machine.startFailed() : machine.started()
                case .send:
                    sent += 1
                    let fault = faults.randomElement(using: &generator)
                    action =
                        if Bool.random(using: &generator), let fault { machine.failed(fault) } else {
                            machine.replied()
                        }
                case .blame(let fault):
                    #expect(fault == .hung || sent == 2 || servedBefore == 0)
                    action = nil
                case .deliver, .retire, .refuse, .giveUp, .refuseStopped: action = nil
                }
            }
            #expect(sent <= 2)
        }
        machine.stopAsked()
        #expect(machine.asked() == .refuseStopped)
    }
}
