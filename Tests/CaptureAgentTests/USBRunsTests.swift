import DockWatch
import EvidenceModel
import StationTesting
import Testing

@testable import CaptureAgent

@Suite("When programs are run for USB devices")
struct USBRunsTests {
    private let start = ContinuousClock.now

    private func at(_ seconds: Double) -> ContinuousClock.Instant { start.advanced(by: .seconds(seconds)) }

    private func camera(_ number: Int = 1, port: String = "1-1", product: String = "0006") -> USBDevice {
        USBDevice(
            identity: USBIdentity(vendorID: "2207", productID: product, serial: "K1", port: port),
            node: RawPath("/dev/bus/usb/001/\(number)"))
    }

    @Test func aCameraThatBeginsAnewIsLeftAlone() {
        var runs = USBRuns()
        #expect(runs.appeared(camera(1), at: at(0)) == .run)
        runs.left(camera(1), at: at(1))
        #expect(runs.ended(port: "1-1", at: at(2)) == nil)
        #expect(runs.appeared(camera(2), at: at(3)) == .heldBack)
        runs.left(camera(2), at: at(31))
        // The pause is over.
        #expect(runs.appeared(camera(3), at: at(32)) == .run)
    }

    @Test func aCameraThatBeginsAnewWhileItsProgramRunsIsLeftAlone() {
        var runs = USBRuns()
        #expect(runs.appeared(camera(1), at: at(0)) == .run)
        runs.left(camera(1), at: at(1))
        #expect(runs.appeared(camera(2), at: at(2)) == .waits)
        #expect(runs.ended(port: "1-1", at: at(3)) == nil)
    }

    @Test func whoWasAwayForLongIsANewOne() {
        var runs = USBRuns()
        #expect(runs.appeared(camera(1), at: at(0)) == .run)
        runs.left(camera(1), at: at(1))
        #expect(runs.ended(port: "1-1", at: at(20)) == nil)
        #expect(runs.appeared(camera(2), at: at(32)) == .run)
        // The same while the program runs on.
        runs.left(camera(2), at: at(33))
        #expect(runs.appeared(camera(3), at: at(64)) == .waits)
        #expect(runs.ended(port: "1-1", at: at(65)) == camera(3))
    }

    @Test func anotherDeviceWaitsForItsTurn() {
        var runs = USBRuns()
        #expect(runs.appeared(camera(1), at: at(0)) == .run)
        #expect(runs.appeared(camera(2, port: "1-2"), at: at(0)) == .run)
        runs.left(camera(1), at: at(1))
        #expect(runs.appeared(camera(3, product: "0007"), at: at(1)) == .waits)
        #expect(runs.ended(port: "1-1", at: at(2)) == camera(3, product: "0007"))
        // One that has gone before its turn.
        #expect(runs.appeared(camera(4, product: "0008"), at: at(3)) == .waits)
        runs.left(camera(4, product: "0008"), at: at(4))
        #expect(runs.ended(port: "1-1", at: at(5)) == nil)
        #expect(runs.ended(port: "1-1", at: at(5)) == nil)
    }

    @Test(arguments: 1...50 as ClosedRange<UInt64>)
    func noPortHasTwoRuns(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var runs = USBRuns()
        var (now, plugged, running) = (0.0, [String: USBDevice](), Set<String>())
        var begun: [String: Double] = [:]
        for number in 0..<300 {
            now += Double.random(in: 0...10, using: &random)
            let port = ["1-1", "1-2"][Int.random(in: 0...1, using: &random)]
            switch Int.random(in: 0...2, using: &random) {
            case 0 where plugged[port] == nil:
                plugged[port] = camera(number, port: port)
                let decision = runs.appeared(camera(number, port: port), at: at(now))
                #expect((decision == .waits) == running.contains(port))
                if decision == .run {
                    // Always the same camera: a run, its end and the pause lie between.
                    #expect(now - (begun[port] ?? -30) >= 30)
                    #expect(running.insert(port).inserted)
                    begun[port] = now
                }
            case 1: if let gone = plugged.removeValue(forKey: port) { runs.left(gone, at: at(now)) }
            default:
                let next = runs.ended(port: port, at: at(now))
                #expect(next == nil || running.contains(port) && next == plugged[port])
                if next == nil { running.remove(port) } else { begun[port] = now }
            }
        }
    }
}
