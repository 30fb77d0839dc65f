import COpenSSL
package import EvidenceModel

/// A SHA-256 computation (FIPS 180-4) in libcrypto, which uses the processor's SHA instructions.
///
/// Owns an `EVP_MD_CTX`. Feed it with `update`, end it with `finalize`.
package struct SHA256Hasher: ~Copyable {
    private let context: OpaquePointer

    package init() {
        guard let context = EVP_MD_CTX_new(), EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else {
            // Only an exhausted memory or a libcrypto without SHA-256 gets here; neither can go on.
            preconditionFailure("libcrypto gave no SHA-256 context")
        }
        self.context = context
    }

    deinit {
        EVP_MD_CTX_free(context)
    }

    package borrowing func update(_ bytes: UnsafeRawBufferPointer) {
        guard EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) == 1 else {
            preconditionFailure("EVP_DigestUpdate fails only on a finished context")
        }
    }

    /// The digest of everything so far; the computation is over.
    package consuming func finalize() -> ContentDigest {
        Self.finish(context)
    }

    /// The digest of everything since the last reset, and a new beginning with the same context.
    package borrowing func finishAndReset() -> ContentDigest {
        let digest = Self.finish(context)
        guard EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else {
            preconditionFailure("EVP_DigestInit_ex fails only without SHA-256, which init had")
        }
        return digest
    }

    private static func finish(_ context: OpaquePointer) -> ContentDigest {
        var bytes = [UInt8](repeating: 0, count: ContentDigest.byteCount)
        var length: UInt32 = 0
        guard EVP_DigestFinal_ex(context, &bytes, &length) == 1, let digest = ContentDigest(bytes: bytes) else {
            preconditionFailure("EVP_DigestFinal_ex fails only on a finished context")
        }
        return digest
    }
}

extension ContentDigest {
    /// SHA-256 of `bytes`.
    package static func sha256(of bytes: some Collection<UInt8>) -> ContentDigest {
        let hasher = SHA256Hasher()
        let done: Void? = bytes.withContiguousStorageIfAvailable { hasher.update(UnsafeRawBufferPointer($0)) }
        if done == nil { [UInt8](bytes).withUnsafeBytes { hasher.update($0) } }
        return hasher.finalize()
    }

    /// SHA-256 of `bytes`.
    package static func sha256(of bytes: UnsafeRawBufferPointer) -> ContentDigest {
        let hasher = SHA256Hasher()
        hasher.update(bytes)
        return hasher.finalize()
    }
}
