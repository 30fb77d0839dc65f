/// What a store calls bytes, and what the station knows of that name. As text: `etag`, `etag;md5`,
/// `etag;crc64nvme=ae8b14860a799888`. What stands before the first semicolon is the store's, what follows the station's own.
struct S3Tag: Sendable, Hashable {
    /// Without quotes, in lowercase.
    var etag: String
    /// The station has computed the MD5, and the ETag is it; of an object in parts, the MD5 of its parts' MD5s.
    var isMD5 = false
    /// CRC-64/NVME of the bytes, computed on the station and sent along.
    var crc64: UInt64?

    init(etag: String, isMD5: Bool = false, crc64: UInt64? = nil) {
        self.etag = etag
        self.isMD5 = isMD5
        self.crc64 = crc64
    }

    init(_ text: String) {
        let fields = text.split(separator: ";", omittingEmptySubsequences: false)
        etag = fields.first.map(String.init) ?? ""
        for field in fields.dropFirst() {
            if field == "md5" { isMD5 = true }
            if field.hasPrefix("crc64nvme=") { crc64 = UInt64(field.dropFirst("crc64nvme=".count), radix: 16) }
        }
    }

    var text: String {
        let digits = crc64.map { String($0, radix: 16) }
        let crc = digits.map { ";crc64nvme=" + String(repeating: "0", count: 16 - $0.count) + $0 } ?? ""
        return etag + (isMD5 ? ";md5" : "") + crc
    }
}

/// What a store calls an unfinished upload, and whether it was told to expect a CRC-64/NVME with each part. As text: `id`,
/// `id;crc64nvme`.
struct S3Token: Sendable, Hashable {
    var id: String
    var hasCRC64: Bool

    private static let suffix = ";crc64nvme"

    init(id: String, hasCRC64: Bool) {
        self.id = id
        self.hasCRC64 = hasCRC64
    }

    init(_ text: String) {
        hasCRC64 = text.hasSuffix(Self.suffix)
        id = hasCRC64 ? String(text.dropLast(Self.suffix.count)) : text
    }

    var text: String { id + (hasCRC64 ? Self.suffix : "") }

    /// Every text that a token with this id may have.
    static func texts(id: String) -> [String] { [id, id + suffix] }
}
