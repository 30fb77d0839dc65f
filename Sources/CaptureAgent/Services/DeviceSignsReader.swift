import EvidenceModel
import FileAccess
import MediaIndex

/// Reads the small files on a device that the profiles ask for. Blocks: it is run on the device's lane.
enum DeviceSignsReader {
    /// What was found, and what is there and could not be read.
    struct Result: Sendable {
        var signs = DeviceSigns()
        var failures: [FileAccessError] = []
    }

    /// - Parameter files: paths below the root; case does not count, links are not followed.
    static func read(_ files: [String], on root: WatchedRoot) -> Result {
        var result = Result()
        result.signs.usb = root.usb
        for file in files.prefix(DeviceSigns.files) {
            do throws(FileAccessError) {
                guard let found = try read(file, in: DirectoryTree(root)) else { continue }
                result.signs.note(found, at: file)
            } catch {
                if error.meaning != .missing { result.failures.append(error) }
            }
        }
        return result
    }

    private static func read(
        _ file: String, in tree: borrowing DirectoryTree
    ) throws(FileAccessError) -> DeviceSigns.File? {
        guard let path = try find(RawPath(file), in: tree) else { return nil }
        let opened = try tree.file(path)
        let bytes = try opened.readBytes(ByteSpan(offset: 0, length: DeviceSigns.fileBytes))
        let modified = try opened.status().stamp.modifiedAt
        return DeviceSigns.File(bytes: bytes, modifiedAt: modified, readAt: Station.now())
    }

    /// The path as the device spells it: FAT keeps names in any case.
    private static func find(
        _ wanted: RawPath, in tree: borrowing DirectoryTree
    ) throws(FileAccessError) -> RawPath? {
        var path = RawPath("")
        for name in wanted.components {
            let names = try tree.directory(path).names()
            let folded = name.display.lowercased()
            let spelled = names.contains(name) ? name : names.filter { $0.display.lowercased() == folded }.min()
            guard let spelled else { return nil }
            path = path.appending(spelled)
        }
        return path
    }
}
