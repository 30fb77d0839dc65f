import ContentHash
package import EvidenceModel
import Synchronization

extension TusTarget {
    /// HEAD of the upload, and its bytes where the server gives them back: protocol tus has no word for that, most servers
    /// answer GET.
    ///
    /// - Throws: `TargetFailure` of kind `.misconfigured` where the server neither gives bytes back nor has compared a
    ///   checksum of every one of them: what it has cannot be told.
    package func inspect(_ plan: UploadPlan) async throws(TargetFailure) -> StoredObject? {
        let features = try await features()
        guard let object = plan.given.object, !object.hasPrefix(Self.partsPrefix),
            let head = try await head(object, plan)
        else { return nil }
        let concatenation = head.headers["upload-concat"]?.lowercased()
        guard let offset = head.uploadOffset else {
            // "Concatenation": a final upload has an offset when it is done, not before.
            throw noAnswer("HEAD of \(plan.key)", "no offset: the server is joining its parts")
        }
        guard offset == plan.content.size || head.headers["upload-length"] == String(offset) else { return nil }
        let readBack = try await readBack(object, plan)
        let isChecked =
            features.checksum != nil
            && (concatenation?.hasPrefix("final") == true || plan.content.size <= wholeLimit)
        guard readBack != nil || isChecked else {
            throw TargetFailure(
                kind: .misconfigured,
                sentence: "the tus server at \(url) gives no upload back (GET) and has compared no checksums of all "
                    + "parts: what it has of \(plan.key) cannot be verified")
        }
        return StoredObject(
            size: offset, tag: object, metadata: TusProtocol.metadata(head.headers["upload-metadata"] ?? ""),
            readBack: readBack)
    }

    /// Nothing where the server, which is a tus server still, does not have it.
    private func head(_ object: String, _ plan: UploadPlan) async throws(TargetFailure) -> HTTPResponse? {
        do throws(TargetFailure) {
            return try await offset(object, plan.key)
        } catch {
            guard error.kind == .uploadUnknown else { throw error }
            // Somebody else's 404, as of a proxy whose server is gone, is no word about uploads.
            _ = try await askFeatures()
            return nil
        }
    }

    /// SHA-256 of the bytes that GET gives; nothing where the server gives none.
    private func readBack(_ object: String, _ plan: UploadPlan) async throws(TargetFailure) -> ContentDigest? {
        let hashing = TusHashing()
        let response = try await ask(
            Query(method: "GET", url: object, patience: .whileMoving, tried: "GET of \(plan.key)"),
            accepting: [200, 400, 403, 404, 405, 501]
        ) { hashing.update($0) }
        return response.status == 200 ? hashing.digest() : nil
    }

    /// GET of a range. A server that has no ranges answers with the whole, which is taken where it is small.
    package func read(_ plan: UploadPlan, span: ByteSpan) async throws(TargetFailure) -> [UInt8] {
        if span.length == 0 { return [] }
        guard let object = plan.given.object else {
            throw TargetFailure(kind: .uploadUnknown, sentence: "no upload of \(plan.key) is known at \(url)")
        }
        let response = try await ask(
            Query(
                method: "GET", url: object,
                headers: [(name: "Range", value: "bytes=\(span.offset)-\(span.end - 1)")], patience: .whileMoving,
                answerLimit: Int(max(span.length, wholeLimit)) + (64 << 10), tried: "GET of \(plan.key)"),
            accepting: [200, 206])
        if response.status == 206 { return response.body }
        return Array(response.body.dropFirst(Int(span.offset)).prefix(Int(span.length)))
    }

    /// SHA-256 of what was read back; else size, metadata, and the checksums that the server compared on the way.
    package func verdict(_ plan: UploadPlan, object: StoredObject, tag: String?) -> CopyVerdict {
        var differences: [String] = []
        func compare(_ what: String, _ theirs: String?, _ ours: String) {
            guard theirs != ours else { return }
            differences.append("\(what) of \(plan.key) is \(theirs ?? "missing"), not \(ours)")
        }
        compare("the size", String(object.size), String(plan.content.size))
        if let readBack = object.readBack {
            compare("SHA-256, read back,", readBack.hex, plan.content.digest.hex)
        } else {
            compare("capture-upload", object.metadata["capture-upload"], plan.upload)
            compare("capture-sha256", object.metadata["capture-sha256"], plan.content.digest.hex)
        }
        if !differences.isEmpty { return .differs(differences) }
        return .matches(method: object.readBack == nil ? "size+metadata+checksum" : "read_back")
    }
}

/// SHA-256 of what comes in pieces from another thread.
private final class TusHashing: Sendable {
    private let hasher = Mutex(SHA256Hasher())

    func update(_ bytes: [UInt8]) {
        hasher.withLock { hasher in bytes.withUnsafeBytes { hasher.update($0) } }
    }

    func digest() -> ContentDigest { hasher.withLock { $0.finishAndReset() } }
}
