import EvidenceModel

extension S3Target {
    /// One page of ListMultipartUploads.
    package func unfinishedUploads(
        below folder: String, after marker: UnfinishedMarker?
    ) async throws(TargetFailure) -> UnfinishedPage {
        let tried = "GET ?uploads below \(folder)"
        var query = [
            (name: "uploads", value: ""), (name: "prefix", value: location.prefix + folder),
            (name: "max-uploads", value: "1000"),
        ]
        if let marker {
            query.append((name: "key-marker", value: marker.key))
            query.append((name: "upload-id-marker", value: marker.token))
        }
        let response = try await ask(Query(method: "GET", key: nil, query: query, tried: tried))
        guard let root = S3Messages.parse(response.body), let page = S3Messages.uploads(root) else {
            throw noAnswer(tried, "no list")
        }
        let prefix = location.prefix.utf8
        return UnfinishedPage(
            uploads: page.uploads.compactMap { upload in
                // A store that ignores the prefix shows others' uploads.
                guard upload.key.utf8.starts(with: prefix) else { return nil }
                var own = upload
                own.key = String(decoding: upload.key.utf8.dropFirst(prefix.count), as: UTF8.self)
                return own
            }, at: response.headers["date"].flatMap(HTTPDate.parse), next: page.next)
    }

    /// AbortMultipartUpload, and ListParts to see whether any part outlived it: one that was on its way can.
    package func giveUp(_ upload: UnfinishedUpload) async throws(TargetFailure) -> Bool {
        let query = [(name: "uploadId", value: upload.token)]
        _ = try await ask(
            Query(method: "DELETE", key: upload.key, query: query, tried: "DELETE upload of \(upload.key)"),
            accepting: [200, 204, 404])
        let tried = "GET parts of \(upload.key)"
        let response = try await ask(
            Query(
                method: "GET", key: upload.key, query: query + [(name: "max-parts", value: "1")], tried: tried),
            accepting: [200, 404])
        if response.status == 404 { return true }
        guard let root = S3Messages.parse(response.body), let page = S3Messages.parts(root) else {
            throw noAnswer(tried, "no list")
        }
        return page.parts.isEmpty
    }
}

extension S3Messages {
    /// One page of ListMultipartUploads; keys with the target's prefix.
    static func uploads(_ root: S3Element) -> (uploads: [UnfinishedUpload], next: UnfinishedMarker?)? {
        guard root.name == "ListMultipartUploadsResult" else { return nil }
        let elements = root.children("Upload")
        let uploads = elements.compactMap { upload -> UnfinishedUpload? in
            guard let key = upload.text("Key"), let token = upload.text("UploadId") else { return nil }
            let startedAt = upload.text("Initiated").flatMap { WallTime(rfc3339: $0) }
            return UnfinishedUpload(key: key, token: token, startedAt: startedAt)
        }
        guard uploads.count == elements.count else { return nil }
        guard root.text("IsTruncated") == "true" else { return (uploads, nil) }
        // Some stores leave the markers out: they are the page's last upload.
        guard let key = root.text("NextKeyMarker") ?? uploads.last?.key,
            let token = root.text("NextUploadIdMarker") ?? uploads.last?.token
        else { return nil }
        return (uploads, UnfinishedMarker(key: key, token: token))
    }
}
