import DockWatch
import EvidenceModel
import FileAccess
import Logging
import MediaIndex
import Synchronization

/// The clock of a docked device.
extension RootCollector {
    /// Reads the small files that say whose device it is and what time it has; a device without them is collected all
    /// the same.
    func readSigns(_ reader: Reader) async -> DeviceSigns {
        let (files, root) = (station.profiles.deviceFiles, root)
        let progress = reader.progress
        let result = await reader.lane.run { progress.asked { DeviceSignsReader.read(files, on: root) } }
        for failure in result.failures {
            station.logger.warning(
                "a marker file cannot be read", metadata: ["source": "\(root.source)", "reason": "\(failure)"])
        }
        return result.signs
    }

    /// Holds the device's clock against the station's, once for each docking, when the newest file is known.
    func measureClock(_ summary: ScanSummary, _ signs: DeviceSigns, _ state: inout RootState) async {
        guard root.kind == .mount, state.takesFirstLook() else { return }
        let newest = summary.newest.map { (path: $0.path, modifiedAt: $0.stamp.modifiedAt) }
        let isNews = station.dockings.isNews(root.fileSystem, signs, newest?.modifiedAt)
        let docking = ClockRule.Docking(
            volumeLabel: root.label, signs: signs, newest: newest, dockedAt: state.dockedAt, lookedAt: Station.now(),
            isFresh: cameWhileWatched && isNews)
        let rule = ClockRule(profiles: station.profiles, station: station.configuration.station.zone)
        guard let offset = rule.offset(docking) else { return }
        state.clockOffset = offset
        let (station, dock) = (station, state.dock(reading: 0))
        await write { database in
            try station.docks.save(dock, in: database)
            try station.correct(offset, broughtBy: dock.id, in: database)
        }
        station.logger.info(
            "a device's clock was measured",
            metadata: [
                "source": "\(root.source)", "offset_seconds": "\(offset.seconds)",
                "method": "\(offset.method.rawValue)",
            ])
    }
}

/// What was found on each device when it was docked last: a device that is mounted again without having been away wrote
/// nothing, and what is left from before tells an old time.
final class DockingMemory: Sendable {
    private struct Found: Equatable {
        var signs: DeviceSigns.Written
        var newest: WallTime?
    }

    private let last = Mutex<[String: Found]>([:])

    /// Whether anything differs from what was found when this was asked last.
    func isNews(_ fileSystem: String, _ signs: DeviceSigns, _ newest: WallTime?) -> Bool {
        let found = Found(signs: signs.written, newest: newest)
        return last.withLock { last in last.updateValue(found, forKey: fileSystem) != found }
    }
}
