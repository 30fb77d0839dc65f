package import EvidenceModel

/// How one make of device is read: names, marks, and what its clocks mean.
package struct DeviceProfile: Sendable {
    /// What a pattern's named groups may tell.
    package enum Field: String, Sendable, Hashable, CaseIterable {
        /// The device's serial.
        case device
        case officer
        /// 14 digits or more, year to second, with or without separators.
        case time
        /// A number: which part of a take this is.
        case part
        /// Text that is equal for parts of one take.
        case take
        /// Which camera of a device with several.
        case camera
        /// There and not empty: marked as important.
        case important
    }

    /// What a pattern reads.
    package enum Subject: Sendable, Hashable, CustomStringConvertible {
        case fileName
        /// Of the folders below the root, with slashes between them.
        case folder
        /// Below the root.
        case path
        case volumeLabel
        /// The content of a small file on the device, by its path below the root.
        case markerFile(String)

        package var description: String {
            switch self {
            case .fileName: "file_name"
            case .folder: "folder"
            case .path: "path"
            case .volumeLabel: "volume_label"
            case .markerFile(let path): "marker_file \(path)"
            }
        }
    }

    package struct Pattern: Sendable {
        package var name: String
        package var subject: Subject
        package var expression: NamedPattern
    }

    package var name: String
    /// Only devices whose volume label matches; every device where there is none.
    package var volumeLabel: NamedPattern?
    /// Only devices that have this file, by its path below the root.
    package var markerFile: String?
    /// Only devices that are, or are in, such a USB device.
    package var usb: USBCondition?
    /// Run when such a device is plugged in: when it appears on USB where `usb` is given, else when it is docked.
    package var attachHook: AttachHook?
    /// Tried in order; the first one that gives a field is where the field comes from.
    package var patterns: [Pattern]
    package var clocks = DeviceClocks()

    var isForSomeDevices: Bool { volumeLabel != nil || markerFile != nil || usb != nil }

    /// Whether the profile is for a device that shows these signs, whatever its files are called.
    func admits(volumeLabel label: String?, signs: DeviceSigns) -> Bool {
        if let volumeLabel, !(label.map(volumeLabel.matches) ?? false) { return false }
        if let markerFile, signs.file(markerFile) == nil { return false }
        if let usb, !usb.admits(signs.usb) { return false }
        return true
    }

    /// The files on the device that the profile asks for, as it names them.
    var deviceFiles: [String] {
        var files = patterns.compactMap { pattern in
            if case .markerFile(let path) = pattern.subject { path } else { nil }
        }
        if let markerFile { files.append(markerFile) }
        if case .timeFile(let path, _) = clocks.measurement { files.append(path) }
        return files
    }
}

/// What the times mean that a make of device writes.
package struct DeviceClocks: Sendable {
    /// Which zone the device's clock is set to.
    package enum Zone: Sendable, Hashable {
        case station
        case fixed(StationZone)
    }

    /// What the container's creation time means.
    package enum EmbeddedZone: String, Sendable, CaseIterable {
        /// UTC, as the specification of MP4 says.
        case utc
        /// Local digits, written as if they were UTC.
        case device
    }

    package enum EmbeddedMarks: String, Sendable, CaseIterable { case start, end }

    /// What the file system's times mean as they were mounted.
    package enum FileTimeZone: String, Sendable, CaseIterable {
        case asMounted = "as_mounted"
        /// Local digits of FAT that the mount showed as if they were UTC (`tz=UTC`).
        case device
    }

    /// How the device's clock is held against the station's.
    package enum Measurement: Sendable {
        /// The device writes its time into this file when it is connected.
        case timeFile(path: String, pattern: NamedPattern)
        /// The device writes some file when it is connected; its time may be this many seconds off.
        case newestFile(seconds: Double)
    }

    /// What is believed first stands first; what is not in it is not believed at all.
    package var order: [TimeEvidence.Basis] = [.fileName, .embedded, .sidecar, .gps, .fileTime]
    package var zone = Zone.station
    package var embeddedZone = EmbeddedZone.utc
    package var embeddedMarks = EmbeddedMarks.start
    /// None where the profile does not say: then as mounted, and nothing is concluded from it about the clock.
    package var fileTimeZone: FileTimeZone?
    package var measurement: Measurement?

    package init() {}

    package func zone(station: StationZone) -> StationZone {
        switch zone {
        case .station: station
        case .fixed(let zone): zone
        }
    }
}
