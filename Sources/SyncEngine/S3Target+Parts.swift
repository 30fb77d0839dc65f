import ContentHash
package import EvidenceModel

extension S3Target {
    /// CreateMultipartUpload.
    package func createUpload(_ plan: UploadPlan) async throws(TargetFailure) -> String {
        let tried = "POST \(plan.key)?uploads"
        let response = try await ask(
            Query(
                method: "POST", key: plan.key, query: [(name: "uploads", value: "")], headers: metadata(plan),
                tried: tried))
        guard let root = S3Messages.parse(response.body), root.name == "InitiateMultipartUploadResult",
            let id = root.text("UploadId")
        else { throw noAnswer(tried, "no upload id") }
        return id
    }

    /// ListMultipartUploads of this key.
    package func findUploads(_ plan: UploadPlan) async throws(TargetFailure) -> [String] {
        let tried = "GET ?uploads of \(plan.key)"
        let key = location.prefix + plan.key
        // The key ends in the recording's id and name: no other key begins with it, so one page is enough.
        let response = try await ask(
            Query(
                method: "GET", key: nil, query: [(name: "uploads", value: ""), (name: "prefix", value: key)],
                tried: tried))
        guard let root = S3Messages.parse(response.body), root.name == "ListMultipartUploadsResult" else {
            throw noAnswer(tried, "no list")
        }
        return root.children("Upload").filter { $0.text("Key") == key }.compactMap { $0.text("UploadId") }
    }

    /// ListParts, all pages.
    package func listParts(_ plan: UploadPlan, token: String) async throws(TargetFailure) -> [ListedPart] {
        let tried = "GET parts of \(plan.key)"
        var parts: [ListedPart] = []
        var marker: String?
        var markers: Set<String> = []
        repeat {
            var query = [(name: "uploadId", value: token), (name: "max-parts", value: "1000")]
            if let marker { query.append((name: "part-number-marker", value: marker)) }
            let response = try await ask(Query(method: "GET", key: plan.key, query: query, tried: tried))
            guard let root = S3Messages.parse(response.body), let page = S3Messages.parts(root) else {
                throw noAnswer(tried, "no list")
            }
            if let next = page.nextMarker, !markers.insert(next).inserted {
                throw noAnswer(tried, "the same page twice")
            }
            parts += page.parts
            marker = page.nextMarker
        } while marker != nil
        return parts
    }

    /// UploadPart.
    package func putPart(
        _ plan: UploadPlan, token: String, number: Int, bytes: PartBytes
    ) async throws(TargetFailure) -> String {
        let tried = "PUT part \(number) of \(plan.key)"
        let response = try await ask(
            Query(
                method: "PUT", key: plan.key,
                query: [(name: "partNumber", value: String(number)), (name: "uploadId", value: token)],
                body: .part(bytes), payload: plan.content.partDigests[number - 1], patience: .whileMoving, tried: tried)
        )
        return try tag(response, tried)
    }

    /// CompleteMultipartUpload. A success counts only when its body is the result: S3 may say 200 first and fail then.
    package func complete(_ plan: UploadPlan, token: String, tags: [String]) async throws(TargetFailure) -> String {
        let tried = "POST completion of \(plan.key)"
        let response = try await ask(
            Query(
                method: "POST", key: plan.key, query: [(name: "uploadId", value: token)],
                body: .bytes(S3Messages.completeBody(tags)), patience: .seconds(900), tried: tried))
        guard let root = S3Messages.parse(response.body) else { throw noAnswer(tried, "no result") }
        guard root.name == "CompleteMultipartUploadResult", let tag = root.text("ETag").map(S3Messages.tag) else {
            throw S3Failures.failure(response, tried: tried, endpoint: location.endpoint)
        }
        return tag
    }

    /// AbortMultipartUpload.
    package func abort(_ plan: UploadPlan, token: String) async throws(TargetFailure) {
        _ = try await ask(
            Query(
                method: "DELETE", key: plan.key, query: [(name: "uploadId", value: token)],
                tried: "DELETE upload of \(plan.key)"), accepting: [200, 204, 404])
    }

    /// MD5 in lowercase hexadecimal, which is what most stores call a part. Where a store calls it otherwise, no part is
    /// taken for known, and it is sent again: never the other way round.
    package func partTag(_ bytes: PartBytes) -> String {
        Hexadecimal.encode(bytes.withUnsafeBytes { MD5Digest.of($0) })
    }
}
