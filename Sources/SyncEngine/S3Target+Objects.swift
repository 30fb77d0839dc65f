import ContentHash
package import EvidenceModel

extension S3Target {
    /// PutObject.
    package func putWhole(_ plan: UploadPlan, bytes: PartBytes) async throws(TargetFailure) -> String {
        let tried = "PUT \(plan.key)"
        let level = try await capabilities().level
        let sums = sums(of: bytes, level: level, hasCRC64: level == .l3)
        let locked = lock?.headers(at: signingTime) ?? [:]
        let response = try await ask(
            Query(
                method: "PUT", key: plan.key,
                headers: metadata(plan).merging(sums.headers) { $1 }.merging(locked) { $1 },
                body: .part(bytes), payload: plan.content.digest, patience: .whileMoving, tried: tried))
        return try sums.tag(tag(response, tried), tried).text
    }

    /// What goes along with bytes, and what the answer is held against.
    struct BodySums {
        /// Sent along.
        var headers: [String: String] = [:]
        var crc64: UInt64?
        /// What the store must call the bytes.
        var etag: String?

        /// What the store calls the bytes, with what the station knows of it.
        ///
        /// - Throws: `TargetFailure` of kind `.corruptedOnTheWay` where it should be another name.
        func tag(_ given: String, _ tried: String) throws(TargetFailure) -> S3Tag {
            if let etag, etag != given {
                throw TargetFailure(
                    kind: .corruptedOnTheWay,
                    sentence: "\(tried) was answered with the ETag \(given), where the MD5 of the bytes is \(etag)",
                    code: "ETag")
            }
            return S3Tag(etag: given, isMD5: etag != nil, crc64: crc64)
        }
    }

    func sums(of bytes: PartBytes, level: S3Capabilities.Level, hasCRC64: Bool) -> BodySums {
        bytes.withUnsafeBytes { bytes in
            var sums = BodySums()
            if hasCRC64 {
                let sum = CRC64NVME.of(bytes)
                sums.crc64 = sum
                sums.headers = S3Sums.headers(sum)
            } else if level < .l2 || lock != nil {
                // A store that checks nothing better; and Amazon's takes no locked object without a sum.
                let digest = MD5Digest.of(bytes)
                sums.headers = S3Sums.md5(digest)
                if level == .l1 { sums.etag = Hexadecimal.encode(digest) }
            }
            return sums
        }
    }

    /// HeadObject.
    package func inspect(_ plan: UploadPlan) async throws(TargetFailure) -> StoredObject? {
        let tried = "HEAD \(plan.key)"
        let mode = behaviour.known?.level == .l3 ? ["x-amz-checksum-mode": "ENABLED"] : [:]
        let response = try await ask(
            Query(method: "HEAD", key: plan.key, headers: mode, tried: tried), accepting: [200, 404])
        // A HEAD has no body to say which of the two is missing: object or bucket.
        if response.status == 404 {
            try await requireBucket()
            return nil
        }
        let headers = response.headers
        guard let size = headers["content-length"].flatMap({ Int64($0) }) else { throw noAnswer(tried, "no size") }
        let prefix = "x-amz-meta-"
        let metadata = headers.filter { $0.key.hasPrefix(prefix) }
        let isWhole = headers["x-amz-checksum-type"] ?? "FULL_OBJECT" == "FULL_OBJECT"
        return StoredObject(
            size: size, tag: try tag(response, tried), versionID: headers["x-amz-version-id"],
            metadata: Dictionary(
                metadata.map { (String($0.key.dropFirst(prefix.count)), $0.value) }, uniquingKeysWith: { $1 }),
            lock: ObjectLock(
                mode: headers["x-amz-object-lock-mode"], until: headers["x-amz-object-lock-retain-until-date"]),
            crc64: isWhole ? S3Sums.crc64(text: headers["x-amz-checksum-crc64nvme"]) : nil)
    }

    /// HeadObject; and where neither requests nor ETags prove the bytes at this store, they are read back.
    package func examine(_ plan: UploadPlan, tag: String?) async throws(TargetFailure) -> Examination? {
        let level = try await capabilities().level
        guard let object = try await inspect(plan) else { return nil }
        let verdict = verdict(plan, object: object, tag: tag)
        if level >= .l2 { return Examination(object: object, verdict: verdict) }
        if level == .l1, case .matches(let method) = verdict, tag.map({ S3Tag($0).isMD5 }) ?? false {
            return Examination(object: object, verdict: .matches(method: method + "+md5"))
        }
        // Such a store may call an object otherwise when it is asked than when it was made.
        guard case .matches = self.verdict(plan, object: object, tag: nil) else {
            return Examination(object: object, verdict: verdict)
        }
        return Examination(object: object, verdict: try await readBack(plan))
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
        let query = Query(
            method: "GET", key: plan.key, headers: ["range": "bytes=\(span.offset)-\(span.end - 1)"],
            patience: .whileMoving, answerLimit: Int(span.length) + (64 << 10), tried: "GET \(plan.key)")
        let response = try await ask(query, accepting: [200, 206])
        // rclone answers a range with 200, and says so in the header; the whole object instead would be taken for damage.
        let isRange = response.headers["content-range"]?.hasPrefix("bytes \(span.offset)-\(span.end - 1)/") ?? false
        guard response.status == 206 || isRange else { throw noAnswer(query.tried, "no range of bytes") }
        return response.body
    }

    /// Size, the metadata of this very upload, the ETag that completion gave, and the sum of the whole object.
    package func verdict(_ plan: UploadPlan, object: StoredObject, tag: String?) -> CopyVerdict {
        var differences: [String] = []
        func compare(_ what: String, _ theirs: String?, _ ours: String) {
            guard theirs != ours else { return }
            differences.append("\(what) of \(plan.key) is \(theirs ?? "missing"), not \(ours)")
        }
        compare("the size", String(object.size), String(plan.content.size))
        compare("capture-upload", object.metadata["capture-upload"], plan.upload)
        compare("capture-sha256", object.metadata["capture-sha256"], plan.content.digest.hex)
        let tag = tag.map { S3Tag($0) }
        if let tag { compare("the ETag", object.tag, tag.etag) }
        let sums = tag.flatMap { tag in tag.crc64.flatMap { own in object.crc64.map { (own, $0) } } }
        if let sums { compare("CRC-64/NVME", S3Sums.text(sums.1), S3Sums.text(sums.0)) }
        guard differences.isEmpty else { return .differs(differences) }
        return .matches(
            method: "size+metadata" + (tag == nil ? "" : "+etag") + (sums == nil ? "" : "+crc64nvme"))
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
