import ContentHash
import EvidenceModel
import Foundation

/// Sums that go along with a request ("Checking object integrity", Amazon S3 User Guide).
enum S3Sums {
    static func crc64(_ bytes: [UInt8]) -> UInt64 { bytes.withUnsafeBytes { CRC64NVME.of($0) } }

    /// Eight bytes, the highest first, in base 64.
    static func text(_ sum: UInt64) -> String {
        Data((0..<8).map { UInt8(truncatingIfNeeded: sum >> UInt64(56 - 8 * $0)) }).base64EncodedString()
    }

    static func crc64(text: String?) -> UInt64? {
        guard let bytes = text.flatMap({ Data(base64Encoded: $0) }), bytes.count == 8 else { return nil }
        return bytes.reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// Of PutObject and UploadPart. Ceph looks at the sum only where the algorithm is named beside it.
    static func headers(_ sum: UInt64) -> [String: String] {
        ["x-amz-checksum-crc64nvme": text(sum), "x-amz-sdk-checksum-algorithm": "CRC64NVME"]
    }

    /// Of CreateMultipartUpload, whose parts will have sums.
    static let announced = ["x-amz-checksum-algorithm": "CRC64NVME", "x-amz-checksum-type": "FULL_OBJECT"]

    /// Of CompleteMultipartUpload.
    static func completing(_ sum: UInt64, size: Int64) -> [String: String] {
        [
            "x-amz-checksum-crc64nvme": text(sum), "x-amz-checksum-type": "FULL_OBJECT",
            "x-amz-mp-object-size": String(size),
        ]
    }

    /// - Parameter digest: the MD5 of the body.
    static func md5(_ digest: [UInt8]) -> [String: String] { ["content-md5": Data(digest).base64EncodedString()] }

    /// What a store that names by MD5 calls an object of parts with these MD5s, in hexadecimal; nothing where one is no MD5.
    static func composite(_ digests: [String]) -> String? {
        let bytes = digests.compactMap { Hexadecimal.decode($0) }
        guard bytes.count == digests.count, bytes.allSatisfy({ $0.count == 16 }) else { return nil }
        let digest = bytes.flatMap(\.self).withUnsafeBytes { MD5Digest.of($0) }
        return "\(Hexadecimal.encode(digest))-\(digests.count)"
    }
}
