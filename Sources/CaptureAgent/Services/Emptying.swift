import Collector
import CustodyLedger
import EvidenceModel
import FileAccess
import Logging
import MediaIndex
import SyncEngine

/// Removes from one docked device what is proved to be at the targets, file by file (I5): the records' word
/// (`WipeRule`), every target's word, a second reading of the device past the page cache, the records' word again with
/// the intent in one durable transaction, and only then the name.
struct Emptying: Sendable {
    enum Ending: Sendable, Hashable {
        /// All that may go is gone; why what stays does, with how many files, and how many of them for a reason that may
        /// pass by itself.
        case done(stays: [String: Int], passing: Int = 0)
        /// The device cannot be written.
        case readOnly
        /// The device does not give the bytes that were collected: it is not touched any more.
        case differs(RawPath)
        /// Something kept it from going on; a sentence.
        case hindered(String)
    }

    let root: WatchedRoot
    let docking: Int64
    let station: Station
    let lane: IOLane
    let progress: ReadProgress
    /// What is asked, for each file, whether it has it still.
    let targets: [any StorageTarget]
    /// Called before each file: whoever made the device writable for a while does so again.
    let keepWritable: @Sendable () async -> Void
    /// Told after each file that is gone.
    let removed: @Sendable () -> Void

    private static let batch = 256

    func run() async -> Ending {
        do {
            try await settleOpenRemovals()
            guard try await isWritable() else { return .readOnly }
            return try await removeAll()
        } catch let ending as Stop {
            return ending.ending
        } catch {
            return .hindered("\(error)")
        }
    }

    private struct Stop: Error {
        var ending: Ending
    }

    /// Why a file stays.
    private struct Stay: Sendable {
        var reason: String
        var mayPass = false
    }

    private var view: StationView { StationView(station) }

    /// Whether the device is mounted so that files could be removed, as far as it answers.
    func canWrite() async -> Bool { (try? await isWritable()) ?? false }

    private func isWritable() async throws -> Bool {
        let root = root
        return try await lane.run { () throws(FileAccessError) in
            try !DirectoryTree(root).directory(RawPath("")).isOnReadOnlyMount()
        }
    }

    private func removeAll() async throws -> Ending {
        var stays: [String: Int] = [:]
        var passing = 0
        var after = RawPath("")
        while true {
            let (docks, docking, last) = (station.docks, docking, after)
            let paths = try await station.database.read {
                try docks.filesLeft(after: last, docking: docking, limit: Self.batch, in: $0)
            }
            guard let end = paths.last else { return .done(stays: stays, passing: passing) }
            for path in paths {
                if Task.isCancelled { throw Stop(ending: .hindered("the agent stops, or the device went")) }
                await keepWritable()
                guard let stay = try await remove(path) else { continue }
                stays[stay.reason, default: 0] += 1
                if stay.mayPass { passing += 1 }
            }
            after = end
        }
    }

    /// Why the file stays, or nothing where it is gone.
    private func remove(_ path: RawPath) async throws -> Stay? {
        let (view, root, docking) = (view, root, docking)
        let candidate = try await station.database.read {
            try view.wipeCandidate(path, source: root.source, fileSystem: root.fileSystem, docking: docking, in: $0)
        }
        guard let candidate else { return nil }
        if case .stays(let reason) = rule.verdict(candidate.facts) { return Stay(reason: reason) }
        if let stay = try await missing(candidate.recording) { return stay }
        let proof: Proof
        switch try await prove(candidate) {
        case .proved(let found): proof = found
        case .stays(let reason): return Stay(reason: reason)
        }
        let removal = DockLog.Removal(
            docking: docking, path: path, recording: candidate.recording, method: proof.method.rawValue)
        CrashPoint.removalIntent.reached(.before)
        guard try await begin(removal) else {
            return Stay(reason: "its state changed while it was read again", mayPass: true)
        }
        CrashPoint.removalIntent.reached(.after)
        return try await unlink(removal, candidate, proof).map { Stay(reason: $0) }
    }

    private var rule: WipeRule { WipeRule(targets: station.configuration.targetNames) }

    /// Asks every target now: a receipt tells what it had once. What it says goes into journal and ledger, as any audit;
    /// a copy that is gone is made again from the station. Why the file stays, or nothing where all have it.
    private func missing(_ id: RecordingID) async throws -> Stay? {
        let audit = TargetAudit(view: view, station: station, holder: nil)
        for target in targets {
            let (journal, name) = (station.journal, target.name)
            let upload = try await station.database.read { try journal.uploads(of: id, target: name, in: $0).first }
            guard let upload else { return Stay(reason: "no copy to \(name) is planned yet", mayPass: true) }
            let finding = try await audit.audit(upload, target, isDeep: false)
            switch finding.result {
            case .matches: continue
            case .missing, .unverified: return Stay(reason: "\(name) does not have it any more", mayPass: true)
            case .differs: return Stay(reason: "its copy on \(name) differs")
            case .unanswered: throw Stop(ending: .hindered("\(name) cannot be asked: \(finding.detail)"))
            }
        }
        return nil
    }

    // MARK: Proving

    private struct Proof: Sendable {
        var stamp: FileStamp
        var method: SecondReading.Method
    }

    private enum Outcome: Sendable {
        case proved(Proof)
        case stays(String)
    }

    private func prove(_ candidate: WipeCandidate) async throws -> Outcome {
        let (root, progress) = (root, progress)
        defer { progress.reset() }
        let reading: (stamp: FileStamp, second: SecondReading)?
        do {
            reading = try await lane.run { () throws -> (stamp: FileStamp, second: SecondReading)? in
                try progress.asked { () throws -> (stamp: FileStamp, second: SecondReading)? in
                    let file = try DirectoryTree(root).file(candidate.path)
                    let stamp = try file.status().stamp
                    guard candidate.times.contains(FileTimes(stamp)) else { return nil }
                    let reader = UncachedReader(
                        isCancelled: { Task.isCancelled }, progress: { progress.set($0) })
                    return (stamp, try reader.read(file, stamp: stamp, blockDevice: Self.driverDevice(root)))
                }
            }
        } catch let error as FileAccessError where error.meaning == .missing {
            return .stays("it is not there any more")
        } catch SecondReadingFailure.source(.changed), SecondReadingFailure.source(.vanished) {
            return .stays("it changed since it was collected")
        } catch SecondReadingFailure.cached(let reason) {
            throw Stop(ending: .hindered(reason))
        }
        guard let reading else { return .stays("it changed since it was collected") }
        guard reading.second.digest == candidate.digest else {
            try await tellDifference(candidate, reading.second)
            throw Stop(ending: .differs(candidate.path))
        }
        return .proved(Proof(stamp: reading.stamp, method: reading.second.method))
    }

    /// What a driver in user space reads through the page cache: mountinfo's `fuseblk` is FUSE on a block device.
    private static func driverDevice(_ root: WatchedRoot) -> RawPath? {
        root.fileSystemType.hasPrefix("fuse") ? root.blockDevice : nil
    }

    private func tellDifference(_ candidate: WipeCandidate, _ second: SecondReading) async throws {
        let (station, root, now) = (station, root, Station.now())
        station.logger.error(
            "a device gives other bytes than those that were collected",
            metadata: ["source": "\(root.source)", "recording.id": "\(candidate.recording)"])
        _ = try await station.database.write(durable: true) { database in
            try station.ledger.append(
                station.event(
                    .differs, at: now, recording: candidate.recording, digest: candidate.digest,
                    details: [
                        "source": .text(root.source), "path": .text(String(candidate.path.display.prefix(4096))),
                        "second_sha256": .text(second.digest.hex), "method": .text(second.method.rawValue),
                    ]), in: database)
        }
    }

    // MARK: Removing

    /// The intent, durably, if the records say the same as before the second reading.
    private func begin(_ removal: DockLog.Removal) async throws -> Bool {
        let (station, view, root, rule, now) = (station, view, root, rule, Station.now())
        return try await station.database.write(durable: true) { database in
            let candidate = try view.wipeCandidate(
                removal.path, source: root.source, fileSystem: root.fileSystem, docking: removal.docking, in: database)
            guard let candidate, candidate.recording == removal.recording,
                rule.verdict(candidate.facts) == .mayGo
            else { return false }
            try station.docks.begin(removal, at: now, in: database)
            return true
        }
    }

    private func unlink(
        _ removal: DockLog.Removal, _ candidate: WipeCandidate, _ proof: Proof
    ) async throws -> String? {
        let (root, progress) = (root, progress)
        CrashPoint.removalName.reached(.before)
        let outcome = try await lane.run { () throws(FileAccessError) in
            try progress.asked { () throws(FileAccessError) in
                try DirectoryTree(root).remove(candidate.path, stamp: proof.stamp)
            }
        }
        CrashPoint.removalName.reached(.after)
        switch outcome {
        case .removed:
            CrashPoint.removalFact.reached(.before)
            try await complete(removal)
            CrashPoint.removalFact.reached(.after)
            removed()
            return nil
        case .changed: return try await abandon(removal, "it changed since it was collected")
        case .vanished: return try await abandon(removal, "it is not there any more")
        case .beingWritten: return try await abandon(removal, "somebody is writing to it")
        case .readOnly:
            _ = try await abandon(removal, "")
            throw Stop(ending: .readOnly)
        }
    }

    func abandon(_ removal: DockLog.Removal, _ reason: String) async throws -> String {
        let docks = station.docks
        try await station.database.write(durable: false) { try docks.abandon(removal, in: $0) }
        return reason
    }

    func complete(_ removal: DockLog.Removal) async throws {
        let (station, root, now) = (station, root, Station.now())
        _ = try await station.database.write(durable: true) { database in
            let digest = try station.catalogue.recording(removal.recording, in: database)?.content.digest
            try station.docks.complete(removal, at: now, in: database)
            try station.ledger.append(
                station.event(
                    .wiped, at: now, recording: removal.recording, digest: digest,
                    details: [
                        "source": .text(root.source), "file_system": .text(root.fileSystem),
                        "path": .text(String(removal.path.display.prefix(4096))), "method": .text(removal.method),
                    ]), in: database)
        }
        station.logger.info(
            "a file was removed from its device",
            metadata: ["source": "\(root.source)", "recording.id": "\(removal.recording)"])
    }
}
