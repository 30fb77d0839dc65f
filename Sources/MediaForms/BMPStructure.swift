/// What the head of a Windows bitmap says of its size (Windows GDI, "Bitmap Storage"). Reads 54 bytes.
package struct BMPStructure: Sendable, Hashable {
    /// Bytes of the picture that the file does not have; 0 where it is whole.
    package var missingBytes: Int64

    package init(missingBytes: Int64) { self.missingBytes = missingBytes }

    private static let headSizes: Set<UInt64> = [12, 16, 40, 52, 56, 64, 108, 124]

    /// Nothing where the file does not begin as a bitmap of a known version.
    package static func walk(_ source: ByteSource) -> BMPStructure? {
        let head = source.bytes(at: 0, 54)
        guard head.holds("BM"), let fileSize = head.little(2, 4), let pixels = head.little(10, 4),
            let headSize = head.little(14, 4), headSizes.contains(headSize)
        else { return nil }
        let isCore = headSize == 12
        guard head.little(isCore ? 22 : 26, 2) == 1 else { return nil }
        let picture = isCore ? corePicture(head) : picture(head)
        // The size of the file is often left at 0, or counts what it likes; the picture's own is not.
        let end = picture.map { pixels &+ $0 } ?? fileSize
        let missing = end > UInt64(source.size) ? end - UInt64(source.size) : 0
        return BMPStructure(missingBytes: Int64(clamping: missing))
    }

    /// BITMAPCOREHEADER: sides of 16 bits, no compression.
    private static func corePicture(_ head: [UInt8]) -> UInt64? {
        guard let width = head.little(18, 2), let height = head.little(20, 2), let depth = head.little(24, 2) else {
            return nil
        }
        return bytes(width: width, height: height, depth: depth)
    }

    /// BITMAPINFOHEADER and later. Nothing for compressed pictures that do not give their size.
    private static func picture(_ head: [UInt8]) -> UInt64? {
        guard let width = head.little(18, 4), let height = head.little(22, 4), let depth = head.little(28, 2),
            let compression = head.little(30, 4), let size = head.little(34, 4)
        else { return nil }
        // BI_RGB, BI_BITFIELDS, BI_ALPHABITFIELDS: rows as they are. A negative height means the first row is on top.
        guard [0, 3, 6].contains(compression) else { return size > 0 ? size : nil }
        let lines = Int32(truncatingIfNeeded: height).magnitude
        return bytes(width: UInt64(Int32(truncatingIfNeeded: width).magnitude), height: UInt64(lines), depth: depth)
    }

    /// Rows are padded to 4 bytes.
    private static func bytes(width: UInt64, height: UInt64, depth: UInt64) -> UInt64? {
        guard [1, 2, 4, 8, 16, 24, 32].contains(depth) else { return nil }
        let row = (width * depth + 31) / 32 * 4
        let (product, overflow) = row.multipliedReportingOverflow(by: height)
        return overflow || product > 1 << 62 ? nil : product
    }
}
