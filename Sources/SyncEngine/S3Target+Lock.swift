import ContentHash
package import EvidenceModel

extension S3Target {
    /// The object with its lock: looked at for this very version, set where the store did not keep what was asked for when
    /// the object was made (Ceph before 19 drops it of an upload in parts), and looked at once more.
    ///
    /// - Throws: `TargetFailure` of kind `.unlocked` where the lock is not there after that.
    package func secure(_ plan: UploadPlan, _ object: StoredObject) async throws(TargetFailure) -> StoredObject {
        guard let lock, !lock.isKept(by: object.lock, at: signingTime) else { return object }
        try await setRetention(plan, object.versionID, lock)
        var secured = object
        secured.lock = try await retention(plan, object.versionID)
        guard lock.isKept(by: secured.lock, at: signingTime) else {
            let found = secured.lock.map { "\($0.mode) until \($0.until.rfc3339())" } ?? "none"
            throw TargetFailure(
                kind: .unlocked,
                sentence: "the lock of \(plan.key) at \(location.endpoint) is \(found), not \(lock.mode.word) for "
                    + "\(lock.days) days, also after it was set", code: "unlocked")
        }
        return secured
    }

    private func query(_ method: String, _ plan: UploadPlan, _ version: String?) -> Query {
        let versionQuery = version.map { [(name: "versionId", value: $0)] } ?? []
        return Query(
            method: method, key: plan.key, query: [(name: "retention", value: "")] + versionQuery,
            tried: "\(method) retention of \(plan.key)")
    }

    /// PutObjectRetention. A bucket without locks refuses it.
    private func setRetention(
        _ plan: UploadPlan, _ version: String?, _ lock: S3Lock
    ) async throws(TargetFailure) {
        var query = query("PUT", plan, version)
        let body = lock.retention(at: signingTime)
        query.body = .bytes(body)
        query.headers = S3Sums.md5(body.withUnsafeBytes { MD5Digest.of($0) })
        do throws(TargetFailure) {
            _ = try await ask(query, accepting: [200, 204])
        } catch {
            var failure = error
            if failure.kind == .rejected { failure.kind = .unlocked }
            throw failure
        }
    }

    /// GetObjectRetention.
    private func retention(_ plan: UploadPlan, _ version: String?) async throws(TargetFailure) -> ObjectLock? {
        let response = try await ask(query("GET", plan, version), accepting: [200, 404])
        guard response.status == 200, let root = S3Messages.parse(response.body), root.name == "Retention" else {
            return nil
        }
        return ObjectLock(mode: root.text("Mode"), until: root.text("RetainUntilDate"))
    }
}

extension ObjectLock {
    /// Nothing where either is missing or no date.
    init?(mode: String?, until: String?) {
        guard let mode, let until = until.flatMap({ WallTime(rfc3339: $0) }) else { return nil }
        self.init(mode: mode.uppercased(), until: until)
    }
}
