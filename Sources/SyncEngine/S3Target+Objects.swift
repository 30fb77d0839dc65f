import ContentHash
package import EvidenceModel

extension S3Target {
    /// PutObject.
    package func putWhole(_ plan: UploadPlan, bytes: PartBytes) async throws(TargetFailure) -> String {
        let tried = "PUT \(plan.key)"
        let response = try await ask(
            Query(
                method: "PUT", key: plan.key, headers: metadata(plan), body: .part(bytes), payload: plan.content.digest,
                patience: .whileMoving, tried: tried))
        return try tag(response, tried)
    }

    /// HeadObject.
    package func inspect(_ plan: UploadPlan) async throws(TargetFailure) -> StoredObject? {
        let tried = "HEAD \(plan.key)"
        let response = try await ask(
            Query(method: "HEAD", key: plan.key, tried: tried), accepting: [200, 404])
        // A HEAD has no body to say which of the two is missing: object or bucket.
        if response.status == 404 {
            try await requireBucket()
            return nil
        }
        guard let size = response.headers["content-length"].flatMap({ Int64($0) }) else {
            throw noAnswer(tried, "no size")
        }
        let prefix = "x-amz-meta-"
        let metadata = response.headers.filter { $0.key.hasPrefix(prefix) }
        return StoredObject(
            size: size, tag: try tag(response, tried), versionID: response.headers["x-amz-version-id"],
            metadata: Dictionary(
                metadata.map { (String($0.key.dropFirst(prefix.count)), $0.value) }, uniquingKeysWith: { $1 }))
    }

    private func requireBucket() async throws(TargetFailure) {
        let response = try await ask(
            Query(method: "HEAD", key: nil, tried: "HEAD bucket \(location.bucket)"), accepting: [200, 404])
        guard response.status == 200 else {
            throw TargetFailure(
                kind: .misconfigured,
                sentence: "the bucket \"\(location.bucket)\" does not exist at \(location.endpoint)",
                code: "NoSuchBucket")
        }
    }

    /// GetObject of a range.
    package func read(_ plan: UploadPlan, span: ByteSpan) async throws(TargetFailure) -> [UInt8] {
        // The first byte of an empty object cannot be asked for.
        if span.length == 0 { return [] }
        let response = try await ask(
            Query(
                method: "GET", key: plan.key, headers: ["range": "bytes=\(span.offset)-\(span.end - 1)"],
                patience: .whileMoving, answerLimit: Int(span.length) + (64 << 10), tried: "GET \(plan.key)"),
            accepting: [206])
        return response.body
    }

    /// Size, the metadata of this very upload, and the tag that completion gave.
    package func verdict(_ plan: UploadPlan, object: StoredObject, tag: String?) -> CopyVerdict {
        var differences: [String] = []
        func compare(_ what: String, _ theirs: String?, _ ours: String) {
            guard theirs != ours else { return }
            differences.append("\(what) of \(plan.key) is \(theirs ?? "missing"), not \(ours)")
        }
        compare("the size", String(object.size), String(plan.content.size))
        compare("capture-upload", object.metadata["capture-upload"], plan.upload)
        compare("capture-sha256", object.metadata["capture-sha256"], plan.content.digest.hex)
        if let tag { compare("the ETag", object.tag, tag) }
        return differences.isEmpty
            ? .matches(method: "size+metadata" + (tag == nil ? "" : "+etag")) : .differs(differences)
    }

    func tag(_ response: HTTPResponse, _ tried: String) throws(TargetFailure) -> String {
        guard let tag = response.headers["etag"].map(S3Messages.tag), !tag.isEmpty else {
            throw noAnswer(tried, "no ETag")
        }
        return tag
    }

    /// A success that does not say what a success says: it counts as a fault of the server.
    func noAnswer(_ tried: String, _ what: String) -> TargetFailure {
        TargetFailure(
            kind: .serverFault, sentence: "\(tried) at \(location.endpoint) was answered with success and \(what)")
    }
}
