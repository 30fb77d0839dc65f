import ArgumentParser
import Collector
import EvidenceModel
import FileAccess
import Glibc
import Foundation
import MediaProbe

/// `recordings poster ID`: where the small picture lies; made where it is missing.
struct PosterCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "poster",
        abstract: "A small picture that stands for a recording, for people; made anew where it is missing.")

    @OptionGroup var station: StationOptions
    @OptionGroup var output: OutputOptions
    @Argument(help: "The recording's id, or its beginning.")
    var id: String

    private struct Report: Encodable {
        var recording: RecordingID
        var poster: String
    }

    func run() async throws {
        StationProcess.ignoreBrokenPipesAndLeases()
        let view = try StationView(station.configuration())
        let recording = try await view.recording(named: id)
        let posters = PosterStore(view.configuration)
        if !posters.holds(recording.id) { try await make(recording, view, posters) }
        let place = posters.place(of: recording.id).display
        try output.print(JSONText.encode(Report(recording: recording.id, poster: place)), place)
    }

    private func make(_ recording: Recording, _ view: StationView, _ posters: PosterStore) async throws {
        let prober = try MediaProber(worker: MediaProber.defaultWorkerPath(), logger: logger)
        let file = try open(recording, view)
        let picture: [UInt8]?
        do throws(MediaProbeError) { picture = try await prober.picture(of: file) } catch {
            throw CommandFailure("no poster of \(recording.id) can be made", without: error)
        }
        await prober.stop()
        guard let picture else {
            throw CommandFailure(
                .attention, "\(recording.id) shows nothing that a poster could be made of",
                hint: "see its health: capture-agent recordings show \(recording.id)")
        }
        try posters.save(picture, of: recording.id)
    }

    private func open(_ recording: Recording, _ view: StationView) throws(CommandFailure) -> OwnedDescriptor {
        do throws(FileAccessError) {
            switch recording.place {
            case .spool: return try Spool(path: view.configuration.spoolPath).open(recording.id)
            case .direct(let root, _, let path): return try DirectoryTree(path: root, device: nil).file(path)
            case .targets:
                throw FileAccessError(
                    call: "open", path: view.configuration.spoolPath.appending(RawPath(id)), code: ENOENT)
            }
        } catch {
            throw CommandFailure(
                .inputOutput, "the bytes of \(recording.id) cannot be read on this station: \(error)",
                hint: "dock the device it lies on, or see where its copies are: capture-agent recordings show "
                    + recording.id.text)
        }
    }
}
