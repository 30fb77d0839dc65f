import ContentHash
package import EvidenceModel

extension S3Target {
    /// CreateMultipartUpload.
    package func createUpload(_ plan: UploadPlan) async throws(TargetFailure) -> String {
        let tried = "POST \(plan.key)?uploads"
        let hasCRC64 = try await capabilities().level == .l3
        let headers = metadata(plan).merging(hasCRC64 ? S3Sums.announced : [:]) { $1 }
            .merging(lock?.headers(at: signingTime) ?? [:]) { $1 }
        let response = try await ask(
            Query(
                method: "POST", key: plan.key, query: [(name: "uploads", value: "")], headers: headers, tried: tried))
        // rclone leaves `Result` off.
        guard let root = S3Messages.parse(response.body), root.name.hasPrefix("InitiateMultipartUpload"),
            let id = root.text("UploadId")
        else { throw noAnswer(tried, "no upload id") }
        return S3Token(id: id, hasCRC64: hasCRC64).text
    }

    /// ListMultipartUploads of this key.
    package func findUploads(_ plan: UploadPlan) async throws(TargetFailure) -> [String] {
        let tried = "GET ?uploads of \(plan.key)"
        let key = location.prefix + plan.key
        // The key ends in the recording's id and name: no other key begins with it, so one page is enough.
        let query = Query(
            method: "GET", key: nil, query: [(name: "uploads", value: ""), (name: "prefix", value: key)], tried: tried)
        let response: HTTPResponse
        do throws(TargetFailure) {
            response = try await ask(query)
        } catch {
            // How rclone says that there is none.
            if error.kind == .uploadUnknown { return [] }
            throw error
        }
        guard let root = S3Messages.parse(response.body), root.name == "ListMultipartUploadsResult" else {
            throw noAnswer(tried, "no list")
        }
        return root.children("Upload").filter { $0.text("Key") == key }.compactMap { upload in
            let hasCRC64 = upload.text("ChecksumAlgorithm") == "CRC64NVME"
            return upload.text("UploadId").map { S3Token(id: $0, hasCRC64: hasCRC64).text }
        }
    }

    /// ListParts, all pages.
    package func listParts(_ plan: UploadPlan, token: String) async throws(TargetFailure) -> [ListedPart] {
        let tried = "GET parts of \(plan.key)"
        var parts: [ListedPart] = []
        var marker: String?
        var markers: Set<String> = []
        repeat {
            var query = [(name: "uploadId", value: S3Token(token).id), (name: "max-parts", value: "1000")]
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
        let token = S3Token(token)
        let sums = sums(of: bytes, level: try await capabilities().level, hasCRC64: token.hasCRC64)
        let response = try await ask(
            Query(
                method: "PUT", key: plan.key,
                query: [(name: "partNumber", value: String(number)), (name: "uploadId", value: token.id)],
                headers: sums.headers, body: .part(bytes), payload: plan.content.partDigests[number - 1],
                patience: .whileMoving, tried: tried))
        return try sums.tag(tag(response, tried), tried).text
    }

    /// CompleteMultipartUpload. A success counts only when its body is the result: S3 may say 200 first and fail then.
    package func complete(_ plan: UploadPlan, token: String, tags: [String]) async throws(TargetFailure) -> String {
        let tried = "POST completion of \(plan.key)"
        let (token, tags) = (S3Token(token), tags.map { S3Tag($0) })
        let sum = token.hasCRC64 ? Self.sum(tags, plan.content.layout) : nil
        let response = try await ask(
            Query(
                method: "POST", key: plan.key, query: [(name: "uploadId", value: token.id)],
                headers: sum.map { S3Sums.completing($0, size: plan.content.size) } ?? [:],
                body: .bytes(S3Messages.completeBody(tags.map(\.etag))), patience: .seconds(900), tried: tried))
        guard let root = S3Messages.parse(response.body) else { throw noAnswer(tried, "no result") }
        guard root.name == "CompleteMultipartUploadResult", let etag = root.text("ETag").map(S3Messages.tag) else {
            throw S3Failures.failure(response, tried: tried, endpoint: location.endpoint)
        }
        let isMD5 = tags.allSatisfy(\.isMD5) && S3Sums.composite(tags.map(\.etag)) == etag
        return S3Tag(etag: etag, isMD5: isMD5, crc64: sum).text
    }

    /// The sum of the whole object, where those of all its parts are known.
    private static func sum(_ tags: [S3Tag], _ layout: PartLayout) -> UInt64? {
        guard let first = tags.first?.crc64 else { return nil }
        return tags.enumerated().dropFirst().reduce(first as UInt64?) { sum, part in
            guard let sum, let next = part.element.crc64 else { return nil }
            return CRC64NVME.combined(sum, next, length: layout.span(ofPart: part.offset + 1).length)
        }
    }

    /// AbortMultipartUpload.
    package func abort(_ plan: UploadPlan, token: String) async throws(TargetFailure) {
        _ = try await ask(
            Query(
                method: "DELETE", key: plan.key, query: [(name: "uploadId", value: S3Token(token).id)],
                tried: "DELETE upload of \(plan.key)"), accepting: [200, 204, 404])
    }

    /// MD5 in lowercase hexadecimal, which is what most stores call a part. Where a store calls it otherwise, no part is
    /// taken for known, and it is sent again: never the other way round.
    package func partTag(_ bytes: PartBytes) -> String {
        Hexadecimal.encode(bytes.withUnsafeBytes { MD5Digest.of($0) })
    }
}
