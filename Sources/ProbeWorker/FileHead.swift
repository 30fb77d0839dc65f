/// The first bytes of a file, as far as something is decided by them without libavformat.
struct FileHead {
    /// As much as is read.
    static let byteCount = 64 * 1024

    let bytes: [UInt8]

    /// A card that lost the file's clusters, or a recorder that only reserved the space.
    var isZeroed: Bool { !bytes.isEmpty && bytes.allSatisfy { $0 == 0 } }

    /// SOI and the first byte of the next marker: ISO/IEC 10918-1, B.1.1.3.
    var beginsAsJPEG: Bool { bytes.starts(with: [0xFF, 0xD8, 0xFF]) }

    /// A tag of ID3v2, which stands before MP3 and little else: ID3v2.4.0, 3.1.
    var beginsWithID3: Bool { bytes.starts(with: "ID3".utf8) }

    /// The major brand, where the file begins with a file type box: ISO/IEC 14496-12, 4.3.
    var brand: String? {
        guard bytes.count >= 12, bytes[4..<8].elementsEqual("ftyp".utf8) else { return nil }
        return String(decoding: bytes[8..<12], as: UTF8.self)
    }

    /// Brands of still pictures: ISO/IEC 23008-12, annex B, and AV1 Image File Format.
    var isHEIF: Bool {
        guard let brand else { return false }
        return ["heic", "heix", "heim", "heis", "mif1", "avif"].contains(brand)
    }
}
