import ContentHash
package import EvidenceModel

/// Bytes that look random and are the same for the same seed, with the digests a collector takes of them.
package struct SampleRecording: Sendable {
    package let id: RecordingID
    package let bytes: [UInt8]
    package let content: StoredContent

    /// - Parameters:
    ///   - size: bytes.
    ///   - partSize: bytes of every part but the last.
    package init(seed: UInt64, size: Int, partSize: Int = 8 << 20) {
        var random = SeededRandom(seed: seed)
        id = RecordingID(time: WallTime(millisecondsSince1970: 1_700_000_000_000), using: &random)
        let words = (0..<(size + 7) / 8).map { _ in random.next() }
        let bytes = words.withUnsafeBytes { Array($0.prefix(size)) }
        self.bytes = bytes
        let layout = PartLayout(size: Int64(size), partSize: Int64(partSize))
        content = StoredContent(
            layout: layout, digest: .sha256(of: bytes),
            partDigests: (0..<layout.count).map {
                .sha256(of: bytes[($0 * partSize)..<min(size, ($0 + 1) * partSize)])
            })
    }

    package func bytes(_ span: ByteSpan) -> [UInt8] { Array(bytes[Int(span.offset)..<Int(span.end)]) }

    package func bytes(ofPart number: Int) -> [UInt8] { bytes(content.layout.span(ofPart: number)) }

    /// A plan of its own upload id, under `key` or one made of the recording's id.
    package func plan(target: String = "target", key: String? = nil) -> UploadPlan {
        var random = SeededRandom(seed: id.text.utf8.reduce(7) { $0 &* 31 &+ UInt64($1) })
        return UploadPlan(
            upload: UniversalID.random(using: &random), recording: id, target: target,
            key: key ?? "recordings/s1/2026/01/02/cam/\(id)/clip.mp4", content: content)
    }
}

/// SHA-256 of `bytes`, for tests of modules that do not compute one.
package func digest(of bytes: [UInt8]) -> ContentDigest { .sha256(of: bytes) }
