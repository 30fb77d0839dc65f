package import EvidenceModel

extension TusTarget {
    /// What a token of parts that are uploads of their own begins with; any other token is the URL of one upload.
    static let partsPrefix = "parts:"

    /// `Upload-Concat` names every partial upload: so many names fit into the 8 KiB that servers and proxies take of a
    /// header (nginx, `large_client_header_buffers`). Longer recordings go in order, several of them at once.
    static let mostPartials = 64

    private func isInPartials(_ plan: UploadPlan, _ features: TusFeatures) -> Bool {
        features.has("concatenation") && plan.content.layout.count <= Self.mostPartials
    }

    package func takesPartsInOrder(_ plan: UploadPlan, token: String?) async -> Bool {
        if let token, !token.hasPrefix(Self.partsPrefix) { return true }
        // A server that does not answer now is asked again by whatever comes next; one at a time is always right.
        guard let features = try? await features() else { return true }
        return !isInPartials(plan, features)
    }

    /// One upload with one PATCH.
    package func putWhole(_ plan: UploadPlan, bytes: PartBytes) async throws(TargetFailure) -> String {
        let features = try await requireRoom(plan)
        let piece = Piece(
            slot: TusMemory.Slot(upload: plan.upload, part: 0), bytes: bytes, digest: plan.content.digest,
            headers: [metadata(plan)], tried: plan.key)
        return try await store(piece, features)
    }

    /// One upload for all parts; or, of partial uploads, the first: the others are made when they are sent.
    package func createUpload(_ plan: UploadPlan) async throws(TargetFailure) -> String {
        let features = try await requireRoom(plan)
        guard isInPartials(plan, features) else {
            return try await create(plan.content.size, [metadata(plan)], plan.key)
        }
        let slot = TusMemory.Slot(upload: plan.upload, part: 1)
        memory[slot] = try await create(
            plan.content.layout.span(ofPart: 1).length, partial(plan, 1), "part 1 of \(plan.key)")
        return Self.partsPrefix + plan.upload
    }

    /// None: a server lists no uploads. One whose URL was lost before it was journaled is left to the server's expiry.
    package func findUploads(_ plan: UploadPlan) async throws(TargetFailure) -> [String] {
        _ = try await features()
        return []
    }

    /// Of one upload the parts below its offset; of partial uploads those that the journal names and that are whole.
    package func listParts(_ plan: UploadPlan, token: String) async throws(TargetFailure) -> [ListedPart] {
        let layout = plan.content.layout
        guard token.hasPrefix(Self.partsPrefix) else {
            let offset = try await offset(token, plan.key).uploadOffset ?? 0
            return (1...max(1, layout.count)).filter { layout.span(ofPart: $0).end <= offset }.map {
                ListedPart(number: $0, size: layout.span(ofPart: $0).length, tag: tag(ofPart: $0, plan))
            }
        }
        guard isInPartials(plan, try await features()) else {
            throw TargetFailure(kind: .uploadUnknown, sentence: "\(url) does not concatenate uploads any more")
        }
        var parts: [ListedPart] = []
        for (number, url) in plan.given.parts.sorted(by: { $0.key < $1.key }) {
            let size = layout.span(ofPart: number).length
            do throws(TargetFailure) {
                guard try await offset(url, "part \(number) of \(plan.key)").uploadOffset == size else { continue }
                parts.append(ListedPart(number: number, size: size, tag: url))
            } catch {
                guard error.kind == .uploadUnknown else { throw error }
            }
        }
        return parts
    }

    /// Of one upload: bytes that are there cannot be sent again, and what they are only reading back can tell. So the tag
    /// says where the part ends, and no more.
    private func tag(ofPart number: Int, _ plan: UploadPlan) -> String {
        "offset \(plan.content.layout.span(ofPart: number).end)"
    }

    /// No part can be told by its bytes: one that the journal does not know is asked for again.
    package func partTag(_ bytes: PartBytes) -> String { "" }

    package func putPart(
        _ plan: UploadPlan, token: String, number: Int, bytes: PartBytes
    ) async throws(TargetFailure) -> String {
        let tried = "part \(number) of \(plan.key)"
        let features = try await features()
        let piece = Piece(
            slot: TusMemory.Slot(upload: plan.upload, part: number), bytes: bytes,
            digest: plan.content.partDigests[number - 1], headers: partial(plan, number), tried: tried)
        guard !token.hasPrefix(Self.partsPrefix) else { return try await store(piece, features) }
        let span = plan.content.layout.span(ofPart: number)
        let offset = try await offset(token, tried).uploadOffset ?? 0
        guard offset >= span.offset else {
            throw TargetFailure(
                kind: .uploadUnknown,
                sentence: "\(tried): the server has \(offset) bytes of the upload and has lost what it took before")
        }
        try await send(piece, to: token, from: span.offset, offset: offset, isProven: false, features)
        return tag(ofPart: number, plan)
    }

    /// Joins the partial uploads, or asks whether the one upload is whole; its URL.
    package func complete(_ plan: UploadPlan, token: String, tags: [String]) async throws(TargetFailure) -> String {
        let tried = "completion of \(plan.key)"
        guard token.hasPrefix(Self.partsPrefix) else {
            guard try await offset(token, tried).uploadOffset == plan.content.size else {
                throw TargetFailure(kind: .partsDisagree, sentence: "\(tried): the upload is not whole")
            }
            return token
        }
        let headers = [
            (name: "Upload-Concat", value: TusProtocol.concatenation(tags, asked: url)), metadata(plan),
        ]
        do throws(TargetFailure) {
            return try await create(nil, headers, tried, patience: .seconds(900))
        } catch {
            // A partial upload that is gone or not whole: which, the list tells.
            guard ["400", "404", "410"].contains(error.code) else { throw error }
            throw TargetFailure(kind: .partsDisagree, sentence: error.sentence, code: error.code)
        }
    }

    /// Where the server ends uploads, those of this token; else its expiry does.
    package func abort(_ plan: UploadPlan, token: String) async throws(TargetFailure) {
        let remembered = memory.forget(plan.upload)
        guard try await features().has("termination") else { return }
        let isInParts = token.hasPrefix(Self.partsPrefix)
        // A token that is no URL was given by no tus server.
        let urls = isInParts ? Set(remembered).union(plan.given.parts.values) : [token]
        for url in urls where !TusProtocol.origin(url).isEmpty {
            try await terminate(url, plan.key)
        }
    }

    private func terminate(_ upload: String, _ tried: String) async throws(TargetFailure) {
        _ = try await ask(
            Query(method: "DELETE", url: upload, tried: "DELETE upload of \(tried)"),
            accepting: [200, 204, 404, 410])
    }

    // MARK: Sending

    /// Bytes that are an upload of their own, or a part of one.
    private struct Piece {
        var slot: TusMemory.Slot
        var bytes: PartBytes
        var digest: ContentDigest
        /// Of its creation.
        var headers: [(name: String, value: String)]
        var tried: String
    }

    /// Makes the piece an upload of its own, or goes on with the one that was begun; its URL.
    private func store(_ piece: Piece, _ features: TusFeatures) async throws(TargetFailure) -> String {
        if let url = memory[piece.slot], let offset = try await begun(url, piece, features) {
            try await send(piece, to: url, from: 0, offset: offset, isProven: features.checksum != nil, features)
            return url
        }
        let url = try await create(Int64(piece.bytes.count), piece.headers, piece.tried)
        memory[piece.slot] = url
        try await send(piece, to: url, from: 0, offset: 0, isProven: features.checksum != nil, features)
        return url
    }

    /// The offset of an upload that can be gone on with; nothing where another must be made.
    private func begun(_ url: String, _ piece: Piece, _ features: TusFeatures) async throws(TargetFailure) -> Int64? {
        let offset: Int64
        do throws(TargetFailure) {
            offset = try await self.offset(url, piece.tried).uploadOffset ?? 0
        } catch {
            guard error.kind == .uploadUnknown else { throw error }
            memory[piece.slot] = nil
            return nil
        }
        // Where checksums are the proof, bytes that none was compared with are not gone on with.
        guard features.checksum != nil, offset > 0, offset < piece.bytes.count else { return offset }
        memory[piece.slot] = nil
        if features.has("termination") { try await terminate(url, piece.tried) }
        return nil
    }

    /// How often one piece is gone on with at another offset before it counts as a fault of the server.
    private static let mostTurns = 4

    /// PATCHes what the server does not have of the piece, whose first byte is byte `start` of the upload.
    ///
    /// - Parameter isProven: whether every byte must have been compared with a checksum.
    private func send(
        _ piece: Piece, to url: String, from start: Int64, offset: Int64, isProven: Bool, _ features: TusFeatures
    ) async throws(TargetFailure) {
        let end = start + Int64(piece.bytes.count)
        var offset = offset
        for _ in 0..<Self.mostTurns where offset < end {
            guard offset >= start else { break }
            do throws(TargetFailure) {
                offset = try await patch(piece, Int(offset - start), url, offset, features)
            } catch {
                guard error.code == "409" else { throw error }
                // libcurl sends a request once more by itself when a kept connection breaks: the first may have arrived.
                offset = try await self.offset(url, piece.tried).uploadOffset ?? 0
                if isProven, offset > start, offset < end {
                    throw TargetFailure(
                        kind: .interrupted, sentence: "PATCH of \(piece.tried) was cut after \(offset) bytes")
                }
            }
        }
        guard offset >= end else {
            throw noAnswer("PATCH of \(piece.tried)", "an offset of \(offset) instead of \(end)")
        }
    }

    /// Sends the piece without its first `skipped` bytes to byte `offset` of the upload; the offset afterwards.
    private func patch(
        _ piece: Piece, _ skipped: Int, _ url: String, _ offset: Int64, _ features: TusFeatures
    ) async throws(TargetFailure) -> Int64 {
        let bytes =
            skipped == 0
            ? piece.bytes
            : piece.bytes.withUnsafeBytes { PartBytes(UnsafeRawBufferPointer(rebasing: $0[skipped...])) }
        var headers = [
            (name: "Content-Type", value: "application/offset+octet-stream"),
            (name: "Upload-Offset", value: String(offset)),
        ]
        if let checksum = features.checksum {
            let sum = checksum.header(bytes, digest: skipped == 0 ? piece.digest : nil)
            headers.append((name: "Upload-Checksum", value: sum))
        }
        let tried = "PATCH of \(piece.tried)"
        let response = try await ask(
            Query(
                method: "PATCH", url: url, headers: headers, body: .part(bytes), patience: .whileMoving, tried: tried),
            accepting: [200, 204])
        guard let now = response.uploadOffset else { throw noAnswer(tried, "no offset") }
        return now
    }

    /// POSTs a new upload; its absolute URL.
    ///
    /// - Parameter length: bytes; none for one that is joined of others.
    private func create(
        _ length: Int64?, _ headers: [(name: String, value: String)], _ tried: String,
        patience: HTTPRequest.Patience = .seconds(60)
    ) async throws(TargetFailure) -> String {
        var headers = headers
        if let length { headers.append((name: "Upload-Length", value: String(length))) }
        let response = try await ask(
            Query(
                method: "POST", url: url, place: .creation, headers: headers, patience: patience,
                tried: "POST of \(tried)"), accepting: [201])
        guard let location = response.headers["location"] else { throw noAnswer("POST of \(tried)", "no location") }
        guard let absolute = TusProtocol.resolve(location, asked: url) else {
            throw TargetFailure(
                kind: .misconfigured,
                sentence: "the tus server at \(url) names an upload \"\(location)\", which is no URL or leaves HTTPS: "
                    + "tell it that it is behind a proxy")
        }
        return absolute
    }

    private func requireRoom(_ plan: UploadPlan) async throws(TargetFailure) -> TusFeatures {
        let features = try await features()
        if let most = features.mostBytes, plan.content.size > most {
            throw TargetFailure(
                kind: .rejected,
                sentence: "\(plan.key) has \(plan.content.size) bytes, and the tus server at \(url) takes \(most)")
        }
        return features
    }

    /// Whoever looks at the server finds in it what it belongs to, and under which key it would be elsewhere.
    private func metadata(_ plan: UploadPlan) -> (name: String, value: String) {
        let file = plan.key.split(separator: "/").last.map(String.init) ?? plan.key
        return (
            name: "Upload-Metadata",
            value: TusProtocol.metadata([
                (key: "filename", value: file), (key: "capture-key", value: plan.key),
                (key: "capture-recording", value: plan.recording.text),
                (key: "capture-sha256", value: plan.content.digest.hex), (key: "capture-upload", value: plan.upload),
            ])
        )
    }

    private func partial(_ plan: UploadPlan, _ number: Int) -> [(name: String, value: String)] {
        let pairs = [(key: "capture-upload", value: plan.upload), (key: "capture-part", value: String(number))]
        return [
            (name: "Upload-Concat", value: "partial"),
            (name: "Upload-Metadata", value: TusProtocol.metadata(pairs)),
        ]
    }
}
