import COpenSSL

/// HMAC with SHA-256 (RFC 2104, FIPS 198-1).
package enum HMACSHA256 {
    /// The 32-byte code of `message` under `key`, whatever its length.
    package static func code(for message: some Collection<UInt8>, key: [UInt8]) -> [UInt8] {
        let input = [UInt8](message)
        var code = [UInt8](repeating: 0, count: 32)
        var length: UInt32 = 0
        guard HMAC(EVP_sha256(), key, Int32(key.count), input, input.count, &code, &length) != nil else {
            preconditionFailure("HMAC fails only without memory")
        }
        return code
    }
}

/// MD5 (RFC 1321), where a store's ETag is one: to compare, never to protect.
package enum MD5Digest {
    /// The 16-byte digest of `bytes`.
    package static func of(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 16)
        var length: UInt32 = 0
        guard EVP_Digest(bytes.baseAddress, bytes.count, &digest, &length, EVP_md5(), nil) == 1 else {
            preconditionFailure("libcrypto has no MD5: it runs in FIPS mode")
        }
        return digest
    }
}

/// SHA-1 (FIPS 180-4), where a server checks what arrives with nothing better: against accidents, never to protect.
package enum SHA1Digest {
    /// The 20-byte digest of `bytes`.
    package static func of(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 20)
        var length: UInt32 = 0
        guard EVP_Digest(bytes.baseAddress, bytes.count, &digest, &length, EVP_sha1(), nil) == 1 else {
            preconditionFailure("libcrypto has no SHA-1")
        }
        return digest
    }
}
