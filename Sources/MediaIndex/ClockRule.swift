package import EvidenceModel

/// Measures how far a device's clock is from the station's, from what was found when it was docked.
/// `docs/design/time.md` says why each way is believed.
package struct ClockRule: Sendable {
    /// What the first look at a docked device found.
    package struct Docking: Sendable {
        package var volumeLabel: String?
        package var signs: DeviceSigns
        /// The file that was changed last by the device's clock, and when.
        package var newest: (path: RawPath, modifiedAt: WallTime)?
        /// When the device was there, by the station's clock.
        package var dockedAt: WallTime
        /// When its tree had been looked through.
        package var lookedAt: WallTime
        /// It came while the station watched: what the device writes when it is connected was written just now.
        package var isFresh: Bool

        package init(
            volumeLabel: String?, signs: DeviceSigns, newest: (path: RawPath, modifiedAt: WallTime)?,
            dockedAt: WallTime, lookedAt: WallTime, isFresh: Bool
        ) {
            self.volumeLabel = volumeLabel
            self.signs = signs
            self.newest = newest
            self.dockedAt = dockedAt
            self.lookedAt = lookedAt
            self.isFresh = isFresh
        }
    }

    /// Larger ones, by the time of a file, are a wrong date of one file and no clock.
    private static let largestByFileSeconds = 26 * 3600.0
    /// FAT counts in steps of two seconds.
    private static let leastAheadSeconds = 3.0
    /// What is written after the time file may be as much newer.
    private static let newerThanTimeFileSeconds = 60.0

    private let profiles: DeviceProfiles
    private let station: StationZone

    package init(profiles: DeviceProfiles, station: StationZone) {
        self.profiles = profiles
        self.station = station
    }

    /// Nothing where nothing tells, or where what tells is not to be believed.
    package func offset(_ docking: Docking) -> ClockOffset? {
        (docking.isFresh ? configured(docking) : nil) ?? ahead(docking)
    }

    /// The way of the first profile that has one, is for this device, and finds what it needs.
    private func configured(_ docking: Docking) -> ClockOffset? {
        for profile in profiles.profiles {
            guard profile.admits(volumeLabel: docking.volumeLabel, signs: docking.signs) else { continue }
            switch profile.clocks.measurement {
            case .timeFile(let path, let pattern):
                guard let file = docking.signs.file(path) else { continue }
                return byTimeFile(file, pattern, profile.clocks, docking)
            case .newestFile(let seconds):
                return byNewestFile(seconds, profile.clocks, docking)
            case nil: continue
            }
        }
        return nil
    }

    private func byTimeFile(
        _ file: DeviceSigns.File, _ pattern: NamedPattern, _ clocks: DeviceClocks, _ docking: Docking
    ) -> ClockOffset? {
        guard let text = pattern.groups(["time"], in: file.text)?["time"], let time = DeviceProfiles.time(text) else {
            return nil
        }
        // Left over from an earlier connection, where the device wrote anything else since: both times are of one
        // clock, shown by one mount, so their difference holds whatever is wrong with either.
        if let newest = docking.newest,
            newest.modifiedAt.seconds(since: file.modifiedAt) > Self.newerThanTimeFileSeconds
        {
            return nil
        }
        let shown = clocks.zone(station: station).wallTime(time)
        return ClockOffset(seconds: shown.seconds(since: file.readAt), method: .timeFile)
    }

    private func byNewestFile(_ seconds: Double, _ clocks: DeviceClocks, _ docking: Docking) -> ClockOffset? {
        guard let newest = docking.newest else { return nil }
        let zone = clocks.zone(station: station)
        let shown = clocks.fileTimeZone == .device ? zone.rereading(newest.modifiedAt) : newest.modifiedAt
        let offset = shown.seconds(since: docking.dockedAt)
        return abs(offset) <= seconds ? ClockOffset(seconds: offset, method: .newestFile) : nil
    }

    /// A file from the future: no stale file and no idle device can feign it, only a mount that shows local digits as
    /// UTC. So where the profile does not say what the mount shows, the reading that claims less is taken.
    private func ahead(_ docking: Docking) -> ClockOffset? {
        guard let newest = docking.newest else { return nil }
        let reading = profiles.read(path: newest.path, volumeLabel: docking.volumeLabel, signs: docking.signs)
        let clocks = profiles.clocks(of: reading.profile)
        let asMounted = newest.modifiedAt.seconds(since: docking.lookedAt)
        let reread = clocks.zone(station: station).rereading(newest.modifiedAt).seconds(since: docking.lookedAt)
        let seconds: Double =
            switch clocks.fileTimeZone {
            case .asMounted: asMounted
            case .device: reread
            case nil: min(asMounted, reread)
            }
        guard seconds > Self.leastAheadSeconds, seconds <= Self.largestByFileSeconds else { return nil }
        return ClockOffset(seconds: seconds, method: .newestFileAhead)
    }
}
