import EvidenceModel
import MediaIndex
import SyncEngine

/// What the administrator decided, resolved and checked: the file `capture-agent.yaml`.
struct AgentConfiguration: Sendable {
    struct Station: Sendable {
        /// `[a-z0-9-]{1,63}`, part of every object key.
        var id: String
        var name: String
        /// IANA name.
        var timeZone: String
        var zone: StationZone
    }

    struct Source: Sendable {
        enum Place: Sendable {
            /// Every file system mounted below is a docked device.
            case mountsUnder(RawPath)
            case directory(RawPath)
        }

        enum Collect: String, Sendable, CaseIterable {
            /// Copied to the station, then uploaded.
            case spool
            /// Uploaded from where it lies.
            case direct
        }

        enum Wipe: String, Sendable, CaseIterable {
            case never
            /// What is proved to be at every target is removed from its device.
            case afterReceipt = "after_receipt"
        }

        var name: String
        var place: Place
        var collect: Collect
        var settleSeconds: Double
        /// Between two looks at a tree that nothing hints about; none for what suits its file system.
        var rescanSeconds: Double?
        var wipe: Wipe
        /// Makes a device writable that is mounted read-only; run when there may be something to remove.
        var beforeWipe: AttachHook?
        /// Takes that back.
        var afterWipe: AttachHook?
    }

    struct Target: Sendable {
        enum Place: Sendable {
            case s3(S3)
            case directory(RawPath)
            case tus(Tus)
        }

        struct Tus: Sendable {
            /// At which uploads are created; http(s), absolute.
            var url: String
            /// Holds a bearer token; none for a server that wants none.
            var tokenFile: RawPath?
            var caFile: String?
        }

        struct S3: Sendable {
            var endpoint: String
            var region: String
            var bucket: String
            /// Empty, or ending in `/`.
            var prefix: String
            var isPathStyle: Bool
            var credentialsFile: RawPath?
            var caFile: String?
            /// Keeps objects from being deleted for `retentionDays`; none where nothing does.
            var lockMode: S3Lock.Mode?
            /// Keys come from the machine's own metadata service.
            var hasInstanceCredentials = false
        }

        var name: String
        var place: Place
        /// At most; how many it is, the target's answers decide.
        var requestsAtOnce: Int
        /// Limits of this target alone.
        var bandwidth: BandwidthTimetable
    }

    struct Upload: Sendable {
        /// Hours after collection at which a recording that is not verified is overdue.
        var deadlineHours = 24.0
        /// Limits of all targets together.
        var bandwidth = BandwidthTimetable([])
        /// What no limit holds up.
        var ignoringLimits: Set<UploadClass> = []
        var profile = Profile.quick

        /// What uploads may take of the machine.
        enum Profile: String, Sendable, CaseIterable {
            case quick
            /// For small machines, and slow links.
            case lean

            /// Of recordings in memory at once, over all targets: four parts of 8 MiB, or two.
            var memoryBytes: Int {
                switch self {
                case .quick: 32 << 20
                case .lean: 16 << 20
                }
            }
        }
    }

    /// The file it was read from, as it was named.
    var file: String
    var station: Station
    var stateDirectory: RawPath
    /// Bytes that stay free on the spool's disk.
    var keepFreeBytes: Int64
    var sources: [Source]
    var devicesFile: RawPath?
    var itemListFile: RawPath?
    var targets: [Target]
    /// Days that a recording is kept where its item says nothing.
    var retentionDays: Int
    /// Sentences about what is configured and not done by this version.
    var notes: [String]
    var upload: Upload
    /// When targets are asked about verified copies again.
    var verify = CheckPace(periodSeconds: 30 * 86_400, samplePercent: 1)

    var deadlineHours: Double { upload.deadlineHours }
    var spoolPath: RawPath { stateDirectory.appending("spool") }
    var databasePath: RawPath { stateDirectory.appending("station.sqlite") }
    var controlSocketPath: RawPath { stateDirectory.appending("control.sock") }
    var targetNames: [String] { targets.map(\.name) }

    func source(_ name: String) -> Source? { sources.first { $0.name == name } }
}
