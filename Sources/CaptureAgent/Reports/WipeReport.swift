import EvidenceModel
import GRDB
import MediaIndex

/// What the records say of the files on docked devices: which could be removed.
struct WipeReport: Encodable {
    struct File: Encodable {
        var path: String
        var recording: RecordingID
        /// Why it stays; none where it could go.
        var stays: String?
    }

    struct Row: Encodable {
        var source: String
        var bay: String?
        var device: String?
        /// The source's setting: with `never` nothing is removed whatever stands here.
        var wipe: String
        var removable: Int
        var files: [File]
    }

    var docks: [Row]

    private static let batch = 500

    static func make(_ view: StationView) async throws -> WipeReport {
        guard let database = view.database else { return WipeReport(docks: []) }
        return try await database.read { database in
            let docked = try view.docks.docks(endedAfter: Station.now(), in: database)
                .filter { $0.undockedAt == nil && $0.bay != nil }
            return WipeReport(docks: try docked.map { try row($0, view, in: database) })
        }
    }

    private static func row(_ dock: Dock, _ view: StationView, in database: Database) throws -> Row {
        let rule = WipeRule(targets: view.configuration.targetNames)
        var files: [File] = []
        var paths: [RawPath] = []
        repeat {
            paths = try view.docks.filesLeft(
                after: paths.last ?? RawPath(""), docking: dock.id, limit: batch, in: database)
            for path in paths {
                let candidate = try view.wipeCandidate(
                    path, source: dock.source, fileSystem: dock.fileSystem, docking: dock.id, in: database)
                guard let candidate else { continue }
                var file = File(path: path.display, recording: candidate.recording)
                if case .stays(let reason) = rule.verdict(candidate.facts) { file.stays = reason }
                files.append(file)
            }
        } while !paths.isEmpty
        return Row(
            source: dock.source, bay: dock.bay, device: dock.device,
            wipe: (view.configuration.source(dock.source)?.wipe ?? .never).rawValue,
            removable: files.count { $0.stays == nil }, files: files)
    }

    /// For people: how many could go, and why the others stay.
    var text: String {
        if docks.isEmpty { return "no device is docked" }
        return docks.map { row in
            let place = [row.bay ?? row.source, row.device].compactMap(\.self).joined(separator: ", ")
            let reasons = Dictionary(grouping: row.files.compactMap(\.stays)) { $0 }.mapValues(\.count)
                .sorted { ($1.value, $0.key) < ($0.value, $1.key) }
            var lines = [
                "\(Text.printable(place)): \(row.removable) of \(row.files.count) files could be removed (wipe: \(row.wipe))"
            ]
            lines += reasons.map { "  \($0.value) stay because \($0.key)" }
            return lines.joined(separator: "\n")
        }.joined(separator: "\n")
    }
}
