import EvidenceModel
import StationTesting
import Synchronization
import Testing

@testable import SyncEngine

@Suite("What stores show when they are tried out")
struct S3CapabilityTests {
    /// Answers as the stores gave them (servers of 2026-11), and what follows.
    struct Store: Sendable, CustomTestStringConvertible {
        var name: String
        var answers: S3TrialAnswers
        var level: S3Capabilities.Level
        var words: Set<String>
        var testDescription: String { name }
    }

    private static let bad = S3TrialAnswers.Answer.refused(.corruptedOnTheWay, code: "BadDigest")
    private static let unknown = S3TrialAnswers.Answer.refused(.rejected, code: "NotImplemented")
    private static let exists = S3TrialAnswers.Answer.refused(.serverFault, code: "PreconditionFailed")

    private static func answers(_ change: (inout S3TrialAnswers) -> Void) -> S3TrialAnswers {
        var answers = S3TrialAnswers(
            wrongSHA256: .refused(.corruptedOnTheWay, code: "XAmzContentSHA256Mismatch"), wrongMD5: bad,
            rightCRC64: .taken, wrongCRC64: bad, wrongObjectCRC64: bad, rightObjectCRC64: .taken, secondObject: exists,
            partAgain: .taken, listsPartAgain: true, listsByPages: true, namesByMD5: true, hasDate: true,
            keepsLocks: false)
        change(&answers)
        return answers
    }

    static let stores: [Store] = [
        Store(
            name: "AWS", answers: answers { _ in }, level: .l3,
            words: ["L3", "refuses_wrong_crc64nvme", "refuses_wrong_object_crc64nvme", "refuses_second_object"]),
        Store(
            name: "MinIO",
            answers: answers {
                $0.wrongCRC64 = .refused(.corruptedOnTheWay, code: "XAmzContentChecksumMismatch")
                $0.wrongObjectCRC64 = .refused(.rejected, code: "InvalidRequest")
            }, level: .l3, words: ["L3", "refuses_wrong_crc64nvme"]),
        Store(
            name: "R2",
            answers: answers {
                ($0.rightCRC64, $0.wrongCRC64) = (unknown, .unasked)
                ($0.wrongObjectCRC64, $0.rightObjectCRC64) = (.unasked, .unasked)
            }, level: .l2, words: ["L2", "refuses_wrong_md5", "replaces_parts"]),
        Store(
            name: "Ceph 16",
            answers: answers {
                $0.wrongCRC64 = .taken
                ($0.wrongObjectCRC64, $0.rightObjectCRC64) = (.unasked, .unasked)
            }, level: .l2, words: ["L2", "replaces_parts"]),
        Store(
            name: "Ceph 20, which takes any sum of the whole", answers: answers { $0.wrongObjectCRC64 = .taken },
            level: .l2, words: ["L2", "refuses_wrong_crc64nvme"]),
        Store(
            name: "rclone serve s3",
            answers: answers {
                ($0.wrongSHA256, $0.wrongCRC64, $0.secondObject) = (.taken, .taken, .taken)
                ($0.wrongObjectCRC64, $0.rightObjectCRC64) = (.unasked, .unasked)
                ($0.partAgain, $0.listsPartAgain) = (unknown, false)
            }, level: .l1, words: ["L1", "refuses_wrong_md5", "names_by_md5"]),
        Store(
            name: "one that checks nothing and encrypts",
            answers: answers {
                ($0.wrongSHA256, $0.wrongMD5, $0.wrongCRC64) = (.taken, .taken, .taken)
                $0.namesByMD5 = false
            }, level: .l0, words: ["L0"]),
        Store(
            name: "one that calls another digest a wrong signature",
            answers: answers {
                $0.wrongSHA256 = .refused(.denied, code: "SignatureDoesNotMatch")
                $0.rightCRC64 = unknown
            }, level: .l2, words: ["L2"]),
    ]

    @Test(arguments: stores)
    func levelsFollowFromAnswers(_ store: Store) {
        let capabilities = store.answers.capabilities
        #expect(capabilities.level == store.level)
        #expect(capabilities.words.first == store.level.name)
        #expect(store.words.isSubset(of: capabilities.words))
        #expect(!capabilities.isDoubtful)
        #expect(capabilities.goodForSeconds == 86_400)
    }

    /// A store that takes everything proves nothing by taking a right sum; and a fault on one day is asked about again.
    @Test func whatWasNotRefusedIsNotChecked() {
        let taken = Self.answers { $0.wrongCRC64 = .taken }
        #expect(!taken.capabilities.refusesWrongCRC64)
        let deaf = Self.answers { $0.rightCRC64 = Self.bad }
        #expect(!deaf.capabilities.refusesWrongCRC64)
        let ill = Self.answers { $0.wrongSHA256 = .refused(.serverFault, code: "500") }.capabilities
        #expect(ill.isDoubtful)
        #expect(ill.level == .l1)
        #expect(ill.goodForSeconds == 600)
    }

    // MARK: When it is tried out

    /// Stands for the trials: counts them, and gives what it is told to.
    private final class Trials: Sendable {
        let state = Mutex((count: 0, outcome: Result<S3Capabilities, TargetFailure>.success(S3Capabilities.amazon)))
        var count: Int { state.withLock(\.count) }

        func tryOut() throws(TargetFailure) -> S3Capabilities {
            try state.withLock { state in
                state.count += 1
                return state.outcome
            }.get()
        }
    }

    private final class Memory: CapabilityMemory {
        let kept = Mutex<S3KnownCapabilities?>(nil)

        func recall(target: String) async -> S3KnownCapabilities? { kept.withLock(\.self) }
        func remember(_ known: S3KnownCapabilities, target: String) async { kept.withLock { $0 = known } }
    }

    private static let noon = WallTime(millisecondsSince1970: 1_800_000_000_000)

    private func ask(
        _ behaviour: S3Behaviour, _ trials: Trials, after seconds: Double = 0, needsLocks: Bool = false
    ) async throws(TargetFailure) -> S3Capabilities {
        try await behaviour.capabilities(
            now: { Self.noon.adding(seconds: seconds) }, isEnough: { $0.keepsLocks || !needsLocks }
        ) { () async throws(TargetFailure) in try trials.tryOut() }
    }

    @Test func aStoreIsTriedOutOnceADay() async throws {
        let (trials, memory) = (Trials(), Memory())
        let behaviour = S3Behaviour(target: "t", known: nil, memory: memory)
        for seconds in [0.0, 1, 86_399] {
            #expect(try await ask(behaviour, trials, after: seconds) == .amazon)
            #expect(trials.count == 1)
        }
        // Another start knows it.
        let next = S3Behaviour(target: "t", known: nil, memory: memory)
        #expect(try await ask(next, trials, after: 5) == .amazon)
        #expect(trials.count == 1)
        #expect(try await ask(next, trials, after: 86_400) == .amazon)
        #expect(trials.count == 2)
        // A clock that fell back by a year.
        let fallen = S3Behaviour(target: "t", known: nil, memory: memory)
        _ = try await ask(fallen, trials, after: -31_536_000)
        #expect(trials.count == 3)
    }

    @Test func aSurpriseIsReasonToTryAgainButNotAtOnce() async throws {
        let trials = Trials()
        let known = S3KnownCapabilities(capabilities: .amazon, triedAt: Self.noon)
        let behaviour = S3Behaviour(target: "t", known: known, memory: nil)
        behaviour.doubt()
        _ = try await ask(behaviour, trials)
        #expect(trials.count == 1)
        behaviour.doubt()
        _ = try await ask(behaviour, trials, after: 599)
        #expect(trials.count == 1)
        _ = try await ask(behaviour, trials, after: 601)
        #expect(trials.count == 2)
    }

    @Test func aStoreThatIsAwayIsTakenAsItWas() async throws {
        let trials = Trials()
        let away = TargetFailure(kind: .unreachable, sentence: "no connection")
        trials.state.withLock { $0.outcome = .failure(away) }
        let known = S3KnownCapabilities(capabilities: .amazon, triedAt: Self.noon)
        let behaviour = S3Behaviour(target: "t", known: known, memory: nil)
        #expect(try await ask(behaviour, trials, after: 90_000) == .amazon)
        #expect(try await ask(behaviour, trials, after: 90_001) == .amazon)
        #expect(trials.count == 1)
        // Nothing is assumed of a store that nobody has seen.
        let stranger = S3Behaviour(target: "t", known: nil, memory: nil)
        await #expect(throws: away) { try await ask(stranger, trials) }
        // Nor of locks that nobody has asked for.
        await #expect(throws: away) { try await ask(behaviour, trials, needsLocks: true) }
    }

    @Test func allThatAskAtOnceWaitForOneTrial() async throws {
        let trials = Trials()
        let behaviour = S3Behaviour(target: "t", known: nil, memory: nil)
        await withDiscardingTaskGroup { group in
            for _ in 0..<50 { group.addTask { _ = try? await ask(behaviour, trials) } }
        }
        #expect(trials.count == 1)
    }

    // MARK: Names with what the station knows of them

    @Test(arguments: ["e", "e-4", "e;md5", "e;crc64nvme=00000000000000ff", "e;md5;crc64nvme=ae8b14860a799888", ""])
    func tagsComeBackAsTheyWere(_ text: String) {
        #expect(S3Tag(text).text == text)
        #expect(S3Tag(text).etag == text.prefix { $0 != ";" })
    }

    @Test func aListedPartIsKnownByTheStoresNameAlone() {
        let listed = ListedPart(number: 1, size: 5, tag: "e1")
        #expect(listed.isCalled("e1"))
        #expect(listed.isCalled("e1;crc64nvme=00000000000000ff"))
        #expect(!listed.isCalled("e12"))
        #expect(!listed.isCalled("e"))
    }

    @Test func tokensSayWhetherPartsHaveSums() {
        for token in ["2~abc;x", "a;crc64nvme"] { #expect(S3Token(token).text == token) }
        #expect(S3Token("a;crc64nvme") == S3Token(id: "a", hasCRC64: true))
        #expect(S3Token("a") == S3Token(id: "a", hasCRC64: false))
    }
}

extension S3Capabilities {
    static let amazon = S3Capabilities(
        refusesWrongSHA256: true, refusesWrongMD5: true, refusesWrongCRC64: true, refusesWrongObjectCRC64: true,
        namesByMD5: true, refusesSecondObject: true, replacesParts: true, pagesParts: true, tellsTime: true,
        keepsLocks: false, isDoubtful: false)

    /// A store of that level, and no more.
    static func only(_ level: Level) -> S3Capabilities {
        var capabilities = amazon
        if level < .l3 { capabilities.refusesWrongObjectCRC64 = false }
        if level < .l2 { capabilities.refusesWrongSHA256 = false }
        if level < .l1 { capabilities.namesByMD5 = false }
        return capabilities
    }
}
