import ContentHash
import EvidenceModel

/// Trying a store out: right and wrong requests with a few bytes under one key of their own, `.capture-probe/object` behind
/// the prefix. What it takes is removed again, and what a trial that was cut has left; in a bucket that locks objects it
/// stays, without a lock.
extension S3Target {
    package func checksBytes() async -> Bool {
        do throws(TargetFailure) {
            return try await capabilities().refusesWrongSHA256
        } catch {
            // Hashed on the station, which is always right. What is wrong with the store, the request itself will tell.
            return false
        }
    }

    func capabilities() async throws(TargetFailure) -> S3Capabilities {
        let needsLocks = lock != nil
        return try await behaviour.capabilities(now: now, isEnough: { $0.keepsLocks || !needsLocks }) {
            () async throws(TargetFailure) in
            // None of these bytes is a recording's.
            return try await UploadMeter.$current.withValue(nil) { await tryOutcome() }.get()
        }
    }

    private func tryOutcome() async -> Result<S3Capabilities, TargetFailure> {
        do throws(TargetFailure) {
            return .success(try await tryOut())
        } catch { return .failure(error) }
    }

    private func tryOut() async throws(TargetFailure) -> S3Capabilities {
        var answers = S3TrialAnswers()
        if lock != nil {
            try await requireLocks()
            answers.keepsLocks = true
        }
        let trial = S3Trial(target: self)
        try await trial.wholeObjects(&answers)
        try await trial.clear()
        try await trial.parts(&answers)
        if answers.rightCRC64 == .taken, answers.wrongCRC64.isForTheBytes { try await trial.objectSums(&answers) }
        // Removing a version of a bucket that locks makes one more.
        if lock == nil { try await trial.remove() }
        return answers.capabilities
    }

    /// GetObjectLockConfiguration. A store that does not let it be asked may yet have it: what it does with each object
    /// is looked at.
    private func requireLocks() async throws(TargetFailure) {
        let response = try await ask(
            Query(method: "GET", key: nil, query: [(name: "object-lock", value: "")], tried: "GET ?object-lock"),
            accepting: [200, 400, 403, 404, 405, 501])
        let root = S3Messages.parse(response.body)
        if root?.text("Code") == "NoSuchBucket" {
            throw S3Failures.failure(response, tried: "GET ?object-lock", endpoint: location.endpoint)
        }
        if response.status == 403 { return }
        let isEnabled = root.flatMap { $0.name == "ObjectLockConfiguration" ? $0.text("ObjectLockEnabled") : nil }
        guard response.status == 200, isEnabled == "Enabled" else {
            throw TargetFailure(
                kind: .misconfigured,
                sentence: "object_lock is configured and the bucket \"\(location.bucket)\" at \(location.endpoint) has "
                    + "none (GET ?object-lock: status \(response.status)); it can be given one when a bucket is made",
                code: "ObjectLockConfigurationNotFoundError")
        }
    }
}

/// One round of trials.
private struct S3Trial {
    let target: S3Target

    private let key = ".capture-probe/object"
    private let bytes = Array("a trial of capture-agent".utf8)
    private let others = Array("other bytes".utf8)

    /// Whatever is an answer about this request, and none about the moment.
    private static let any = Set(200...599).subtracting([429, 503, 509])

    init(target: S3Target) {
        self.target = target
    }

    /// Gives up what a trial that was cut has left. Where two stations try one store at one moment, one of them may see its
    /// upload go, and tries again soon.
    func clear() async throws(TargetFailure) {
        let whole = target.location.prefix + key
        let response = try await target.ask(
            S3Target.Query(
                method: "GET", key: nil, query: [(name: "uploads", value: ""), (name: "prefix", value: whole)],
                tried: "GET ?uploads of a trial"), accepting: Self.any)
        for upload in S3Messages.parse(response.body)?.children("Upload") ?? [] where upload.text("Key") == whole {
            guard let token = upload.text("UploadId") else { continue }
            _ = try await answer(query("DELETE", [(name: "uploadId", value: token)]))
        }
    }

    private func query(
        _ method: String, _ query: [(name: String, value: String)] = [], headers: [String: String] = [:],
        body: [UInt8] = []
    ) -> S3Target.Query {
        S3Target.Query(
            method: method, key: key, query: query, headers: headers, body: .bytes(body),
            tried: "\(method) \(key), a trial,")
    }

    /// - Throws: what says nothing about the store's ways: no connection, throttling, a clock, a wrong configuration.
    private func answer(_ query: S3Target.Query) async throws(TargetFailure) -> S3TrialAnswers.Answer {
        do throws(TargetFailure) {
            _ = try await target.ask(query, accepting: [200, 204])
            return .taken
        } catch {
            switch error.kind {
            case .rejected, .corruptedOnTheWay, .denied, .partsDisagree, .serverFault, .uploadUnknown:
                return .refused(error.kind, code: error.code)
            default: throw error
            }
        }
    }

    /// PutObject, right and wrong. The first must be taken: without it nothing else says anything.
    func wholeObjects(_ answers: inout S3TrialAnswers) async throws(TargetFailure) {
        let response = try await target.ask(query("PUT", body: bytes))
        answers.hasDate = response.headers["date"].flatMap(HTTPDate.parse) != nil
        let md5 = bytes.withUnsafeBytes { MD5Digest.of($0) }
        answers.namesByMD5 = response.headers["etag"].map(S3Messages.tag) == Hexadecimal.encode(md5)
        answers.secondObject = try await answer(query("PUT", headers: ["if-none-match": "*"], body: bytes))
        var lying = query("PUT", body: bytes)
        lying.payload = .sha256(of: others)
        answers.wrongSHA256 = try await answer(lying)
        let wrongMD5 = S3Sums.md5(others.withUnsafeBytes { MD5Digest.of($0) })
        answers.wrongMD5 = try await answer(query("PUT", headers: wrongMD5, body: bytes))
        answers.rightCRC64 = try await answer(query("PUT", headers: S3Sums.headers(S3Sums.crc64(bytes)), body: bytes))
        guard answers.rightCRC64 == .taken else { return }
        answers.wrongCRC64 = try await answer(query("PUT", headers: S3Sums.headers(S3Sums.crc64(others)), body: bytes))
    }

    private func create(_ headers: [String: String] = [:]) async throws(TargetFailure) -> String? {
        do throws(TargetFailure) {
            let response = try await target.ask(query("POST", [(name: "uploads", value: "")], headers: headers))
            return S3Messages.parse(response.body)?.text("UploadId")
        } catch {
            if error.consequence == .park { return nil }
            throw error
        }
    }

    /// An upload of two parts, the first of which is sent twice.
    func parts(_ answers: inout S3TrialAnswers) async throws(TargetFailure) {
        guard let token = try await create() else { return }
        let upload = (name: "uploadId", value: token)
        func part(_ number: Int, _ bytes: [UInt8]) -> S3Target.Query {
            query("PUT", [(name: "partNumber", value: String(number)), upload], body: bytes)
        }
        if try await answer(part(1, bytes)) == .taken, try await answer(part(2, others)) == .taken {
            answers.partAgain = try await answer(part(1, others + bytes))
            let (first, second) = (try await page(upload, after: nil), try await page(upload, after: "1"))
            answers.listsPartAgain = first?.parts.first?.size == Int64(others.count + bytes.count)
            answers.listsByPages =
                first?.parts.map(\.number) == [1] && first?.nextMarker != nil && second?.parts.map(\.number) == [2]
        }
        _ = try await answer(query("DELETE", [upload]))
    }

    private func page(
        _ upload: (name: String, value: String), after marker: String?
    ) async throws(TargetFailure) -> (parts: [ListedPart], nextMarker: String?)? {
        var page = [upload, (name: "max-parts", value: "1")]
        if let marker { page.append((name: "part-number-marker", value: marker)) }
        let response = try await target.ask(query("GET", page), accepting: Self.any)
        return S3Messages.parse(response.body).flatMap(S3Messages.parts)
    }

    /// An upload of one part, completed with a wrong and then with the right sum of the whole.
    func objectSums(_ answers: inout S3TrialAnswers) async throws(TargetFailure) {
        guard let token = try await create(S3Sums.announced) else { return }
        let upload = (name: "uploadId", value: token)
        let sum = S3Sums.crc64(bytes)
        let response = try await target.ask(
            query(
                "PUT", [(name: "partNumber", value: "1"), upload], headers: S3Sums.headers(sum), body: bytes),
            accepting: Self.any)
        if response.status == 200, let tag = response.headers["etag"].map(S3Messages.tag) {
            func completion(_ sum: UInt64) -> S3Target.Query {
                query(
                    "POST", [upload], headers: S3Sums.completing(sum, size: Int64(bytes.count)),
                    body: S3Messages.completeBody([tag]))
            }
            answers.wrongObjectCRC64 = try await completed(completion(S3Sums.crc64(others)))
            if answers.wrongObjectCRC64 != .taken { answers.rightObjectCRC64 = try await completed(completion(sum)) }
        }
        if answers.rightObjectCRC64 != .taken, answers.wrongObjectCRC64 != .taken {
            _ = try await answer(query("DELETE", [upload]))
        }
    }

    /// A completion may say 200 and then that it failed.
    private func completed(_ query: S3Target.Query) async throws(TargetFailure) -> S3TrialAnswers.Answer {
        do throws(TargetFailure) {
            let response = try await target.ask(query)
            if S3Messages.parse(response.body)?.name == "CompleteMultipartUploadResult" { return .taken }
            let failure = S3Failures.failure(response, tried: query.tried, endpoint: target.location.endpoint)
            return .refused(failure.kind, code: failure.code)
        } catch {
            switch error.kind {
            case .rejected, .corruptedOnTheWay, .partsDisagree, .serverFault, .uploadUnknown:
                return .refused(error.kind, code: error.code)
            default: throw error
            }
        }
    }

    /// Where it is not allowed, a few bytes stay that nobody asks for.
    func remove() async throws(TargetFailure) {
        _ = try await answer(query("DELETE"))
    }
}
