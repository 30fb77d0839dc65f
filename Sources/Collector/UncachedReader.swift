import ContentHash
package import EvidenceModel
package import FileAccess
import Glibc

/// What a second reading of a file found on its device.
package struct SecondReading: Sendable, Hashable {
    /// How it was kept from finding what the station had in memory.
    package enum Method: String, Sendable, Hashable, CaseIterable {
        /// Read with O_DIRECT.
        case direct = "o_direct"
        /// The page cache was emptied, and held nothing of each block before that was read.
        case cacheDropped = "cache_dropped"
    }

    package var digest: ContentDigest
    package var method: Method
}

/// Why there is no second reading.
package enum SecondReadingFailure: Error, Sendable, Hashable, CustomStringConvertible {
    /// The file could not be read.
    case source(CollectFailure)
    /// It cannot be told that its bytes would come from the device; the sentence says what keeps it from that.
    case cached(String)

    package var description: String {
        switch self {
        case .source(let failure): "the second reading failed: \(failure)"
        case .cached(let reason): reason
        }
    }
}

/// Reads a file from its device once more, past the page cache: a comparison of memory with itself proves nothing.
package struct UncachedReader: Sendable {
    private let reader: ContentReader

    package init(
        isCancelled: @escaping @Sendable () -> Bool = { false },
        progress: @escaping @Sendable (Int64) -> Void = { _ in }
    ) {
        reader = ContentReader(isCancelled: isCancelled, progress: progress)
    }

    /// The digest of `file`, which must have `stamp` before and after.
    ///
    /// - Parameter blockDevice: what a file system in user space reads from. Its cache is emptied first: such a file
    ///   system's own reads go through that.
    package func read(
        _ file: borrowing OwnedDescriptor, stamp: FileStamp, blockDevice: RawPath? = nil
    ) throws(SecondReadingFailure) -> SecondReading {
        try sourcing { () throws(CollectFailure) in try reader.requireUnchanged(file, stamp) }
        if let blockDevice { try Self.emptyCache(of: blockDevice) }
        let access = UncachedFile(file)
        defer { access.end(file) }
        let hashing = ContentReader.hashing(bytes: stamp.size, isOnePart: true)
        defer { hashing.wait() }
        var offset: Int64 = 0
        while offset < stamp.size {
            if reader.isCancelled() { throw .source(.cancelled) }
            let span = ByteSpan(offset: offset, length: min(ContentReader.blockBytes, stamp.size - offset))
            let block = hashing.pool.take()
            guard try access.read(span, of: file, into: block.whole) else {
                try sourcing { () throws(CollectFailure) in try reader.requireUnchanged(file, stamp) }
                throw .source(.unreadable(file.failure("read", code: EIO)))
            }
            hashing.add(block, Int(span.length), at: offset)
            offset = span.end
            reader.progress(offset)
        }
        try sourcing { () throws(CollectFailure) in try reader.requireUnchanged(file, stamp) }
        return SecondReading(digest: hashing.finish().digest, method: access.method)
    }

    private func sourcing(_ body: () throws(CollectFailure) -> Void) throws(SecondReadingFailure) {
        do throws(CollectFailure) { try body() } catch { throw .source(error) }
    }

    /// Tries at most: a file system may read its folders at any moment.
    private static let mostTries = 3

    /// Makes the kernel forget what it keeps of `device`, a block device or an image file.
    private static func emptyCache(of device: RawPath) throws(SecondReadingFailure) {
        do throws(FileAccessError) {
            let opened = try OwnedDescriptor.open(absolute: device, flags: O_RDONLY)
            let all = ByteSpan(offset: 0, length: try opened.endOffset())
            for _ in 0..<mostTries {
                // What is not written yet is not forgotten.
                try opened.synchronize()
                opened.adviseDone()
                if try opened.cachedPages(in: all) == 0 { return }
                // Needs CAP_SYS_ADMIN; the next look tells whether it was of use.
                try? opened.flushBlockDevice()
                if try opened.cachedPages(in: all) == 0 { return }
            }
        } catch {
            throw .cached(
                "what the station keeps in memory of \(device) cannot be emptied (\(error)): let the agent read that "
                    + "device, as group `disk` can")
        }
        throw .cached(
            "what the station keeps in memory of \(device) does not go away: let nothing else read that device, or give "
                + "the agent CAP_SYS_ADMIN")
    }
}

/// One open file that is read past the page cache.
struct UncachedFile: Sendable {
    private static let alignment = 4096

    let method: SecondReading.Method
    /// Whether the kernel vouches for it; else each block is looked for in the page cache before it is read.
    private let isVouchedFor: Bool

    /// From here on `file` is read as this says, until `end`.
    init(_ file: borrowing OwnedDescriptor) {
        let alignment = file.directAlignment()
        let fits = if case .bytes(let bytes) = alignment { bytes <= Self.alignment } else { alignment == .unknown }
        let isDirect = fits && (try? file.setDirect(true)) != nil
        method = isDirect ? .direct : .cacheDropped
        isVouchedFor = isDirect && alignment != .unknown
        // Nothing read ahead: it would have to be dropped again.
        file.adviseRandom()
        file.adviseDone()
    }

    func end(_ file: borrowing OwnedDescriptor) {
        if method == .direct { try? file.setDirect(false) }
    }

    /// Reads `span` into `block`, which is aligned memory of whole pages; not where the file ends before.
    func read(
        _ span: ByteSpan, of file: borrowing OwnedDescriptor, into block: UnsafeMutableRawBufferPointer
    ) throws(SecondReadingFailure) -> Bool {
        if !isVouchedFor { try requireUncached(span, of: file) }
        let wanted = Int(span.length)
        let rounded = (wanted + Self.alignment - 1) / Self.alignment * Self.alignment
        let target = UnsafeMutableRawBufferPointer(rebasing: block[..<min(rounded, block.count)])
        do throws(FileAccessError) {
            return try file.read(into: target, atLeast: wanted, at: span.offset) >= wanted
        } catch {
            throw .source(CollectFailure(source: error))
        }
    }

    private func requireUncached(_ span: ByteSpan, of file: borrowing OwnedDescriptor) throws(SecondReadingFailure) {
        let pages: UInt64
        do throws(FileAccessError) {
            if try file.cachedPages(in: span) == 0 { return }
            file.adviseDone(span)
            pages = try file.cachedPages(in: span)
        } catch {
            throw .cached(
                "\(file.path) cannot be read past the page cache, as the kernel does not say what is in it: \(error)")
        }
        guard pages == 0 else {
            throw .cached(
                "\(file.path) cannot be read past the page cache: \(pages) of its pages stay there; close what uses it")
        }
    }
}
