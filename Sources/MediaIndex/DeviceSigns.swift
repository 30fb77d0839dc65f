package import EvidenceModel
import Foundation

/// What is on a docked device beside recordings, and below it: small files that say whose it is or what time it has, and
/// the USB device; read once when it was docked.
package struct DeviceSigns: Sendable, Hashable {
    /// Bytes that are read of one file.
    package static let fileBytes: Int64 = 4096
    /// Files that all profiles together may ask for.
    package static let files = 16

    package struct File: Sendable, Hashable {
        package var text: String
        package var modifiedAt: WallTime
        /// When it was read, by the station's clock.
        package var readAt: WallTime

        /// - Parameter bytes: at most `fileBytes`, from its beginning.
        package init(bytes: [UInt8], modifiedAt: WallTime, readAt: WallTime) {
            text = DeviceSigns.text(bytes)
            self.modifiedAt = modifiedAt
            self.readAt = readAt
        }
    }

    /// What the device wrote, whenever it was read.
    package struct Written: Sendable, Hashable {
        private var files: [String: [String]]

        fileprivate init(_ found: [String: File]) {
            files = found.mapValues { [$0.text, "\($0.modifiedAt.millisecondsSince1970)"] }
        }
    }

    /// The USB device that it is, or is in.
    package var usb: USBIdentity?
    private var found: [String: File] = [:]

    package var written: Written { Written(found) }

    package init() {}

    /// Notes a file by the path a profile names it with; case does not count.
    package mutating func note(_ file: File, at path: String) { found[path.lowercased()] = file }

    package func file(_ path: String) -> File? { found[path.lowercased()] }

    /// UTF-8, else GB 18030, else Latin-1, which takes any bytes: a marker is never refused.
    static func text(_ bytes: [UInt8]) -> String {
        let content = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? bytes.dropFirst(3) : bytes[...]
        // The reading may have cut the last character: UTF-8 has at most three bytes of one that is not whole.
        for cut in 0...(Int64(bytes.count) < fileBytes ? 0 : 3) {
            if let text = String(validating: content.dropLast(cut), as: UTF8.self) { return text }
        }
        let gb18030 = String.Encoding(rawValue: 0x8000_0632)  // kCFStringEncodingGB_18030_2000
        return String(data: Data(content), encoding: gb18030)
            ?? String(String.UnicodeScalarView(content.map { Unicode.Scalar($0) }))
    }
}
