import EvidenceModel
import Foundation
import ServiceLifecycle

/// Shows on a terminal how far the station is, in durable bytes.
struct ProgressService: Service {
    let view: StationView

    private static let lookSeconds = 0.5

    func run() async throws {
        await cancelWhenGracefulShutdown {
            let agent = String(getpid())
            while (try? await Task.sleep(for: .seconds(Self.lookSeconds))) != nil {
                guard let report = try? await StatusReport.make(view, agent: agent, isWatched: true, at: Station.now())
                else { continue }
                Terminal.standard.show(progress: report.progressLine)
            }
        }
        Terminal.standard.show(progress: "")
    }
}
