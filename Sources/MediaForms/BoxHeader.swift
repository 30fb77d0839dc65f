/// The head of a box (ISO/IEC 14496-12, 4.2): size, type, and where the size needs 64 bits, those.
struct BoxHeader: Sendable, Hashable {
    /// Four characters; what is not printable is "?".
    var type: String
    /// Bytes of the header itself: 8 or 16.
    var headerLength: Int64
    /// Bytes, header included; none where the box goes to the end of the file (size 0).
    var length: UInt64?

    /// The header at `index` of `bytes`, or nothing where those are no box: a size smaller than the header, a type of
    /// characters that no type has, or too few bytes.
    init?(_ bytes: [UInt8], at index: Int = 0) {
        guard let short = bytes.big(index, 4), bytes.isType(index + 4), let type = bytes.fourCharacters(index + 4)
        else {
            return nil
        }
        self.type = type
        switch short {
        case 0:
            (headerLength, length) = (8, nil)
        case 1:
            guard let long = bytes.big(index + 8, 8), long >= 16 else { return nil }
            (headerLength, length) = (16, long)
        case 2..<8:
            return nil
        default:
            (headerLength, length) = (8, short)
        }
    }

    /// What stands at the top level of a file of the family: ISO/IEC 14496-12, table 1, and QuickTime File Format,
    /// "Movie files". Others may stand there too; these are believed when they are cut.
    static let topLevelTypes: Set<String> = [
        "ftyp", "styp", "pdin", "moov", "moof", "mfra", "mdat", "free", "skip", "wide", "pnot", "uuid", "meta", "sidx",
        "ssix", "prft", "emsg", "imda", "udta",
    ]

    /// With what a file of the family begins.
    static let firstTypes: Set<String> = [
        "ftyp", "moov", "mdat", "free", "skip", "wide", "pnot", "styp", "uuid", "moof", "sidx", "meta",
    ]
}

/// Boxes one behind the other in bytes that were read.
struct BoxList: Sequence, IteratorProtocol {
    struct Item {
        var type: String
        /// Behind the header, cut where the bytes end.
        var payload: Range<Int>
    }

    private let bytes: [UInt8]
    private var index: Int
    private let end: Int

    init(_ bytes: [UInt8], _ range: Range<Int>) {
        self.bytes = bytes
        index = range.lowerBound
        end = Swift.min(range.upperBound, bytes.count)
    }

    /// The next box; nothing at the end, or where what follows is none.
    mutating func next() -> Item? {
        guard index < end, let header = BoxHeader(bytes, at: index) else { return nil }
        let length = Swift.min(header.length ?? .max, UInt64(end - index))
        guard length >= UInt64(header.headerLength) else { return nil }
        let start = index
        index += Int(length)
        return Item(type: header.type, payload: (start + Int(header.headerLength))..<index)
    }
}
