import EvidenceModel
import SyncEngine
import Synchronization

/// A target one of whose answers is lost: what was asked for is done, and whoever asked does not hear of it.
final class LossyTarget: StorageTarget {
    private struct State {
        var target: any StorageTarget
        var left: Int
    }

    private let loss: TargetFailure.Kind
    private let replacement: any StorageTarget
    private let state: Mutex<State>

    /// - Parameters:
    ///   - number: of the answer that is lost, from 1.
    ///   - loss: `.interrupted` where the connection broke, `.cancelled` where the agent ended.
    ///   - replacement: the target from then on.
    init(
        _ target: any StorageTarget, losing number: Int, _ loss: TargetFailure.Kind,
        then replacement: any StorageTarget
    ) {
        self.loss = loss
        self.replacement = replacement
        state = Mutex(State(target: target, left: number))
    }

    var hasLost: Bool { state.withLock { $0.left <= 0 } }
    private var target: any StorageTarget { state.withLock(\.target) }

    private func answer<Answer>(_ answer: Answer) throws(TargetFailure) -> Answer {
        let isLost = state.withLock { state in
            state.left -= 1
            if state.left == 0 { state.target = replacement }
            return state.left == 0
        }
        if isLost { throw TargetFailure(kind: loss, sentence: "the answer was lost") }
        return answer
    }

    var name: String { target.name }
    var wholeLimit: Int64 { target.wholeLimit }

    func putWhole(_ plan: UploadPlan, bytes: PartBytes) async throws(TargetFailure) -> String {
        try answer(await target.putWhole(plan, bytes: bytes))
    }
    func createUpload(_ plan: UploadPlan) async throws(TargetFailure) -> String {
        try answer(await target.createUpload(plan))
    }
    func findUploads(_ plan: UploadPlan) async throws(TargetFailure) -> [String] {
        try answer(await target.findUploads(plan))
    }
    func listParts(_ plan: UploadPlan, token: String) async throws(TargetFailure) -> [ListedPart] {
        try answer(await target.listParts(plan, token: token))
    }
    func putPart(
        _ plan: UploadPlan, token: String, number: Int, bytes: PartBytes
    ) async throws(TargetFailure) -> String {
        try answer(await target.putPart(plan, token: token, number: number, bytes: bytes))
    }
    func complete(_ plan: UploadPlan, token: String, tags: [String]) async throws(TargetFailure) -> String {
        try answer(await target.complete(plan, token: token, tags: tags))
    }
    func abort(_ plan: UploadPlan, token: String) async throws(TargetFailure) {
        try answer(await target.abort(plan, token: token))
    }
    func inspect(_ plan: UploadPlan) async throws(TargetFailure) -> StoredObject? {
        try answer(await target.inspect(plan))
    }
    func read(_ plan: UploadPlan, span: ByteSpan) async throws(TargetFailure) -> [UInt8] {
        try await target.read(plan, span: span)
    }
    func takesPartsInOrder(_ plan: UploadPlan, token: String?) async -> Bool {
        await target.takesPartsInOrder(plan, token: token)
    }
    func partTag(_ bytes: PartBytes) -> String { target.partTag(bytes) }
    func verdict(_ plan: UploadPlan, object: StoredObject, tag: String?) -> CopyVerdict {
        target.verdict(plan, object: object, tag: tag)
    }
}
