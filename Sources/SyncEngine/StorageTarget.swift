import ContentHash
package import EvidenceModel

/// A part that a target says it has.
package struct ListedPart: Sendable, Hashable {
    /// Counts from 1.
    package var number: Int
    /// Bytes.
    package var size: Int64
    /// What the target calls these bytes: S3's ETag without quotes, SHA-256 for a directory.
    package var tag: String

    /// Whether the target calls the part what it was called when it was sent. Behind a semicolon a tag may have what the
    /// station alone knows of it.
    package func isCalled(_ tag: String) -> Bool { tag == self.tag || tag.hasPrefix(self.tag + ";") }

    package init(number: Int, size: Int64, tag: String) {
        self.number = number
        self.size = size
        self.tag = tag
    }
}

/// An object as a target describes it when it is asked.
package struct StoredObject: Sendable, Hashable {
    /// Bytes.
    package var size: Int64
    package var tag: String
    package var versionID: String?
    /// `capture-…` metadata, by lowercase name; empty where the target keeps none.
    package var metadata: [String: String]
    /// SHA-256 of its bytes, where a target that does more than name them was asked and they were read back.
    package var readBack: ContentDigest?
    /// What keeps this version from being deleted; nothing where nothing does, or the target does not tell.
    package var lock: ObjectLock?
    /// CRC-64/NVME of its bytes, where the target tells it.
    package var crc64: UInt64?

    package init(
        size: Int64, tag: String, versionID: String? = nil, metadata: [String: String] = [:],
        readBack: ContentDigest? = nil, lock: ObjectLock? = nil, crc64: UInt64? = nil
    ) {
        self.readBack = readBack
        self.lock = lock
        self.crc64 = crc64
        self.size = size
        self.tag = tag
        self.versionID = versionID
        self.metadata = metadata
    }
}

/// Whether what a target has is what it was given.
package enum CopyVerdict: Sendable, Hashable {
    /// Everything that can be compared agrees; `method` says what that was.
    case matches(method: String)
    /// Sentences, each about one thing that does not agree.
    case differs([String])
}

/// An object that was looked at, and what was found.
package struct Examination: Sendable, Hashable {
    package var object: StoredObject
    package var verdict: CopyVerdict

    package init(object: StoredObject, verdict: CopyVerdict) {
        self.object = object
        self.verdict = verdict
    }
}

/// A place recordings are copied to.
///
/// Rules for every implementation, held by the conformance suite:
/// - A method throws `TargetFailure` and nothing else; a cancelled task throws one of kind `.cancelled`.
/// - An object is visible only after `putWhole` or `complete`, and then whole.
/// - What `putPart` returned for is durable at the target and is in `listParts` from then on.
/// - Every method may be called again after a failure whose outcome is not known.
/// - A target that gives names of its own finds uploads, parts and objects by the plan's `given`, after a restart too.
package protocol StorageTarget: Sendable {
    /// The configured name.
    var name: String { get }
    /// Files up to so many bytes go in one request.
    var wholeLimit: Int64 { get }

    /// Stores an object in one go; its tag.
    func putWhole(_ plan: UploadPlan, bytes: PartBytes) async throws(TargetFailure) -> String
    /// Begins an upload in parts; the token that names it at the target.
    func createUpload(_ plan: UploadPlan) async throws(TargetFailure) -> String
    /// Tokens of unfinished uploads of this plan's key.
    func findUploads(_ plan: UploadPlan) async throws(TargetFailure) -> [String]
    /// The parts that the target has, in order of their numbers.
    func listParts(_ plan: UploadPlan, token: String) async throws(TargetFailure) -> [ListedPart]
    /// Stores part `number`, whose SHA-256 is the plan's; its tag.
    func putPart(
        _ plan: UploadPlan, token: String, number: Int, bytes: PartBytes
    ) async throws(TargetFailure) -> String
    /// Makes the object out of all parts, whose tags are given in order; the object's tag.
    func complete(_ plan: UploadPlan, token: String, tags: [String]) async throws(TargetFailure) -> String
    /// Gives an unfinished upload up, with its parts. One that is not there is fine.
    func abort(_ plan: UploadPlan, token: String) async throws(TargetFailure)
    /// What is under the plan's key, or nothing.
    func inspect(_ plan: UploadPlan) async throws(TargetFailure) -> StoredObject?
    /// What is under the plan's key, and whether it is the recording, proved as well as this target lets it be proved.
    /// Nothing where there is nothing.
    ///
    /// - Parameter tag: what the target called the object when it was completed, where that answer arrived.
    func examine(_ plan: UploadPlan, tag: String?) async throws(TargetFailure) -> Examination?
    /// The object, kept from being deleted where that is configured.
    func secure(_ plan: UploadPlan, _ object: StoredObject) async throws(TargetFailure) -> StoredObject
    /// Bytes of the object, for reading it back.
    func read(_ plan: UploadPlan, span: ByteSpan) async throws(TargetFailure) -> [UInt8]

    /// Whether the target itself refuses bytes that are not those of the plan's digest, which is sent along: then they need
    /// not be hashed on the station before they go.
    func checksBytes() async -> Bool
    /// Whether parts of this upload must go one after the other, in order.
    ///
    /// - Parameter token: of the upload, where it is created already.
    func takesPartsInOrder(_ plan: UploadPlan, token: String?) async -> Bool
    /// Uploads that nobody completed below `folder` (without the target's prefix, ending in `/`), page by page.
    func unfinishedUploads(
        below folder: String, after marker: UnfinishedMarker?
    ) async throws(TargetFailure) -> UnfinishedPage
    /// Gives one of them up; whether nothing is left of it.
    func giveUp(_ upload: UnfinishedUpload) async throws(TargetFailure) -> Bool
    /// The tag this target gives to a part of these bytes.
    func partTag(_ bytes: PartBytes) -> String
    /// Compares what the target has with what it was given.
    ///
    /// - Parameter tag: what the target called the object when it was completed, where that answer arrived.
    func verdict(_ plan: UploadPlan, object: StoredObject, tag: String?) -> CopyVerdict
}

extension StorageTarget {
    package func checksBytes() async -> Bool { false }
    package func takesPartsInOrder(_ plan: UploadPlan, token: String?) async -> Bool { false }

    package func examine(_ plan: UploadPlan, tag: String?) async throws(TargetFailure) -> Examination? {
        guard let object = try await inspect(plan) else { return nil }
        return Examination(object: object, verdict: verdict(plan, object: object, tag: tag))
    }

    package func secure(_ plan: UploadPlan, _ object: StoredObject) async throws(TargetFailure) -> StoredObject {
        object
    }

    /// Reads the whole object and hashes it.
    package func readBack(_ plan: UploadPlan) async throws(TargetFailure) -> CopyVerdict {
        let hasher = SHA256Hasher()
        let layout = plan.content.layout
        for number in 1...max(1, layout.count) where layout.count > 0 {
            let bytes = try await read(plan, span: layout.span(ofPart: number))
            bytes.withUnsafeBytes { hasher.update($0) }
        }
        let digest = hasher.finalize()
        if digest == plan.content.digest { return .matches(method: "read_back") }
        return .differs(["SHA-256 of \(plan.key), read back, is \(digest), not \(plan.content.digest)"])
    }
}
