/// A file name or a path as the kernel has it: bytes without NUL, of no promised encoding.
package struct RawPath: Sendable, Hashable {
    package let bytes: [UInt8]

    package init(bytes: some Sequence<UInt8>) {
        self.bytes = [UInt8](bytes)
    }

    package init(_ text: String) {
        self.init(bytes: text.utf8)
    }

    private static let slash = UInt8(ascii: "/")

    /// For people and logs: UTF-8 where it is UTF-8, other bytes as U+FFFD.
    package var display: String { String(decoding: bytes, as: UTF8.self) }

    /// The text, or nothing where the bytes are not UTF-8.
    package var text: String? { String(validating: bytes, as: UTF8.self) }

    /// Names between slashes; empty ones and "." are left out.
    package var components: [RawPath] {
        bytes.split(separator: Self.slash).map { RawPath(bytes: $0) }.filter { $0.bytes != [UInt8(ascii: ".")] }
    }

    /// What stands behind the last slash.
    package var lastComponent: RawPath { components.last ?? RawPath(bytes: []) }

    /// The path without its last name and the slashes behind that; empty for a lone name.
    package var parent: RawPath {
        let end = bytes.lastIndex { $0 != Self.slash } ?? 0
        guard let cut = bytes[..<end].lastIndex(of: Self.slash) else {
            return RawPath(bytes: bytes.prefix { $0 == Self.slash }.prefix(1))
        }
        return RawPath(bytes: bytes[..<max(cut, bytes.first == Self.slash ? 1 : 0)])
    }

    package func appending(_ name: RawPath) -> RawPath {
        if bytes.isEmpty { return name }
        if name.bytes.isEmpty { return self }
        let separator = bytes.last == Self.slash ? [] : [Self.slash]
        return RawPath(bytes: bytes + separator + name.bytes)
    }

    package func appending(_ name: String) -> RawPath { appending(RawPath(name)) }

    /// Whether this is `directory` itself or lies below it, name by name.
    package func isAtOrBelow(_ directory: RawPath) -> Bool {
        components.starts(with: directory.components)
    }

    /// Calls `body` with the bytes ended by NUL, as system calls want them.
    package func withCString<Result, Failure: Error>(
        _ body: (UnsafePointer<CChar>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let terminated = bytes.map { CChar(bitPattern: $0) } + [0]
        let outcome = terminated.withUnsafeBufferPointer { buffer -> Swift.Result<Result, Failure> in
            // The array holds at least the NUL, so it has a base address.
            guard let base = buffer.baseAddress else { preconditionFailure("an array with a NUL is not empty") }
            do throws(Failure) { return .success(try body(base)) } catch { return .failure(error) }
        }
        return try outcome.get()
    }
}

extension RawPath: CustomStringConvertible {
    package var description: String { display }
}

extension RawPath: Comparable {
    package static func < (left: RawPath, right: RawPath) -> Bool { left.bytes.lexicographicallyPrecedes(right.bytes) }
}
