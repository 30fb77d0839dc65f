import ContentHash
import EvidenceModel
import SyncEngine
import Synchronization

/// A store in memory with many keys: objects, and uploads that nobody completed.
final class UpkeepStore: StorageTarget {
    struct Contents: Sendable {
        var uploads: [UnfinishedUpload] = []
        /// How often an upload has to be given up before nothing is left of it.
        var lives: [String: Int] = [:]
        var objects: [String: StoredObject] = [:]
        /// The request, counted from 0, that breaks; before it is carried out, or with its answer on the way.
        var failsAt: Int?
        var isFailureAfter = false
        /// Tokens that were given up, and keys that were written, in order.
        var done: [String] = []
        var requests = 0
        var isMangling = false
    }

    let name = "target"
    let wholeLimit: Int64 = 16 << 20
    let pageSize: Int
    let now: WallTime
    private let state: Mutex<Contents>

    init(_ contents: Contents = Contents(), pageSize: Int = 2, now: WallTime = WallTime(millisecondsSince1970: 0)) {
        state = Mutex(contents)
        (self.pageSize, self.now) = (pageSize, now)
    }

    var contents: Contents { state.withLock(\.self) }
    func change(_ body: (inout Contents) -> Void) { state.withLock { body(&$0) } }

    private func request<Value>(_ body: (inout Contents) -> Value) throws(TargetFailure) -> Value {
        let value = state.withLock { contents -> Value? in
            defer { contents.requests += 1 }
            guard contents.failsAt == contents.requests else { return body(&contents) }
            if contents.isFailureAfter { _ = body(&contents) }
            return nil
        }
        guard let value else { throw TargetFailure(kind: .interrupted, sentence: "the connection broke") }
        return value
    }

    func unfinishedUploads(
        below folder: String, after marker: UnfinishedMarker?
    ) async throws(TargetFailure) -> UnfinishedPage {
        try request { contents in
            // A store that ignores the prefix is the harder one.
            let sorted = contents.uploads.sorted { ($0.key, $0.token) < ($1.key, $1.token) }
            let left = sorted.filter { upload in
                marker.map { ($0.key, $0.token) < (upload.key, upload.token) } ?? true
            }
            let page = Array(left.prefix(pageSize))
            let next = left.count > pageSize ? page.last.map { UnfinishedMarker(key: $0.key, token: $0.token) } : nil
            return UnfinishedPage(uploads: page, at: now, next: next)
        }
    }

    func giveUp(_ upload: UnfinishedUpload) async throws(TargetFailure) -> Bool {
        try request { contents in
            contents.done.append(upload.token)
            contents.lives[upload.token, default: 1] -= 1
            guard contents.lives[upload.token, default: 0] <= 0 else { return false }
            contents.uploads.removeAll { $0.token == upload.token }
            return true
        }
    }

    func putWhole(_ plan: UploadPlan, bytes: PartBytes) async throws(TargetFailure) -> String {
        try request { contents in
            contents.done.append(plan.key)
            let tag = ContentDigest.sha256(of: bytes.withUnsafeBytes { [UInt8]($0) } + (contents.isMangling ? [0] : []))
                .hex
            contents.objects[plan.key] = StoredObject(
                size: Int64(bytes.count), tag: tag, metadata: ["capture-upload": plan.upload])
            return tag
        }
    }

    func inspect(_ plan: UploadPlan) async throws(TargetFailure) -> StoredObject? {
        try request { $0.objects[plan.key] }
    }

    func verdict(_ plan: UploadPlan, object: StoredObject, tag: String?) -> CopyVerdict {
        object.metadata["capture-upload"] == plan.upload && object.tag == plan.content.digest.hex
            ? .matches(method: "model") : .differs(["it is another object"])
    }

    // MARK: Not asked for

    private var refusal: TargetFailure { TargetFailure(kind: .rejected, sentence: "manifests have no parts") }
    func createUpload(_ plan: UploadPlan) async throws(TargetFailure) -> String { throw refusal }
    func findUploads(_ plan: UploadPlan) async throws(TargetFailure) -> [String] { throw refusal }
    func listParts(_ plan: UploadPlan, token: String) async throws(TargetFailure) -> [ListedPart] { throw refusal }
    func putPart(
        _ plan: UploadPlan, token: String, number: Int, bytes: PartBytes
    ) async throws(TargetFailure) -> String { throw refusal }
    func complete(
        _ plan: UploadPlan, token: String, tags: [String]
    ) async throws(TargetFailure) -> String { throw refusal }
    func abort(_ plan: UploadPlan, token: String) async throws(TargetFailure) { throw refusal }
    func read(_ plan: UploadPlan, span: ByteSpan) async throws(TargetFailure) -> [UInt8] { throw refusal }
    func partTag(_ bytes: PartBytes) -> String { "" }
}

/// Lets every request through.
struct AlwaysRoom: SpareRequests {
    func spare<Result: Sendable>(
        bytes: Int64, _ body: () async throws(TargetFailure) -> Result
    ) async throws(TargetFailure) -> Result {
        try await body()
    }
}
