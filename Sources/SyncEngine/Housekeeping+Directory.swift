import EvidenceModel
import FileAccess
import Glibc

extension DirectoryTarget {
    /// The partial files of one day; the next page is the next day's. Their age is by the time of their last writing,
    /// which a share's server sets: a part that is still written is young.
    package func unfinishedUploads(
        below folder: String, after marker: UnfinishedMarker?
    ) async throws(TargetFailure) -> UnfinishedPage {
        try await blocking("look for partial files below \(folder)") { () throws(FileAccessError) in
            let tree = try DirectoryTree(path: root, device: nil)
            let days = try days(of: tree, below: RawPath(folder))
            let left = marker.map { marker in days.filter { $0.display > marker.key } } ?? days
            guard let day = left.first else { return UnfinishedPage(uploads: [], at: nil) }
            var uploads: [UnfinishedUpload] = []
            for device in try names(tree, day) {
                for recording in try names(tree, day.appending(device)) {
                    uploads += try partials(tree, day.appending(device).appending(recording))
                }
            }
            var now = timespec()
            clock_gettime(CLOCK_REALTIME, &now)
            return UnfinishedPage(
                uploads: uploads, at: WallTime(millisecondsSince1970: Int64(now.tv_sec) * 1000),
                next: left.count > 1 ? UnfinishedMarker(key: day.display, token: "") : nil)
        }
    }

    package func giveUp(_ upload: UnfinishedUpload) async throws(TargetFailure) -> Bool {
        try await blocking("remove the partial file of \(upload.key)") { () throws(FileAccessError) in
            let folder = DurableDirectory(path: root.appending(RawPath(upload.key).parent))
            do throws(FileAccessError) {
                try folder.remove(RawPath(".capture-\(upload.token).part"))
            } catch {
                guard error.meaning == .missing else { throw error }
            }
            return true
        }
    }

    /// Folders of year, month and day, in their order.
    private func days(
        of tree: borrowing DirectoryTree, below folder: RawPath
    ) throws(FileAccessError) -> [RawPath] {
        var folders = [folder]
        for _ in 0..<3 {
            var deeper: [RawPath] = []
            for folder in folders {
                for name in try names(tree, folder) { deeper.append(folder.appending(name)) }
            }
            folders = deeper
        }
        return folders.sorted { $0.display < $1.display }
    }

    /// What lies in a folder; nothing where it is none, or gone.
    private func names(_ tree: borrowing DirectoryTree, _ path: RawPath) throws(FileAccessError) -> [RawPath] {
        do throws(FileAccessError) {
            return try tree.directory(path).names()
        } catch {
            guard error.meaning == .missing || error.code == ENOTDIR else { throw error }
            return []
        }
    }

    private func partials(
        _ tree: borrowing DirectoryTree, _ path: RawPath
    ) throws(FileAccessError) -> [UnfinishedUpload] {
        var found: [UnfinishedUpload] = []
        for name in try names(tree, path) {
            guard let match = name.display.wholeMatch(of: /\.capture-([0-9a-f-]{36})\.part/) else { continue }
            let status = try tree.directory(path).status(of: name)
            guard status.kind == .regular else { continue }
            // The file says which upload it is of, not which object: its own name stands for the key.
            found.append(
                UnfinishedUpload(
                    key: path.appending(name).display, token: String(match.1),
                    startedAt: WallTime(millisecondsSince1970: status.stamp.modifiedNanoseconds / 1_000_000)))
        }
        return found
    }
}
