/// Names that a target gave to what it has, as far as the journal knows them. A target that finds everything under the
/// plan's key needs none; one that names its objects itself (tus) finds nothing without them.
package struct GivenNames: Sendable, Hashable {
    /// The finished object, or the upload that may have become it.
    package var object: String?
    /// Parts, by number.
    package var parts: [Int: String]

    package init(object: String? = nil, parts: [Int: String] = [:]) {
        self.object = object
        self.parts = parts
    }
}

/// What is to be copied to a target, decided once and never changed.
package struct UploadPlan: Sendable, Hashable {
    /// UUID of this upload: the object's metadata carry it, so that an answer that was lost can be told from a
    /// stranger's object.
    package var upload: String
    package var recording: RecordingID
    /// The target's configured name.
    package var target: String
    /// The object's key, without the target's prefix.
    package var key: String
    package var content: StoredContent
    /// What is known of it at the target so far: no part of what was decided.
    package var given: GivenNames

    package init(
        upload: String, recording: RecordingID, target: String, key: String, content: StoredContent,
        given: GivenNames = GivenNames()
    ) {
        self.given = given
        self.upload = upload
        self.recording = recording
        self.target = target
        self.key = key
        self.content = content
    }
}

/// Where one copy of a recording stands.
package enum CopyState: String, Sendable, Hashable, Codable, CaseIterable {
    case waiting, uploading, verified, parked, missing
}

/// What a target answered when it was asked, after completion, about one object.
package struct Receipt: Sendable, Hashable {
    package var upload: String
    package var recording: RecordingID
    package var target: String
    package var key: String
    /// Bytes, as the target says.
    package var size: Int64
    /// The target's tag of the object's content: S3's ETag without quotes; SHA-256 of a read-back for a directory.
    package var tag: String
    package var versionID: String?
    /// What was compared: `size+etag+metadata`, `read_back`.
    package var method: String
    package var askedAt: WallTime

    package init(
        upload: String, recording: RecordingID, target: String, key: String, size: Int64, tag: String,
        versionID: String? = nil, method: String, askedAt: WallTime
    ) {
        self.upload = upload
        self.recording = recording
        self.target = target
        self.key = key
        self.size = size
        self.tag = tag
        self.versionID = versionID
        self.method = method
        self.askedAt = askedAt
    }
}
