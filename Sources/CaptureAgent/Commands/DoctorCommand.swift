import ArgumentParser
import Collector
import EvidenceModel
import FileAccess
import Foundation
import Logging
import MediaProbe
import SyncEngine

struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Look at the station: probe worker and its protections, configuration, clock, disk, sources, targets."
    )

    @OptionGroup var station: StationOptions
    @OptionGroup var output: OutputOptions

    private struct Report: Encodable {
        var checks: [DoctorCheck]
    }

    func run() async throws {
        StationProcess.ignoreBrokenPipesAndLeases()
        var checks = await ProbeCheckup.checks(logger: logger)
        checks.append(StationCheckup.clock(isSynchronised: StationProcess.isClockSynchronised, year: currentYear))
        do throws(CommandFailure) {
            let configuration = try station.configuration()
            checks += StationCheckup.checks(configuration)
            checks += try await StoreCheckup.checks(StationView(configuration))
        } catch {
            checks.append(DoctorCheck("configuration", .finding, error.message, hint: error.hint))
        }
        try output.print(JSONText.encode(Report(checks: checks)), DoctorCheck.page(checks))
        if checks.contains(where: { $0.state == .finding }) {
            throw ExitCode(CommandFailure.Code.attention.rawValue)
        }
    }

    private var currentYear: Int { CalendarTime(Station.now(), offsetSeconds: 0).year }
}

/// One thing that was looked at, and how it stands.
struct DoctorCheck: Encodable, Sendable, Hashable {
    enum State: String, Encodable, Sendable {
        case ok
        /// Worth knowing; nothing is at risk.
        case note
        /// Somebody must do something.
        case finding
    }

    var name: String
    var state: State
    var message: String
    var hint: String?

    init(_ name: String, _ state: State, _ message: String, hint: String? = nil) {
        self.name = name
        self.state = state
        self.message = message
        self.hint = hint
    }

    static func page(_ checks: [DoctorCheck]) -> String {
        var table = TextTable("CHECK", "STATE", "WHAT")
        for check in checks {
            table.add(
                check.name, check.state.rawValue,
                ([check.message] + [check.hint].compactMap(\.self)).joined(separator: " — "))
        }
        return table.text
    }
}

/// The worker that reads recordings, and what this kernel keeps it from.
enum ProbeCheckup {
    static func checks(logger: Logger) async -> [DoctorCheck] {
        do {
            let prober = try MediaProber(worker: MediaProber.defaultWorkerPath(), logger: logger)
            let hello = try await prober.hello()
            await prober.stop()
            return [
                DoctorCheck("probe worker", .ok, "starts; libavformat \(hello.library)"), start(prober.startsApart),
            ] + checks(hello.protections)
        } catch {
            return [
                DoctorCheck(
                    "probe worker", .finding, "\(error)",
                    hint: "without it no recording is described, and none is uploaded")
            ]
        }
    }

    private static func start(_ isApart: Bool) -> DoctorCheck {
        isApart
            ? DoctorCheck("probe: start", .ok, "apart from the files of devices")
            : DoctorCheck(
                "probe: start", .finding,
                "among the files of devices: one that hangs can keep new workers from starting",
                hint: "allow the system call unshare(2) with CLONE_FILES, which this container refuses")
    }

    static func checks(_ protections: ProbeProtections) -> [DoctorCheck] {
        [
            protections.noNewPrivileges
                ? DoctorCheck("probe: privileges", .ok, "it can gain none (no_new_privs)")
                : DoctorCheck(
                    "probe: privileges", .finding, "it could gain some", hint: "use a kernel of 3.5 or newer"),
            protections.systemCallFilter
                ? DoctorCheck("probe: system calls", .ok, "reading, memory and answering only (seccomp)")
                : DoctorCheck(
                    "probe: system calls", .finding, "this kernel filters none (no seccomp)",
                    hint: "use a kernel with CONFIG_SECCOMP_FILTER; a hostile card could do more harm here"),
            landlock(protections.landlockVersion),
        ]
    }

    private static func landlock(_ version: Int) -> DoctorCheck {
        let name = "probe: files"
        switch version {
        case ...0:
            return DoctorCheck(
                name, .note, "this kernel has no Landlock; the system call filter alone keeps files from being opened",
                hint: "Linux 5.13 and newer have it, where \"landlock\" stands in the boot option lsm=")
        case ..<4: return DoctorCheck(name, .ok, "none can be opened (Landlock \(version))")
        case ..<6: return DoctorCheck(name, .ok, "none can be opened, nor TCP ports (Landlock \(version))")
        default:
            return DoctorCheck(
                name, .ok, "none can be opened, nor TCP ports; no signal leaves it (Landlock \(version))")
        }
    }
}

/// What S3 stores were seen to do, by the agent that last worked with them.
enum StoreCheckup {
    static func checks(_ view: StationView) async throws(CommandFailure) -> [DoctorCheck] {
        var checks: [DoctorCheck] = []
        for target in view.configuration.targets {
            guard case .s3(let s3) = target.place else { continue }
            let known = await StationCapabilities(view: view, station: nil).recall(target: target.name)
            checks.append(check(target.name, known?.capabilities, needsLocks: s3.lockMode != nil))
        }
        return checks
    }

    static func check(_ name: String, _ seen: S3Capabilities?, needsLocks: Bool) -> DoctorCheck {
        let title = "target \(name)"
        guard let seen else {
            return DoctorCheck(title, .note, "not tried out yet", hint: "the agent does it with its first request")
        }
        let words = seen.words.joined(separator: " ").replacing("_", with: " ")
        if needsLocks, !seen.keepsLocks {
            return DoctorCheck(
                title, .finding, "object_lock is configured, and no lock was seen (\(words))",
                hint: "the agent looks at its next start; a bucket gets locks when it is made")
        }
        switch seen.level {
        case .l3, .l2: return DoctorCheck(title, .ok, words)
        case .l1:
            return DoctorCheck(
                title, .note, "the store checks no SHA-256 (\(words))",
                hint: "copies are proved by MD5, which costs the station 2 CPU seconds for each GiB")
        case .l0:
            return DoctorCheck(
                title, .note, "the store proves nothing (\(words))",
                hint: "every copy is read back whole: it goes over the line twice")
        }
    }
}

/// What the configuration names, as it is on this machine.
enum StationCheckup {
    /// A disk with less room than this cannot take one card's recordings, bytes.
    private static let leastFreeBytes: Int64 = 4 << 30

    static func clock(isSynchronised: Bool?, year: Int) -> DoctorCheck {
        if year < 2024 {
            return DoctorCheck(
                "clock", .finding, "the station's clock shows the year \(year)",
                hint: "set it: times of recordings are judged by it")
        }
        switch isSynchronised {
        case true?: return DoctorCheck("clock", .ok, "the kernel calls it synchronised")
        case false?:
            return DoctorCheck(
                "clock", .note, "nothing keeps it right (the kernel calls it unsynchronised)",
                hint: "run chrony or systemd-timesyncd: clock offsets of devices are measured against it")
        case nil: return DoctorCheck("clock", .note, "the kernel does not tell whether it is synchronised")
        }
    }

    static func checks(_ configuration: AgentConfiguration) -> [DoctorCheck] {
        var checks = [files(configuration), disk(configuration)] + interruptedCopies(configuration)
        for source in configuration.sources {
            let path: RawPath =
                switch source.place {
                case .mountsUnder(let path): path
                case .directory(let path): path
                }
            checks.append(folder("source \(source.name)", path, "make it, or correct the configuration"))
        }
        for target in configuration.targets {
            guard case .directory(let path) = target.place else { continue }
            checks.append(folder("target \(target.name)", path, "mount the share: nothing is written in its place"))
        }
        return checks
    }

    private static func files(_ configuration: AgentConfiguration) -> DoctorCheck {
        do throws(CommandFailure) {
            _ = try StationFiles.deviceProfiles(configuration)
            _ = try StationFiles.deviceRegister(configuration)
            _ = try StationFiles.itemList(configuration)
            let notes = configuration.notes.joined(separator: "; ")
            return DoctorCheck("configuration", notes.isEmpty ? .ok : .note, notes.isEmpty ? "is good" : notes)
        } catch {
            return DoctorCheck("configuration", .finding, error.message, hint: error.hint)
        }
    }

    /// Parts of files whose cards were pulled out and have not come back: nobody else may have them.
    private static func interruptedCopies(_ configuration: AgentConfiguration) -> [DoctorCheck] {
        let copies = (try? Spool(path: configuration.spoolPath).interruptedCopies()) ?? []
        guard let first = copies.first else { return [] }
        let bytes = copies.reduce(0) { $0 + $1.bytes }
        return [
            DoctorCheck(
                "interrupted copies", .note,
                "\(copies.count) in \(configuration.spoolPath.display), \(Text.bytes(bytes)); the first is "
                    + first.origin.file.path.display,
                hint: "dock their cards again: copying goes on where it was cut")
        ]
    }

    private static func disk(_ configuration: AgentConfiguration) -> DoctorCheck {
        let directory = DurableDirectory(path: configuration.stateDirectory)
        do throws(FileAccessError) {
            let free = try directory.freeBytes()
            let text = "\(Text.bytes(free)) free at \(configuration.stateDirectory.display)"
            return free < leastFreeBytes
                ? DoctorCheck("disk", .finding, text, hint: "make room: a full spool keeps cards from being collected")
                : DoctorCheck("disk", .ok, text)
        } catch  where error.meaning == .missing {
            return DoctorCheck(
                "disk", .note, "\(configuration.stateDirectory.display) is not there yet",
                hint: "the agent makes it at its first start")
        } catch {
            return DoctorCheck("disk", .finding, "\(error)", hint: "run as the user who owns the state directory")
        }
    }

    private static func folder(_ name: String, _ path: RawPath, _ hint: String) -> DoctorCheck {
        do throws(FileAccessError) {
            _ = try DirectoryTree(path: path, device: nil)
            return DoctorCheck(name, .ok, path.display)
        } catch {
            return DoctorCheck(name, .finding, "\(error)", hint: hint)
        }
    }
}
