import EvidenceModel
import StationTesting
import Testing

@testable import SyncEngine

/// One line an event. Parts have 10 bytes, requests take 10 bytes whole, two parts are in flight at most.
@Suite("Upload machine")
struct UploadMachineTests {
    private let small = SampleRecording(seed: 1, size: 10, partSize: 10).plan()
    private let large = SampleRecording(seed: 2, size: 35, partSize: 10).plan()
    private let object = StoredObject(size: 35, tag: "whole")

    private func machine(
        _ plan: UploadPlan, _ progress: JournaledUpload.Progress = .planned, tags: [Int: String] = [:]
    ) -> UploadMachine {
        UploadMachine(
            journaled: JournaledUpload(plan: plan, progress: progress, tags: tags), wholeLimit: 10, window: 2)
    }

    /// A machine of `large` that is sending under "t", with the first two parts in flight.
    private func sending() -> UploadMachine {
        var upload = machine(large)
        _ = upload.begun()
        _ = upload.uploadCreated(token: "t")
        return upload
    }

    /// The same when completion is asked for.
    private func completing() -> UploadMachine {
        var upload = sending()
        for part in 1...4 { _ = upload.partAcknowledged(token: "t", part, tag: "\(part)") }
        return upload
    }

    private func send(_ parts: Int..., token: String = "t") -> [UploadMachine.Action] {
        parts.map { .perform(.send(token: token, part: $0)) }
    }

    private func failure(_ kind: TargetFailure.Kind) -> TargetFailure { TargetFailure(kind: kind, sentence: "why") }

    private let completion = UploadMachine.Step.complete(token: "t", tags: ["1", "2", "3", "4"])
    private let verified = UploadMachine.Action.journal(
        .verified(StoredObject(size: 35, tag: "whole"), method: "m"))

    @Test func aSmallObjectGoesInOneRequest() {
        var upload = machine(small)
        #expect(upload.begun() == [.journal(.creating), .perform(.putWhole)])
        #expect(upload.demand == 1)
        #expect(upload.wholePut(tag: "a") == [.journal(.completed(tag: "a")), .perform(.inspect(tag: "a"))])
        #expect(upload.inspected(object, verdict: .matches(method: "m")) == [verified, .end(.verified)])
        #expect(upload.demand == 0)
        #expect(upload.check() == [])
    }

    @Test func aLargeObjectGoesInParts() {
        var upload = machine(large)
        #expect(upload.begun() == [.journal(.creating), .perform(.create)])
        #expect(upload.uploadCreated(token: "t") == [.journal(.opened(token: "t"))] + send(1, 2))
        #expect(
            upload.partAcknowledged(token: "t", 2, tag: "2") == [.journal(.acknowledged(part: 2, tag: "2"))] + send(3))
        #expect(
            upload.partAcknowledged(token: "t", 1, tag: "1") == [.journal(.acknowledged(part: 1, tag: "1"))] + send(4))
        #expect(upload.demand == 2)
        #expect(upload.partAcknowledged(token: "t", 4, tag: "4") == [.journal(.acknowledged(part: 4, tag: "4"))])
        #expect(upload.demand == 1)
        #expect(
            upload.partAcknowledged(token: "t", 3, tag: "3")
                == [.journal(.acknowledged(part: 3, tag: "3")), .journal(.sealed), .perform(completion)])
        #expect(
            upload.completed(tag: "whole") == [.journal(.completed(tag: "whole")), .perform(.inspect(tag: "whole"))])
        #expect(upload.inspected(object, verdict: .matches(method: "m")) == [verified, .end(.verified)])
    }

    // MARK: After a crash

    @Test func whatIsAskedFirstAfterACrash() {
        var upload = machine(large)
        #expect(upload.begun() == [.journal(.creating), .perform(.create)])
        upload = machine(small, .creating)
        #expect(upload.begun() == [.perform(.inspect(tag: nil))])
        upload = machine(large, .creating)
        #expect(upload.begun() == [.perform(.find)])
        upload = machine(large, .open(token: "t"))
        #expect(upload.begun() == [.perform(.list(token: "t"))])
        upload = machine(large, .sealed(token: "t"), tags: [1: "1", 2: "2", 3: "3", 4: "4"])
        #expect(upload.begun() == [.perform(.inspect(tag: nil))])
        upload = machine(large, .completed(tag: "whole"))
        #expect(upload.begun() == [.perform(.inspect(tag: "whole"))])
    }

    @Test func aWholePutThatNeverArrivedIsDoneAgain() {
        var upload = machine(small, .creating)
        _ = upload.begun()
        #expect(
            upload.inspected(nil, verdict: nil) == [.journal(.lost), .journal(.creating), .perform(.putWhole)])
    }

    @Test func noUploadFoundIsANewOne() {
        var upload = machine(large, .creating)
        _ = upload.begun()
        #expect(upload.uploadsFound([]) == [.journal(.creating), .perform(.create)])
    }

    @Test func oneUploadFoundIsAdopted() {
        var upload = machine(large, .creating)
        _ = upload.begun()
        #expect(upload.uploadsFound(["t"]) == [.journal(.opened(token: "t")), .perform(.list(token: "t"))])
        #expect(upload.partsListed([]) == send(1, 2))
    }

    @Test func severalUploadsFoundAreGivenUp() {
        var upload = machine(large, .creating)
        _ = upload.begun()
        #expect(
            upload.uploadsFound(["t", "u"]) == [
                .perform(.abort(token: "t")), .perform(.abort(token: "u")), .journal(.creating), .perform(.create),
            ])
        #expect(upload.failed(.abort(token: "t"), failure(.denied), jitter: 1) == [])
        #expect(upload.uploadCreated(token: "v") == [.journal(.opened(token: "v"))] + send(1, 2, token: "v"))
    }

    @Test func partsBothKnowAreNotSentAgain() {
        var upload = machine(large, .open(token: "t"), tags: [1: "1", 2: "2"])
        _ = upload.begun()
        let listed = [1, 2].map { ListedPart(number: $0, size: 10, tag: "\($0)") }
        #expect(upload.partsListed(listed) == send(3, 4))
    }

    @Test func aPartOnlyTheTargetKnowsIsComparedFirst() {
        var upload = machine(large, .open(token: "t"), tags: [1: "1", 2: "2"])
        _ = upload.begun()
        let listed = (1...4).map { ListedPart(number: $0, size: $0 == 4 ? 5 : 10, tag: "\($0)") }
        #expect(
            upload.partsListed(listed) == [
                .perform(.compare(token: "t", part: listed[2])), .perform(.compare(token: "t", part: listed[3])),
            ])
        #expect(
            upload.partCompared(token: "t", listed[3], isSame: true) == [.journal(.acknowledged(part: 4, tag: "4"))])
        #expect(upload.partCompared(token: "t", listed[2], isSame: false) == send(3))
        #expect(
            upload.partAcknowledged(token: "t", 3, tag: "x") == [
                .journal(.acknowledged(part: 3, tag: "x")), .journal(.sealed),
                .perform(.complete(token: "t", tags: ["1", "2", "x", "4"])),
            ])
    }

    @Test func aPartTheTargetForgotOrCutShortIsSentAgain() {
        var upload = machine(large, .open(token: "t"), tags: [1: "1", 2: "2", 3: "3"])
        _ = upload.begun()
        let listed = [ListedPart(number: 1, size: 9, tag: "1"), ListedPart(number: 3, size: 10, tag: "3")]
        #expect(upload.partsListed(listed) == [.journal(.forgotten(parts: [1, 2]))] + send(1, 2))
    }

    @Test func partsThePlanDoesNotHaveAreNotTaken() {
        var upload = machine(large, .open(token: "t"))
        _ = upload.begun()
        let listed = [0, 5, -1, .max].map { ListedPart(number: $0, size: 10, tag: "x") }
        #expect(upload.partsListed(listed) == send(1, 2))
    }

    /// A page that is told twice must not send a part that is acknowledged.
    @Test func aPartListedTwiceCountsOnce() {
        var upload = machine(large, .open(token: "t"))
        _ = upload.begun()
        let part = ListedPart(number: 1, size: 10, tag: "1")
        let other = ListedPart(number: 1, size: 10, tag: "2")
        #expect(upload.partsListed([part, other]) == [.perform(.compare(token: "t", part: part))] + send(2, 3))
    }

    @Test func everyPartKnownIsSealed() {
        var upload = machine(large, .open(token: "t"), tags: [1: "1", 2: "2", 3: "3", 4: "4"])
        _ = upload.begun()
        let listed = (1...4).map { ListedPart(number: $0, size: $0 == 4 ? 5 : 10, tag: "\($0)") }
        #expect(upload.partsListed(listed) == [.journal(.sealed), .perform(completion)])
    }

    @Test func aSealedUploadThatIsNoObjectIsListed() {
        var upload = machine(large, .sealed(token: "t"), tags: [1: "1", 2: "2", 3: "3", 4: "4"])
        _ = upload.begun()
        #expect(upload.inspected(nil, verdict: nil) == [.perform(.list(token: "t"))])
    }

    @Test func aCompletedObjectThatIsGoneIsMadeAgain() {
        var upload = machine(large, .completed(tag: "whole"))
        _ = upload.begun()
        #expect(upload.inspected(nil, verdict: nil) == [.journal(.lost), .journal(.creating), .perform(.create)])
    }

    // MARK: Completion

    @Test(arguments: [TargetFailure.Kind.serverFault, .interrupted, .throttled(afterSeconds: nil)])
    func anUncertainCompletionIsLookedAtBeforeItIsAskedForAgain(_ kind: TargetFailure.Kind) {
        var upload = completing()
        #expect(upload.failed(completion, failure(kind), jitter: 1) == [.retry(afterSeconds: 0.4)])
        #expect(upload.retryDue() == [.perform(.inspect(tag: nil))])
        var again = upload
        #expect(upload.inspected(object, verdict: .matches(method: "m")) == [verified, .end(.verified)])
        #expect(again.inspected(nil, verdict: nil) == [.perform(.list(token: "t"))])
    }

    @Test func partsThatCompletionMissedAreListedAndSent() {
        var upload = completing()
        #expect(upload.failed(completion, failure(.partsDisagree), jitter: 1) == [.retry(afterSeconds: 0.4)])
        #expect(upload.retryDue() == [.perform(.list(token: "t"))])
        let listed = (2...4).map { ListedPart(number: $0, size: $0 == 4 ? 5 : 10, tag: "\($0)") }
        #expect(upload.partsListed(listed) == [.journal(.forgotten(parts: [1]))] + send(1))
    }

    @Test func anUnknownUploadAfterCompletionMayBeASuccess() {
        var upload = completing()
        #expect(upload.failed(completion, failure(.uploadUnknown), jitter: 1) == [.retry(afterSeconds: 0.4)])
        #expect(upload.retryDue() == [.perform(.inspect(tag: nil))])
        var again = upload
        #expect(upload.inspected(object, verdict: .matches(method: "m")) == [verified, .end(.verified)])
        #expect(again.inspected(nil, verdict: nil) == [.journal(.lost), .journal(.creating), .perform(.create)])
    }

    @Test func whatDiffersIsParked() {
        var upload = completing()
        _ = upload.completed(tag: "whole")
        let differs = TargetFailure(kind: .differs, sentence: "a; b")
        #expect(
            upload.inspected(object, verdict: .differs(["a", "b"]))
                == [.journal(.parked(differs)), .end(.parked(differs))])
        #expect(upload.inspected(object, verdict: .matches(method: "m")) == [])
    }

    // MARK: An upload that is lost while parts are on their way

    @Test func lateAnswersOfALostUploadDoNotCount() {
        var upload = sending()
        let step = UploadMachine.Step.send(token: "t", part: 1)
        #expect(upload.failed(step, failure(.uploadUnknown), jitter: 1) == [.retry(afterSeconds: 0.4)])
        #expect(upload.partAcknowledged(token: "t", 2, tag: "2") == [])
        #expect(upload.retryDue() == [.perform(.inspect(tag: nil))])
        #expect(upload.inspected(nil, verdict: nil) == [.journal(.lost), .journal(.creating), .perform(.create)])
        #expect(upload.uploadCreated(token: "u") == [.journal(.opened(token: "u"))] + send(1, 2, token: "u"))
        #expect(upload.acknowledgedParts == [])
        #expect(upload.check() == [])
    }

    /// A directory names the new upload as it named the old one: a late answer would count for the wrong one.
    @Test func aLostUploadIsFollowedByNothingWhileAnswersAreToCome() {
        var upload = sending()
        let step = UploadMachine.Step.send(token: "t", part: 1)
        #expect(upload.failed(step, failure(.uploadUnknown), jitter: 1) == [.retry(afterSeconds: 0.4)])
        #expect(upload.retryDue() == [])
        #expect(
            upload.failed(.send(token: "t", part: 2), failure(.interrupted), jitter: 1) == [
                .perform(.inspect(tag: nil))
            ])
        #expect(upload.inspected(nil, verdict: nil) == [.journal(.lost), .journal(.creating), .perform(.create)])
        #expect(upload.uploadCreated(token: "t") == [.journal(.opened(token: "t"))] + send(1, 2))
    }

    @Test func aComparisonThatIsLateIsWaitedForToo() {
        var upload = machine(large, .open(token: "t"))
        _ = upload.begun()
        let part = ListedPart(number: 4, size: 5, tag: "4")
        #expect(upload.partsListed([part]) == [.perform(.compare(token: "t", part: part))] + send(1, 2))
        _ = upload.failed(.send(token: "t", part: 2), failure(.uploadUnknown), jitter: 1)
        #expect(upload.failed(.send(token: "t", part: 1), failure(.uploadUnknown), jitter: 1) == [])
        #expect(upload.retryDue() == [])
        #expect(upload.partCompared(token: "t", part, isSame: true) == [.perform(.inspect(tag: nil))])
    }

    @Test func anUnknownUploadWhileListing() {
        var upload = machine(large, .open(token: "t"), tags: [1: "1"])
        _ = upload.begun()
        #expect(
            upload.failed(.list(token: "t"), failure(.uploadUnknown), jitter: 0.5) == [.retry(afterSeconds: 0.2)])
        #expect(upload.retryDue() == [.perform(.inspect(tag: nil))])
        #expect(upload.inspected(nil, verdict: nil) == [.journal(.lost), .journal(.creating), .perform(.create)])
        #expect(upload.acknowledgedParts == [])
    }

    // MARK: Failures

    @Test(arguments: [
        TargetFailure.Kind.unreachable, .certificate, .denied, .misconfigured, .full, .stationFault,
    ])
    func aTargetThatFailsAsAWholeSuspends(_ kind: TargetFailure.Kind) {
        var upload = sending()
        let why = failure(kind)
        #expect(upload.failed(.send(token: "t", part: 1), why, jitter: 1) == [.end(.suspended(why))])
        #expect(upload.failed(.send(token: "t", part: 2), why, jitter: 1) == [])
        #expect(upload.retryDue() == [])
    }

    @Test(arguments: [TargetFailure.Kind.rejected, .sourceUnavailable, .sourceChanged])
    func whatCannotGoOnIsParked(_ kind: TargetFailure.Kind) {
        var upload = sending()
        let why = failure(kind)
        #expect(
            upload.failed(.send(token: "t", part: 1), why, jitter: 1)
                == [.journal(.parked(why)), .end(.parked(why))])
        #expect(upload.partAcknowledged(token: "t", 2, tag: "2") == [])
    }

    @Test func cancellationStops() {
        var upload = sending()
        #expect(upload.failed(.send(token: "t", part: 1), failure(.cancelled), jitter: 1) == [.end(.stopped)])
    }

    @Test func aRowOfFailuresGrowsTheDelayAndProgressEndsIt() {
        var upload = machine(large)
        _ = upload.begun()
        for delay in [0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 60, 60] {
            #expect(upload.failed(.create, failure(.serverFault), jitter: 1) == [.retry(afterSeconds: delay)])
            #expect(upload.retryDue() == [.perform(.create)])
        }
        _ = upload.uploadCreated(token: "t")
        _ = upload.partAcknowledged(token: "t", 1, tag: "1")
        #expect(
            upload.failed(.send(token: "t", part: 2), failure(.interrupted), jitter: 1) == [.retry(afterSeconds: 0.4)])
    }

    @Test func aTargetThatAsksForPatienceGetsIt() {
        var upload = machine(small)
        _ = upload.begun()
        #expect(
            upload.failed(.putWhole, failure(.throttled(afterSeconds: 30)), jitter: 1) == [.retry(afterSeconds: 30)])
        #expect(upload.retryDue() == [.perform(.putWhole)])
        #expect(
            upload.failed(.putWhole, failure(.throttled(afterSeconds: 0)), jitter: 1) == [.retry(afterSeconds: 0.8)])
    }

    @Test func whileItBacksOffNothingIsSent() {
        var upload = sending()
        #expect(
            upload.failed(.send(token: "t", part: 1), failure(.serverFault), jitter: 1) == [.retry(afterSeconds: 0.4)])
        #expect(upload.failed(.send(token: "t", part: 2), failure(.serverFault), jitter: 1) == [])
        #expect(upload.check() == [])
        #expect(upload.retryDue() == send(2, 1))
    }
}

extension UploadMachine {
    /// The parts that a journal written so far would call acknowledged.
    var acknowledgedParts: [Int] { acknowledged.keys.sorted() }
}
