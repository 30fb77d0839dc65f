import ContentHash
package import EvidenceModel
import FileAccess
import Glibc

/// A directory: a disk, a NAS share, whatever is mounted there. Objects are files under their keys.
///
/// A recording is written under a temporary name beside its final one, `.capture-<upload>.part`, made durable, and
/// renamed; it is never replaced. It is verified by reading it back.
package struct DirectoryTarget: StorageTarget {
    package let name: String
    package let wholeLimit: Int64

    let root: RawPath
    private let lane: IOLane

    /// - Parameters:
    ///   - root: must be there; it is not made, since a share that is not mounted would be made up on the wrong disk.
    ///   - wholeLimit: bytes up to which an object is written in one go.
    package init(name: String, root: RawPath, wholeLimit: Int64 = 16 << 20) {
        self.wholeLimit = wholeLimit
        self.name = name
        self.root = root
        lane = IOLane(label: "target \(name)")
    }

    package func putWhole(_ plan: UploadPlan, bytes: PartBytes) async throws(TargetFailure) -> String {
        try await blocking("write \(plan.key)") { () throws(FileAccessError) in
            let folder = try makeFolder(plan)
            let file = try folder.openOrCreate(partialName(plan.upload), mode: 0o640)
            try bytes.withUnsafeBytes { (bytes) throws(FileAccessError) in try file.write(bytes, at: 0) }
            try file.synchronize()
            try place(partialName(plan.upload), plan, in: folder)
            return plan.content.digest.hex
        }
    }

    package func createUpload(_ plan: UploadPlan) async throws(TargetFailure) -> String {
        try await blocking("create \(plan.key)") { () throws(FileAccessError) in
            let folder = try makeFolder(plan)
            _ = try folder.openOrCreate(partialName(plan.upload), mode: 0o640)
            try folder.synchronize()
            return plan.upload
        }
    }

    package func findUploads(_ plan: UploadPlan) async throws(TargetFailure) -> [String] {
        let found: Bool = try await blocking("look for \(plan.key)") { () throws(FileAccessError) in
            try requireRoot()
            return folder(plan).appending(partialName(plan.upload)).withCString { access($0, F_OK) == 0 }
        }
        return found ? [plan.upload] : []
    }

    /// What is in the partial file, hashed part by part: after a power cut its word is worth more than the journal's.
    package func listParts(_ plan: UploadPlan, token: String) async throws(TargetFailure) -> [ListedPart] {
        try await blocking("read the parts of \(plan.key)") { () throws(FileAccessError) in
            try requireRoot()
            let file = try OwnedDescriptor.open(
                absolute: folder(plan).appending(partialName(token)), flags: O_RDONLY | O_NOFOLLOW)
            let layout = plan.content.layout
            let size = try file.status().stamp.size
            var parts: [ListedPart] = []
            for number in 1...max(1, layout.count) where layout.count > 0 {
                let span = layout.span(ofPart: number)
                if span.end > size || Task.isCancelled { break }
                let digest = try hash(file, span)
                // A hole, or a part that is half there, is not a part.
                guard digest == plan.content.partDigests[number - 1] else { continue }
                parts.append(ListedPart(number: number, size: span.length, tag: digest.hex))
            }
            return parts
        }
    }

    package func putPart(
        _ plan: UploadPlan, token: String, number: Int, bytes: PartBytes
    ) async throws(TargetFailure) -> String {
        let span = plan.content.layout.span(ofPart: number)
        return try await blocking("write part \(number) of \(plan.key)") { () throws(FileAccessError) in
            try requireRoot()
            let file = try OwnedDescriptor.open(
                absolute: folder(plan).appending(partialName(token)), flags: O_RDWR | O_NOFOLLOW)
            try bytes.withUnsafeBytes { (bytes) throws(FileAccessError) in try file.write(bytes, at: span.offset) }
            try file.synchronizeData()
            return plan.content.partDigests[number - 1].hex
        }
    }

    package func complete(_ plan: UploadPlan, token: String, tags: [String]) async throws(TargetFailure) -> String {
        try await blocking("complete \(plan.key)") { () throws(FileAccessError) in
            try requireRoot()
            let folder = DurableDirectory(path: folder(plan))
            let file = try OwnedDescriptor.open(
                absolute: folder.path.appending(partialName(token)), flags: O_RDWR | O_NOFOLLOW)
            try file.synchronize()
            try place(partialName(token), plan, in: folder)
            return plan.content.digest.hex
        }
    }

    package func abort(_ plan: UploadPlan, token: String) async throws(TargetFailure) {
        try await blocking("remove the partial file of \(plan.key)") { () throws(FileAccessError) in
            try requireRoot()
            do throws(FileAccessError) {
                try DurableDirectory(path: folder(plan)).remove(partialName(token))
            } catch {
                // Without the folder there is no partial file in it.
                guard error.meaning == .missing else { throw error }
            }
        }
    }

    /// Reads the whole object back, past the page cache as far as the kernel lets it be emptied.
    package func inspect(_ plan: UploadPlan) async throws(TargetFailure) -> StoredObject? {
        try await blocking("read back \(plan.key)") { () throws(FileAccessError) in
            try requireRoot()
            let file: OwnedDescriptor
            do throws(FileAccessError) {
                file = try openObject(plan)
            } catch {
                guard error.meaning == .missing else { throw error }
                return nil
            }
            // What made it may have been cut off before its name was durable.
            try file.synchronize()
            try synchronizeFolders(plan)
            let size = try file.status().stamp.size
            file.adviseDone(ByteSpan(offset: 0, length: size))
            let digest = try hashPastCache(file, size)
            return StoredObject(size: size, tag: digest.hex)
        }
    }

    package func read(_ plan: UploadPlan, span: ByteSpan) async throws(TargetFailure) -> [UInt8] {
        try await blocking("read \(plan.key)") { () throws(FileAccessError) in
            let file = try openObject(plan)
            return try file.readBytes(span)
        }
    }

    package func partTag(_ bytes: PartBytes) -> String { bytes.withUnsafeBytes { ContentDigest.sha256(of: $0).hex } }

    package func verdict(_ plan: UploadPlan, object: StoredObject, tag: String?) -> CopyVerdict {
        if object.tag == plan.content.digest.hex { return .matches(method: "read_back") }
        return .differs([
            "SHA-256 of \(plan.key), read back, is \(object.tag) over \(object.size) bytes, not "
                + "\(plan.content.digest.hex) over \(plan.content.size)"
        ])
    }

    // MARK: Files

    private func folder(_ plan: UploadPlan) -> RawPath { root.appending(RawPath(plan.key).parent) }
    private func objectName(_ plan: UploadPlan) -> RawPath { RawPath(plan.key).lastComponent }
    private func partialName(_ token: String) -> RawPath { RawPath(".capture-\(token).part") }

    private func requireRoot() throws(FileAccessError) {
        _ = try OwnedDescriptor.open(absolute: root, flags: O_RDONLY | O_DIRECTORY)
    }

    private func makeFolder(_ plan: UploadPlan) throws(FileAccessError) -> DurableDirectory {
        try requireRoot()
        let folder = DurableDirectory(path: folder(plan))
        try folder.create(below: root, mode: 0o750)
        return folder
    }

    /// Gives the partial file its final name, or removes it where that is taken: the object may be there from a try whose
    /// end was not seen, or that the journal has forgotten. Reading it back tells.
    private func place(
        _ partial: RawPath, _ plan: UploadPlan, in folder: DurableDirectory
    ) throws(FileAccessError) {
        do throws(FileAccessError) {
            try folder.rename(partial, to: objectName(plan))
        } catch {
            guard error.code == EEXIST else { throw error }
            try folder.remove(partial)
        }
    }

    /// The object's folder and every one above it, up to the root.
    private func synchronizeFolders(_ plan: UploadPlan) throws(FileAccessError) {
        var folder = folder(plan)
        while folder.isAtOrBelow(root) {
            try DurableDirectory(path: folder).synchronize()
            if folder.components.count == root.components.count { break }
            folder = folder.parent
        }
    }

    private func openObject(_ plan: UploadPlan) throws(FileAccessError) -> OwnedDescriptor {
        try OwnedDescriptor.open(absolute: folder(plan).appending(objectName(plan)), flags: O_RDONLY | O_NOFOLLOW)
    }

    private func hash(_ file: borrowing OwnedDescriptor, _ span: ByteSpan) throws(FileAccessError) -> ContentDigest {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
        defer { buffer.deallocate() }
        let hasher = SHA256Hasher()
        var offset = span.offset
        while offset < span.end, !Task.isCancelled {
            let wanted = Int(min(Int64(buffer.count), span.end - offset))
            // With O_DIRECT a piece that is no whole number of pages is an error.
            let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(buffer.count, (wanted + 4095) & ~4095)])
            let count = min(wanted, try file.read(into: piece, atLeast: wanted, at: offset))
            if count == 0 { break }
            hasher.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            offset += Int64(count)
        }
        return hasher.finalize()
    }

    /// What the medium has, or the server of a share: O_DIRECT, where the file system has such reading. Elsewhere what the
    /// kernel kept was given up just before.
    private func hashPastCache(_ file: borrowing OwnedDescriptor, _ size: Int64) throws(FileAccessError)
        -> ContentDigest
    {
        do throws(FileAccessError) {
            try file.setDirect(true)
            return try hash(file, ByteSpan(offset: 0, length: size))
        } catch {
            guard error.code == EINVAL else { throw error }
            try file.setDirect(false)
            return try hash(file, ByteSpan(offset: 0, length: size))
        }
    }

    func blocking<Result: Sendable>(
        _ tried: String, _ work: @Sendable () throws(FileAccessError) -> Result
    ) async throws(TargetFailure) -> Result {
        let result: Result
        do throws(FileAccessError) {
            result = try await lane.run(work)
        } catch {
            throw failure(error, tried)
        }
        if Task.isCancelled { throw TargetFailure(kind: .cancelled, sentence: "\(tried) was cancelled") }
        return result
    }

    private func mediumKind(_ code: Int32) -> TargetFailure.Kind {
        switch code {
        case EEXIST: .uploadUnknown
        // The file system cannot hold such a file, now or ever (FAT: 4 GiB; names).
        case EFBIG, ENAMETOOLONG, EINVAL: .rejected
        default: .serverFault
        }
    }

    private func failure(_ error: FileAccessError, _ tried: String) -> TargetFailure {
        let kind: TargetFailure.Kind =
            switch error.meaning {
            case .full: .full
            case .gone: .unreachable
            case .forbidden: .denied
            case .missing where error.path == root: .misconfigured
            // The partial file is not there, or its place is taken.
            case .missing: .uploadUnknown
            case .medium: mediumKind(error.code)
            }
        return TargetFailure(kind: kind, sentence: "\(tried) in \(root.display): \(error)")
    }
}
