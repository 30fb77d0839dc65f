/// Elements of EBML (RFC 8794, 4 to 7) in bytes that were read.
struct EBMLElement: Sendable, Hashable {
    /// With its marker bits, as RFC 9559 writes it.
    var id: UInt64
    /// Of the element, header included.
    var start: Int
    /// Of the payload.
    var payload: Int
    /// Bytes of the payload; none where the size is unknown (RFC 8794, 6.2).
    var length: UInt64?

    /// The element at `index`; nothing where there is none, or where its header is cut.
    init?(_ bytes: [UInt8], at index: Int) {
        guard let (id, idWidth) = Self.number(bytes, index, keepsMarker: true, widest: 4),
            let (size, sizeWidth) = Self.number(bytes, index + idWidth, keepsMarker: false, widest: 8)
        else { return nil }
        self.id = id
        start = index
        payload = index + idWidth + sizeWidth
        // All bits one: the size is not known.
        length = size == (1 << UInt64(7 * sizeWidth)) - 1 ? nil : size
    }

    /// Where its payload ends, cut at `limit`.
    func end(_ limit: Int) -> Int {
        guard payload <= limit else { return limit }
        return payload + Int(min(length ?? .max, UInt64(limit - payload)))
    }

    /// It ends at `limit` or before.
    func isWhole(_ limit: Int) -> Bool {
        guard let length, payload <= limit else { return false }
        return length <= UInt64(limit - payload)
    }

    /// A number of variable width (RFC 8794, 4): as many bytes as the first has leading zero bits, and one.
    static func number(
        _ bytes: [UInt8], _ index: Int, keepsMarker: Bool, widest: Int
    ) -> (value: UInt64, width: Int)? {
        guard let first = bytes.big(index, 1), first != 0 else { return nil }
        let width = UInt8(first).leadingZeroBitCount + 1
        guard width <= widest, let value = bytes.big(index, width) else { return nil }
        return (keepsMarker ? value : value & ((1 << UInt64(7 * width)) - 1), width)
    }

    /// Its payload as an unsigned number (RFC 8794, 7.2).
    func unsigned(_ bytes: [UInt8]) -> UInt64? {
        guard let length else { return nil }
        return length == 0 ? 0 : length <= 8 ? bytes.big(payload, Int(length)) : nil
    }
}

/// Elements one behind the other.
struct EBMLList: Sequence, IteratorProtocol {
    private let bytes: [UInt8]
    private var index: Int
    private let end: Int

    init(_ bytes: [UInt8], _ range: Range<Int>) {
        self.bytes = bytes
        index = range.lowerBound
        end = Swift.min(range.upperBound, bytes.count)
    }

    /// - Parameter element: whose children; cut where the bytes end.
    init(_ bytes: [UInt8], in element: EBMLElement, limit: Int) {
        self.init(bytes, element.payload..<Swift.max(element.payload, element.end(limit)))
    }

    mutating func next() -> EBMLElement? {
        guard index < end, let element = EBMLElement(bytes, at: index), element.payload <= end else { return nil }
        index = element.end(end)
        return element
    }
}
