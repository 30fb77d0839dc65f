import CustodyLedger
import EvidenceModel
import FileAccess
import Glibc
import GRDB
import Logging
import MediaIndex
import MediaProbe
import ServiceLifecycle
import SyncEngine

/// Describes recordings after they were collected: probes them, reads their names, tags them, chooses their key, and
/// plans their copies. What it has not come to yet is told by the catalogue alone, so that nothing is forgotten.
struct DescribeService: Service {
    let station: Station
    let content: StationContent
    let prober: MediaProber
    let posters: PosterStore
    let bell: Bell
    /// Told after each recording whose copies are planned.
    let described: @Sendable () -> Void

    /// Seconds between two tries on what could not be read.
    private static let retrySeconds = 5.0
    private static let batch = 64

    private enum Message: Sendable {
        case rung
        case retryDue
        case ended(owner: String, DescribeQueue.Remainder)
    }

    private typealias Sender = AsyncStream<Message>.Continuation

    func run() async throws {
        try await planForNewTargets()
        let (mailbox, sender) = AsyncStream<Message>.makeStream()
        await cancelWhenGracefulShutdown {
            await withTaskCancellationHandler {
                await withDiscardingTaskGroup { group in
                    group.addTask { for await _ in bell.rings { sender.yield(.rung) } }
                    group.addTask { await retryRegularly(sender) }
                    var queue = DescribeQueue()
                    for await message in mailbox {
                        for turn in await handle(message, &queue) {
                            group.addTask { await take(turn, sender) }
                        }
                    }
                    group.cancelAll()
                }
            } onCancel: {
                sender.finish()
                // What is looked into now is looked into again at the next start.
                prober.interrupt()
            }
        }
        await prober.stop()
    }

    private func retryRegularly(_ sender: Sender) async {
        repeat { sender.yield(.retryDue) } while (try? await Task.sleep(for: .seconds(Self.retrySeconds))) != nil
    }

    private func handle(_ message: Message, _ queue: inout DescribeQueue) async -> [DescribeQueue.Turn] {
        switch message {
        case .rung: break
        case .retryDue: queue.retryDue()
        case .ended(let owner, let remainder): queue.ended(owner, remainder)
        }
        let (catalogue, limit, busy) = (station.catalogue, queue.known + Self.batch, queue.busyOwners)
        do {
            let found = try await station.database.read {
                try catalogue.undescribed(ofEachOwner: limit, except: busy, in: $0)
            }
            return queue.found(found)
        } catch {
            if !Task.isCancelled {
                station.logger.error("the catalogue cannot be read", metadata: ["error": "\(error)"])
            }
            return []
        }
    }

    /// Looks into the recordings of one owner, one after the other. What was seen in one is written down while the next is
    /// looked into.
    private func take(_ turn: DescribeQueue.Turn, _ sender: Sender) async {
        var remainder = DescribeQueue.Remainder()
        await withTaskGroup(of: RecordingID?.self) { saving in
            for recording in turn.recordings where !Task.isCancelled {
                let isLast = turn.last.contains(recording.id)
                let outcome = await look(recording, owner: turn.owner, isLast: isLast) { described in
                    saving.addTask { await save(described) ? nil : described.id }
                }
                switch outcome {
                case .described: break
                case .failed: remainder.failed.append(recording.id)
                case .hindered: remainder.hindered.append(recording.id)
                }
            }
            for await unsaved in saving { remainder.failed += unsaved.map { [$0] } ?? [] }
        }
        sender.yield(.ended(owner: turn.owner, remainder))
    }

    private enum Outcome {
        case described, failed, hindered
    }

    /// - Parameters:
    ///   - isLast: whatever hinders the look is the file's fault now.
    ///   - seen: told what it came to, before the poster is made: its copies need not wait for that.
    private func look(
        _ recording: Recording, owner: String, isLast: Bool, seen: (Recording) -> Void
    ) async -> Outcome {
        do {
            let file = try await content.open(recording)
            let look = try await prober.look(at: file, name: recording.fileName, owner: owner)
            if look.mayPass && !isLast {
                await note((look.facts.healthDetails.first ?? "") + " It is tried again.", recording)
                return .hindered
            }
            let described = RecordingDescription.describe(
                recording, facts: look.facts, itemList: station.itemList, now: Station.now())
            seen(described)
            if !Task.isCancelled { await makePoster(described, file, owner) }
            return .described
        } catch {
            await note((error as? TargetFailure)?.sentence ?? "\(error)", recording)
            return .failed
        }
    }

    /// Whether it was written down; where not, why is shown.
    private func save(_ recording: Recording) async -> Bool {
        do {
            try await write(recording)
            described()
            return true
        } catch {
            await note("\(error)", recording)
            return false
        }
    }

    /// Shows why a recording cannot be described, once for each reason.
    private func note(_ reason: String, _ recording: Recording) async {
        if Task.isCancelled { return }
        let catalogue = station.catalogue
        let isNews = try? await station.database.write(durable: false) {
            try catalogue.setUndescribed(reason, of: recording.id, in: $0)
        }
        guard isNews == true else { return }
        let metadata: Logger.Metadata = ["recording.id": "\(recording.id)", "reason": "\(reason)"]
        station.logger.warning("a recording cannot be described yet", metadata: metadata)
    }

    /// While the file is at hand. A recording without a poster lacks nothing: it is made when somebody asks for it.
    private func makePoster(_ recording: Recording, _ file: borrowing OwnedDescriptor, _ owner: String) async {
        guard let facts = recording.facts, PosterStore.isWanted(facts), !posters.holds(recording.id) else { return }
        do {
            guard let picture = try await prober.picture(of: file, owner: owner) else { return }
            try posters.save(picture, of: recording.id)
        } catch {
            if Task.isCancelled { return }
            let metadata: Logger.Metadata = ["recording.id": "\(recording.id)", "reason": "\(error)"]
            station.logger.warning("no poster could be made", metadata: metadata)
        }
    }

    private func write(_ recording: Recording) async throws {
        let (station, now) = (station, Station.now())
        CrashPoint.planInsert.reached(.before)
        try await station.database.write(durable: false) { database in
            let recording = try station.describe(recording, at: now, in: database)
            for tag in recording.tags {
                try station.ledger.append(station.taggedEvent(recording, tag, now), in: database)
            }
            for target in station.configuration.targetNames {
                let plan = station.plan(recording, target: target)
                try station.journal.insert(
                    plan, turn: station.turn(recording, at: now), collectedAt: recording.collectedAt, at: now,
                    in: database)
            }
            try station.refreshState(of: recording.id, in: database)
        }
        CrashPoint.planInsert.reached(.after)
    }

    /// Plans copies to targets that were added to the configuration since the recordings were described.
    private func planForNewTargets() async throws {
        for target in station.configuration.targetNames {
            // Piece by piece: orders of the control socket, and everything else that writes, come in between.
            var isDone = false
            while !isDone {
                isDone = try await planMissing(for: target)
            }
        }
    }

    private static let plannedAtOnce = 256

    /// Plans copies of some recordings that have none for `target`; whether that was all.
    private func planMissing(for target: String) async throws -> Bool {
        let (station, now) = (station, Station.now())
        return try await station.database.write(durable: false) { database in
            let missing = try String.fetchAll(
                database,
                sql: """
                    SELECT id FROM recording WHERE described_at_ms IS NOT NULL AND NOT EXISTS
                      (SELECT 1 FROM upload WHERE upload.recording = recording.id AND upload.target = ?) LIMIT ?
                    """,
                arguments: [target, Self.plannedAtOnce])
            for id in missing.compactMap({ RecordingID($0) }) {
                guard let recording = try station.catalogue.recording(id, in: database) else { continue }
                var plan = station.plan(recording, target: target)
                // The key was chosen once, for all targets.
                plan.key = try station.journal.copies(of: id, in: database).first?.key ?? plan.key
                try station.journal.insert(
                    plan, turn: station.turn(recording, at: now), collectedAt: recording.collectedAt, at: now,
                    in: database)
                try station.refreshState(of: id, in: database)
            }
            return missing.count < Self.plannedAtOnce
        }
    }
}

extension Station {
    fileprivate func taggedEvent(_ recording: Recording, _ tag: Tag, _ time: WallTime) -> LedgerEvent {
        var details: [String: LedgerEvent.Detail] = [
            "item": .text(tag.item), "by": .text(tag.by), "list_version": .text(tag.listVersion),
        ]
        details["stage"] = tag.stage.map { .text($0) }
        return event(.tagged, at: time, recording: recording.id, digest: recording.content.digest, details: details)
    }
}
