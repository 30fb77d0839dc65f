internal import CExif

/// Owns what libexif made of a block of Exif data. Values are read raw, by format and count as the entry has them, and
/// never beyond its size.
struct ExifEntries: ~Copyable {
    /// Whose entries (Exif 2.32, 4.6.3).
    enum Directory {
        case image, exif, gps
    }

    private let data: UnsafeMutablePointer<ExifData>
    private let isBigEndian: Bool

    private static let mostBytes = 1 << 20
    private static let longestText = 64

    /// Nothing where the bytes hold no entry.
    /// - Parameter bytes: from "Exif\0\0" on; of more than a MiB, the rest is not looked at.
    init?(_ bytes: [UInt8]) {
        guard let data = exif_data_new() else { return nil }
        // What the file says, not what the standard would have it say.
        exif_data_unset_option(data, EXIF_DATA_OPTION_FOLLOW_SPECIFICATION)
        exif_data_unset_option(data, EXIF_DATA_OPTION_IGNORE_UNKNOWN_TAGS)
        let length = min(bytes.count, Self.mostBytes)
        // The pointer lives as long as the call, in which libexif copies what it keeps.
        bytes.withUnsafeBufferPointer { exif_data_load_data(data, $0.baseAddress, UInt32(length)) }
        // Every way out gives the pointer up: to the value, whose end frees it, or here.
        guard Self.hasEntries(data) else {
            exif_data_unref(data)
            return nil
        }
        self.data = data
        isBigEndian = exif_data_get_byte_order(data) == EXIF_BYTE_ORDER_MOTOROLA
    }

    deinit {
        exif_data_unref(data)
    }

    private static func hasEntries(_ data: UnsafeMutablePointer<ExifData>) -> Bool {
        [Directory.image, .exif, .gps].contains { content(data, $0).map { $0.pointee.count > 0 } ?? false }
    }

    private static func content(
        _ data: UnsafeMutablePointer<ExifData>, _ directory: Directory
    ) -> UnsafeMutablePointer<ExifContent>? {
        switch directory {
        case .image: data.pointee.ifd.0
        case .exif: data.pointee.ifd.2
        case .gps: data.pointee.ifd.3
        }
    }

    /// Format and bytes of an entry, as many as its count and its size allow.
    private func value(_ directory: Directory, _ tag: UInt32) -> (format: ExifFormat, bytes: [UInt8])? {
        guard let content = Self.content(data, directory),
            let entry = exif_content_get_entry(content, ExifTag(rawValue: tag))?.pointee, let bytes = entry.data
        else { return nil }
        let width = UInt64(exif_format_get_size(entry.format))
        // A count of 32 bits in C's unsigned long, times 8 at most.
        let (wanted, overflow) = UInt64(entry.components).multipliedReportingOverflow(by: width)
        let length = overflow ? UInt64(entry.size) : min(wanted, UInt64(entry.size))
        // `size` bytes are libexif's own copy, which lives as long as the entry.
        return (entry.format, Array(UnsafeBufferPointer(start: bytes, count: Int(length))))
    }

    /// Text up to its first NUL, without blanks around it, cut at 64 bytes; nothing where it is empty.
    func text(_ directory: Directory, _ tag: UInt32) -> String? {
        guard let (format, bytes) = value(directory, tag),
            [EXIF_FORMAT_ASCII, EXIF_FORMAT_BYTE, EXIF_FORMAT_UNDEFINED].contains(format)
        else { return nil }
        let visible = bytes.prefix(Self.longestText).prefix { $0 != 0 }
        let trimmed = visible.drop { $0 <= 0x20 }.reversed().drop { $0 <= 0x20 }.reversed()
        let text = String(decoding: trimmed.map { $0 < 0x20 || $0 == 0x7F ? 0x20 : $0 }, as: UTF8.self)
        return text.isEmpty ? nil : text
    }

    func unsigned(_ directory: Directory, _ tag: UInt32) -> UInt64? {
        guard let (format, bytes) = value(directory, tag) else { return nil }
        switch format {
        case EXIF_FORMAT_BYTE: return number(bytes, 0, 1)
        case EXIF_FORMAT_SHORT: return number(bytes, 0, 2)
        case EXIF_FORMAT_LONG: return number(bytes, 0, 4)
        default: return nil
        }
    }

    /// Rational numbers, one behind the other; nothing where a denominator is 0, or where there are fewer.
    func rationals(_ directory: Directory, _ tag: UInt32, count: Int) -> [Double]? {
        guard let (format, bytes) = value(directory, tag),
            [EXIF_FORMAT_RATIONAL, EXIF_FORMAT_SRATIONAL].contains(format),
            bytes.count / 8 >= count
        else { return nil }
        let isSigned = format == EXIF_FORMAT_SRATIONAL
        func half(_ index: Int) -> Double? {
            number(bytes, index, 4).map { isSigned ? Double(Int32(truncatingIfNeeded: $0)) : Double($0) }
        }
        let values = (0..<count).compactMap { index -> Double? in
            guard let above = half(index * 8), let below = half(index * 8 + 4), below != 0 else { return nil }
            return above / below
        }
        return values.count == count ? values : nil
    }

    private func number(_ bytes: [UInt8], _ index: Int, _ width: Int) -> UInt64? {
        isBigEndian ? bytes.big(index, width) : bytes.little(index, width)
    }
}
