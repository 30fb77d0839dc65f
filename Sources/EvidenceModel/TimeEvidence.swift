/// One thing that tells when a recording started, as it was found and as it was read. It is kept as it is: a correction
/// by the device's measured clock is made where the start is chosen, never here.
package struct TimeEvidence: Sendable, Hashable {
    package enum Basis: String, Sendable, Hashable, Codable, CaseIterable {
        case embedded, sidecar, gps
        case fileName = "file_name"
        case fileTime = "file_time"
    }

    package var basis: Basis
    /// The digits or the text as they were found; empty where an older catalogue did not keep them.
    package var original: String
    /// How it was read, for a person: `in Asia/Shanghai`, `as UTC, the end, minus 20.02 s`.
    package var readAs: String
    /// The start it gives, by the clock that wrote it.
    package var at: WallTime
    /// Written by the device's own clock, which may be wrong by a measured offset; a satellite's time is not.
    package var isByDeviceClock: Bool

    package init(basis: Basis, original: String, readAs: String, at: WallTime, isByDeviceClock: Bool) {
        self.basis = basis
        self.original = original
        self.readAs = readAs
        self.at = at
        self.isByDeviceClock = isByDeviceClock
    }
}

extension TimeEvidence.Basis {
    /// The same as what a start rests on.
    package var startBasis: StartBasis {
        switch self {
        case .embedded: .embedded
        case .sidecar: .sidecar
        case .gps: .gps
        case .fileName: .fileName
        case .fileTime: .fileTime
        }
    }
}

/// How far a device's clock was from the station's when it was docked.
package struct ClockOffset: Sendable, Hashable {
    package enum Method: String, Sendable, Hashable, Codable, CaseIterable {
        /// The device wrote its time into a file when it was connected.
        case timeFile = "time_file"
        /// The device writes some file when it is connected: the newest one's time.
        case newestFile = "newest_file"
        /// A file's time lies in the future: the clock is ahead by at least so much.
        case newestFileAhead = "newest_file_ahead"
    }

    /// Positive where the device is ahead.
    package var seconds: Double
    package var method: Method

    package init(seconds: Double, method: Method) {
        self.seconds = seconds
        self.method = method
    }
}

/// A recording's place in a take: recordings that a device split from one continuous recording.
package struct Take: Sendable, Hashable {
    /// The id of the take's first recording.
    package var id: RecordingID
    /// 1 is the first.
    package var part: Int
    /// How many recordings the take has; known when read from the catalogue.
    package var parts: Int
    /// Seconds between the end of the part before and this one's start; negative where they overlap, none for the first
    /// and where times are not known.
    package var gapSeconds: Double?

    package init(id: RecordingID, part: Int, parts: Int, gapSeconds: Double? = nil) {
        self.id = id
        self.part = part
        self.parts = parts
        self.gapSeconds = gapSeconds
    }
}

/// What a device's profile tells of a recording beside device, officer and time.
package struct RecordingMarks: Sendable, Hashable {
    /// The profile's name; none where no profile knows the file.
    package var profile: String?
    /// The number the device gave this part of a take.
    package var part: Int?
    /// Text that is equal for parts of one take.
    package var takeKey: String?
    /// Which camera of a device with several.
    package var camera: String?
    /// The officer or the device marked it as important.
    package var isImportant: Bool

    package init(
        profile: String? = nil, part: Int? = nil, takeKey: String? = nil, camera: String? = nil,
        isImportant: Bool = false
    ) {
        self.profile = profile
        self.part = part
        self.takeKey = takeKey
        self.camera = camera
        self.isImportant = isImportant
    }
}
