import EvidenceModel
import FileAccess
import Glibc

/// Small pictures that stand for recordings: `<state_directory>/posters/<id>.jpg`. For people to find a recording by,
/// never evidence: any of them may be deleted, and is made anew when it is asked for.
struct PosterStore: Sendable {
    private let directory: DurableDirectory
    private let stateDirectory: RawPath

    init(_ configuration: AgentConfiguration) {
        stateDirectory = configuration.stateDirectory
        directory = DurableDirectory(path: stateDirectory.appending("posters"))
    }

    /// Whether there is something to show.
    static func isWanted(_ facts: MediaFacts) -> Bool {
        switch facts.kind {
        case .video, .audio, .photo: facts.health != .encrypted && facts.health != .unreadable
        case .sidecar, .unknown: false
        }
    }

    func place(of id: RecordingID) -> RawPath { directory.path.appending("\(id).jpg") }

    func holds(_ id: RecordingID) -> Bool { place(of: id).withCString { access($0, F_OK) } == 0 }

    /// Writes the picture under a name of its own first, so that nobody ever sees half of one; not waiting for the disk,
    /// for it can be made again.
    func save(_ picture: [UInt8], of id: RecordingID) throws(FileAccessError) {
        try directory.create(below: stateDirectory)
        let draft = directory.path.appending("\(id).\(getpid()).draft")
        let file = try OwnedDescriptor.open(absolute: draft, flags: O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600)
        do throws(FileAccessError) { try file.write(picture, at: 0) } catch {
            draft.withCString { _ = unlink($0) }
            throw error
        }
        let target = place(of: id)
        guard draft.withCString({ from in target.withCString { rename(from, $0) } }) == 0 else {
            throw FileAccessError(call: "rename", path: target, code: errno)
        }
    }
}
