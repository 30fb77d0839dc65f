import ContentHash
import EvidenceModel
import StationTesting
import SyncEngine

/// What an S3 store, or a directory, does about one key; in memory, and exactly.
struct StoreModel {
    enum Answer {
        case wholePut(tag: String)
        case created(token: String)
        case found([String])
        case listed([ListedPart])
        case sent(token: String, part: Int, tag: String)
        case compared(token: String, ListedPart, isSame: Bool)
        case completed(tag: String)
        case inspected(StoredObject?, CopyVerdict?)
        case aborted
    }

    struct Object {
        var bytes: [UInt8]
        var tag: String
    }

    let plan: UploadPlan
    /// A directory names an upload after the plan; S3 gives every one another name.
    let reusesTokens: Bool
    /// Tags that are no digest the station could compute, as of encrypted buckets.
    let hasForeignTags: Bool
    /// Parts by number, by token.
    var uploads: [String: [Int: [UInt8]]] = [:]
    var object: Object?
    /// Not the store's: what the station believes.
    var receipt: StoredObject?
    private var created = 0

    init(plan: UploadPlan, reusesTokens: Bool, hasForeignTags: Bool) {
        self.plan = plan
        self.reusesTokens = reusesTokens
        self.hasForeignTags = hasForeignTags
    }

    func tag(_ bytes: [UInt8]) -> String {
        hasForeignTags ? "x\(bytes.reduce(0) { $0 &* 31 &+ Int($1) })" : ContentDigest.sha256(of: bytes).hex
    }

    mutating func carryOut(
        _ step: UploadMachine.Step, _ sample: SampleRecording
    ) -> Result<Answer, TargetFailure> {
        switch step {
        case .putWhole:
            let made = Object(bytes: sample.bytes, tag: tag(sample.bytes))
            object = made
            return .success(.wholePut(tag: made.tag))
        case .create:
            created += 1
            let token = reusesTokens ? plan.upload : "upload-\(created)"
            uploads[token, default: [:]] = [:]
            return .success(.created(token: token))
        case .find: return .success(.found(uploads.keys.sorted()))
        case .abort(let token):
            uploads[token] = nil
            return .success(.aborted)
        case .inspect(let tag): return .success(inspected(tag))
        case .compare(let token, let part):
            let bytes = sample.bytes(ofPart: part.number)
            return .success(
                .compared(token: token, part, isSame: ContentDigest.sha256(of: bytes).hex == part.tag))
        case .list(let token):
            guard let parts = uploads[token] else { return unknown() }
            let listed = parts.sorted { $0.key < $1.key }
                .map { ListedPart(number: $0.key, size: Int64($0.value.count), tag: tag($0.value)) }
            return .success(.listed(listed))
        case .send(let token, let part):
            guard uploads[token] != nil else { return unknown() }
            let bytes = sample.bytes(ofPart: part)
            uploads[token]?[part] = bytes
            return .success(.sent(token: token, part: part, tag: tag(bytes)))
        case .complete(let token, let tags): return complete(token, tags)
        }
    }

    private func unknown() -> Result<Answer, TargetFailure> {
        .failure(TargetFailure(kind: .uploadUnknown, sentence: "no such upload"))
    }

    private mutating func complete(_ token: String, _ tags: [String]) -> Result<Answer, TargetFailure> {
        guard let parts = uploads[token] else { return unknown() }
        let bytes = tags.enumerated().map { index, tag in parts[index + 1].flatMap { self.tag($0) == tag ? $0 : nil } }
        guard !bytes.contains(nil) else {
            return .failure(TargetFailure(kind: .partsDisagree, sentence: "invalid part"))
        }
        let whole = bytes.flatMap { $0 ?? [] }
        let made = Object(bytes: whole, tag: "\(tag(whole))-\(tags.count)")
        object = made
        uploads[token] = nil
        return .success(.completed(tag: made.tag))
    }

    private func inspected(_ tag: String?) -> Answer {
        guard let object else { return .inspected(nil, nil) }
        let stored = StoredObject(size: Int64(object.bytes.count), tag: object.tag)
        let isSame = object.bytes.count == Int(plan.content.size) && (tag == nil || tag == object.tag)
        return .inspected(
            stored, isSame ? .matches(method: "model") : .differs(["\(object.bytes.count) bytes, tag \(object.tag)"]))
    }
}
