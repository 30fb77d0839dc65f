import EvidenceModel
import Testing

@testable import SyncEngine

/// Which request goes when, and how many at once.
@Suite("Requests that wait for their turn") struct RequestQueueTests {
    private let start = WallTime(millisecondsSince1970: 1_800_000_000_000)

    private func claim(_ share: String, _ bytes: Int64 = 8, _ uploadClass: UploadClass = .normal) -> RequestClaim {
        RequestClaim(share: share, uploadClass: uploadClass, bytes: bytes)
    }

    /// 16 devices and three targets, one of them ten times as slow: at each target no device is ever more than a part
    /// ahead of another, and the slow one holds up nobody.
    @Test func sixteenDevicesProgressEquallyAtEachOfThreeTargets() {
        let partsInAMinute = ["cloud": 100, "nas": 400, "slow": 10]
        for (target, rate) in partsInAMinute {
            var queue = RequestQueue(limit: RequestLimit(ceiling: 8))
            var given: [String: Int] = [:]
            var number = 0
            func ask(_ share: String) {
                number += 1
                queue.wants(claim(share), number: number)
            }
            // Every device has the parts of one file waiting, as many as the window holds.
            for device in 0..<16 { for _ in 0..<8 { ask("K\(device)") } }
            for _ in 0..<rate * 10 {
                while let next = queue.next({ _ in true }) {
                    given[next.claim.share, default: 0] += 1
                    ask(next.claim.share)
                }
                let counts = (0..<16).map { given["K\($0)", default: 0] }
                #expect((counts.max() ?? 0) - (counts.min() ?? 0) <= 1, "\(target): \(counts)")
                queue.ended()
            }
            #expect(given.values.reduce(0, +) == rate * 10 + 3, "\(target) had its own pace")
        }
    }

    @Test func anUploadAloneHasEveryRequest() {
        var queue = RequestQueue(limit: RequestLimit(ceiling: 8))
        for number in 1...8 { queue.wants(claim("K1"), number: number) }
        let first = (1...8).map { _ in queue.next { _ in true }?.number }
        #expect(first == [1, 2, 3, 4, nil, nil, nil, nil])
        queue.ended()
        #expect(queue.next { _ in true }?.number == 5)
    }

    @Test func aRecheckGoesOnlyWhenNothingElseWaits() {
        var queue = RequestQueue(limit: RequestLimit(ceiling: 8))
        queue.wants(claim("", 0, .recheck), number: 1)
        queue.wants(claim("K1"), number: 2)
        #expect(queue.next { _ in false } == nil && queue.isHeldUp { _ in false })
        #expect(queue.next { _ in true }?.number == 2)
        queue.allowsRechecks = false
        #expect(queue.next { _ in true } == nil)
        queue.allowsRechecks = true
        #expect(queue.next { _ in true }?.number == 1)
        queue.wants(claim("K1"), number: 3)
        #expect(queue.gaveUp(number: 3) && !queue.gaveUp(number: 3) && queue.next { _ in true } == nil)
    }

    @Test func whatTheLinkHoldsUpHoldsUpNothingElse() {
        var queue = RequestQueue(limit: RequestLimit(ceiling: 8))
        queue.wants(claim("K1", 8, .important), number: 1)
        queue.wants(claim("K1", 0), number: 2)
        #expect(queue.next { $0.bytes == 0 }?.number == 2)
        #expect(queue.isHeldUp { $0.bytes == 0 } && !queue.isHeldUp { _ in true })
    }

    /// So many parts, one after the other, each taking so many seconds.
    private func run(_ limit: inout RequestLimit, _ parts: Int, seconds: Double, from time: inout WallTime) {
        for _ in 0..<parts {
            let begun = time
            time = time.adding(seconds: seconds)
            limit.arrived(bytes: 1000, begunAt: begun, at: time, isFull: true)
        }
    }

    @Test func theLimitRisesWhileThatBringsMore() {
        var limit = RequestLimit(ceiling: 6)
        var time = start
        #expect(limit.value == 4)
        run(&limit, 31, seconds: 1, from: &time)
        #expect(limit.value == 4)
        run(&limit, 1, seconds: 1, from: &time)
        #expect(limit.value == 5)
        run(&limit, 320, seconds: 0.97, from: &time)
        #expect(limit.value == 5, "3 % more is no more")
        run(&limit, 64, seconds: 0.8, from: &time)
        #expect(limit.value == 6)
        run(&limit, 320, seconds: 0.1, from: &time)
        #expect(limit.value == 6, "the ceiling")
    }

    @Test func theLimitHalvesOnceForWhatWasUnderWayTogether() {
        var limit = RequestLimit(ceiling: 8)
        for part in 0..<4 { limit.slowed(begunAt: start, at: start.adding(seconds: 1 + Double(part))) }
        #expect(limit.value == 2)
        limit.slowed(begunAt: start.adding(seconds: 5), at: start.adding(seconds: 6))
        limit.slowed(begunAt: start.adding(seconds: 7), at: start.adding(seconds: 8))
        #expect(limit.value == 1, "never less")
        var time = start.adding(seconds: 9)
        run(&limit, 32, seconds: 9, from: &time)
        #expect(limit.value == 2, "after a halving the first clean parts count")
        for _ in 0..<100 { limit.arrived(bytes: 1, begunAt: time, at: time.adding(seconds: 1), isFull: false) }
        #expect(limit.value == 2, "what it did not need to be says nothing")
    }
}
