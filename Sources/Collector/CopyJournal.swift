import ContentHash
package import EvidenceModel

/// Where a copy comes from.
package struct CopyOrigin: Sendable, Hashable {
    /// The configured source's name.
    package var source: String
    /// `WatchedRoot.fileSystem`.
    package var fileSystem: String
    package var file: SettledFile

    package init(source: String, fileSystem: String, file: SettledFile) {
        self.source = source
        self.fileSystem = fileSystem
        self.file = file
    }

    /// Whether it is the same name on the same file system.
    func isSamePlace(as other: CopyOrigin) -> Bool {
        source == other.source && fileSystem == other.fileSystem && file.path == other.file.path
    }

    /// Whether it is that, and nothing speaks for another content. Device and inode number are not asked: both are made
    /// up anew when a card is mounted again.
    func agrees(with other: CopyOrigin) -> Bool {
        let (mine, theirs) = (file.stamp, other.file.stamp)
        return isSamePlace(as: other) && mine.size == theirs.size
            && mine.modifiedNanoseconds == theirs.modifiedNanoseconds
            && mine.changedNanoseconds == theirs.changedNanoseconds
    }
}

/// What is written beside a copy while it is made, so that it can be gone on with: what is copied, and the digest of
/// every part that is done.
///
///     "CopyJnl1"  bytes of the next field, 4  fields, in the order of `encode`  SHA-256 of all before  digest  digest …
///
/// Numbers are little-endian. Nothing here is made durable: the head has a digest of its own, and a part's is compared
/// with the copy before it is believed. A half written digest at the end is none.
struct CopyJournal: Sendable, Hashable {
    private static let magic = Array("CopyJnl1".utf8)
    /// Bytes that a head has at most; the longest path has 4,096.
    static let mostHeadBytes = 64 << 10

    var origin: CopyOrigin
    /// Of the file as it was when the copy began.
    var sentinel: Sentinel
    /// Bytes of every part but the last.
    var partSize: Int64
    /// Of part 1, 2, …, as far as they are done.
    var parts: [ContentDigest] = []

    /// The file that says this.
    func encoded() -> [UInt8] { Self.head(encodedFields()) + ContentDigest.joined(parts) }

    /// Where the digest of part `index`, counted from 0, stands.
    func offset(ofPart index: Int) -> Int64 {
        Int64(Self.head(encodedFields()).count + index * ContentDigest.byteCount)
    }

    private static func head(_ fields: [UInt8]) -> [UInt8] {
        var head = magic
        head.append(number: UInt32(fields.count))
        head += fields
        return head + ContentDigest.sha256(of: head).bytes
    }

    private func encodedFields() -> [UInt8] {
        var fields: [UInt8] = []
        let stamp = origin.file.stamp
        fields.append(number: partSize)
        fields.append(number: stamp.device)
        fields.append(number: stamp.inode)
        fields.append(number: stamp.size)
        fields.append(number: stamp.modifiedNanoseconds)
        fields.append(number: stamp.changedNanoseconds)
        fields += sentinel.digest.bytes
        for text in [Array(origin.source.utf8), Array(origin.fileSystem.utf8), origin.file.path.bytes] {
            fields.append(number: UInt32(text.count))
            fields += text
        }
        return fields
    }

    init(origin: CopyOrigin, sentinel: Sentinel, partSize: Int64) {
        self.origin = origin
        self.sentinel = sentinel
        self.partSize = partSize
    }

    /// Nothing where `bytes` are no such journal, or one of another version.
    init?(_ bytes: [UInt8]) {
        var reader = JournalReader(bytes)
        guard reader.take(8) == Self.magic, let length = reader.number(UInt32.self),
            length <= Self.mostHeadBytes, let fields = reader.take(Int(length)),
            let digest = reader.take(ContentDigest.byteCount),
            digest == ContentDigest.sha256(of: bytes.prefix(12 + fields.count)).bytes
        else { return nil }
        let records = reader.rest.prefix(reader.rest.count / ContentDigest.byteCount * ContentDigest.byteCount)
        self.init(fields: fields)
        parts = ContentDigest.list(joined: records) ?? []
    }

    private init?(fields: [UInt8]) {
        var reader = JournalReader(fields)
        guard let partSize = reader.number(Int64.self), partSize > 0, let device = reader.number(UInt64.self),
            let inode = reader.number(UInt64.self), let size = reader.number(Int64.self), size >= 0,
            let modified = reader.number(Int64.self), let changed = reader.number(Int64.self),
            let sentinel = reader.take(ContentDigest.byteCount).flatMap({ ContentDigest(bytes: $0) }),
            let source = reader.text(), let fileSystem = reader.text(), let path = reader.text()
        else { return nil }
        let stamp = FileStamp(
            device: device, inode: inode, size: size, modifiedNanoseconds: modified, changedNanoseconds: changed)
        self.init(
            origin: CopyOrigin(
                source: String(decoding: source, as: UTF8.self),
                fileSystem: String(decoding: fileSystem, as: UTF8.self),
                file: SettledFile(path: RawPath(bytes: path), stamp: stamp)),
            sentinel: Sentinel(digest: sentinel), partSize: partSize)
    }
}

/// Takes fields off the front of bytes; nothing where they end before.
private struct JournalReader {
    private(set) var rest: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) {
        rest = bytes[...]
    }

    mutating func take(_ count: Int) -> [UInt8]? {
        guard count <= rest.count else { return nil }
        defer { rest = rest.dropFirst(count) }
        return Array(rest.prefix(count))
    }

    mutating func number<Number: FixedWidthInteger>(_: Number.Type) -> Number? {
        take(Number.bitWidth / 8)?.reversed().reduce(0) { $0 << 8 | Number(truncatingIfNeeded: $1) }
    }

    mutating func text() -> [UInt8]? {
        number(UInt32.self).flatMap { take(Int($0)) }
    }
}

extension [UInt8] {
    fileprivate mutating func append(number: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: number.littleEndian) { append(contentsOf: $0) }
    }
}
