import Foundation
import StationTesting
import Testing

/// A station whose agent dies at one named moment after another, and the place it copies to.
final class CrashJourney: Sendable {
    enum Place: String, Sendable, CaseIterable {
        case directory, s3
    }

    enum Stage: Sendable {
        /// The agent is started and must die at this moment.
        case dies(String)
        /// A file of so many bytes is recorded.
        case records(Int)
        /// What goes wrong at the target while the agent is dead.
        case losesPart
        case losesUploads
        case doublesUploads
        case changesObjects
        /// One byte, behind the store's back: it goes on telling the old size and tag.
        case spoilsObjects
        case losesObjects
    }

    let place: Place
    let station: TestStation
    private let store: ScriptedStore?

    init(_ place: Place) throws {
        self.place = place
        store = place == .s3 ? try ScriptedStore() : nil
        let target =
            store.map {
                "  - {name: cloud, s3: {endpoint: \"\($0.endpoint)\", region: us-east-1, "
                    + "bucket: \(ScriptedStore.bucket), path_style: true}}"
            } ?? "  - {name: nas, directory: {path: @/nas}}"
        station = try TestStation(
            sources: "  - {name: room, directory: @/room, collect: spool, settle_seconds: 0.2}", targets: target,
            environment: ScriptedStore.keys)
        for name in ["room", "nas"] { _ = try station.folder.folder(name) }
    }

    func travel(_ stages: [Stage]) async throws {
        var number = 0
        var before: [String: String] = [:]
        for stage in stages {
            switch stage {
            case .dies(let moment):
                try await die(at: moment)
                let now = try await durable()
                for (what, value) in before where !isCompleted(what, now) {
                    #expect(now[what] == value, "\(place) \(moment): \(what) was there before, and is not as it was")
                }
                before = now
            case .records(let bytes):
                number += 1
                try await station.writeRandom("room/\(number).ts", bytes: bytes)
            case .losesPart, .losesUploads, .doublesUploads, .changesObjects, .spoilsObjects, .losesObjects:
                before = [:]
                try await tamper(stage)
            }
        }
        let (status, output, errors) = try await station.run("run", "--once")
        #expect(status == 0, "\(place) \(stages): \(output)\n\(errors)")
        try await expectEverything("\(place) \(stages)")
    }

    func die(at moment: String) async throws {
        let agent = try station.start("run", "--once", with: ["CAPTURE_AGENT_CRASH_AT": moment])
        let status = await agent.ended()
        #expect(status == 128 + SIGKILL, "\(place): \(moment) was not reached: \(agent.output)\n\(agent.errors)")
        try store?.tell("settled")
    }

    /// Every file is at the target, whole and once, nothing else is, and the agent's own records agree.
    func expectEverything(_ comment: Comment, copies: Int = 1) async throws {
        let wanted = try await station.digests(below: "room")
        let all = try await objects()
        let objects = all.filter { !Self.isManifest($0.key) }
        #expect(Set(objects.values) == Set(wanted.keys), comment)
        #expect(objects.count == copies * wanted.count, comment)
        if let store {
            #expect(try store.witness().uploads == [], comment)
            let described = Set(all.keys.filter(Self.isManifest).map(Self.folder))
            #expect(objects.keys.allSatisfy { described.contains(Self.folder($0)) }, comment)
        } else {
            #expect(try await partials().isEmpty, comment)
        }
        #expect(try await station.run("verify", "--deep").status == 0, comment)
        #expect(try await station.run("ledger", "checkpoint").status == 0, comment)
    }

    private static func isManifest(_ key: String) -> Bool { key.contains(/\/manifest-[0-9]+\.json$/) }
    private static func folder(_ key: String) -> String { String(key[..<(key.lastIndex(of: "/") ?? key.endIndex)]) }

    /// Key to SHA-256, by a reader that is not ours.
    private func objects() async throws -> [String: String] {
        if let store {
            return Dictionary(try store.witness().objects.map { ($0.key, $0.sha256) }) { $1 }
        }
        var objects: [String: String] = [:]
        for (digest, names) in try await station.digests(below: "nas") {
            for name in names where !name.hasSuffix(".part") { objects[name] = digest }
        }
        return objects
    }

    /// What the target has taken for good: objects, and of an unfinished upload its parts, each with the number of its
    /// writing, which changes when it is sent again.
    private func durable() async throws -> [String: String] {
        var durable = try await objects()
        for upload in try store?.witness().uploads ?? [] {
            for part in upload.parts { durable["\(upload.key) part \(part[0])"] = "\(part[2])" }
        }
        return durable
    }

    /// Whether it is a part whose object is there now, and its upload gone.
    private func isCompleted(_ what: String, _ now: [String: String]) -> Bool {
        guard let key = what.firstRange(of: " part ").map({ String(what[..<$0.lowerBound]) }) else { return false }
        return now[key] != nil && !now.keys.contains { $0.hasPrefix(key + " part ") }
    }

    private func partials() async throws -> [String] {
        try await TestStation.tool("find", station.path("nas"), "-name", "*.part").split(separator: "\n").map(
            String.init)
    }

    func tamper(_ stage: Stage) async throws {
        switch stage {
        case .losesPart:
            try store?.tell("lose-part 2")
            for file in try await partials() { _ = truncate(file, 8 << 20) }
        case .losesUploads:
            try store?.tell("restart lose")
            for file in try await partials() { _ = unlink(file) }
        case .doublesUploads: try store?.tell("duplicate-uploads")
        case .changesObjects:
            try store?.tell("claim recordings somebody-else")
            for file in try await objects().keys where store == nil { _ = truncate(file, 1) }
        case .spoilsObjects:
            try store?.tell("corrupt recordings")
            for file in try await objects().keys where store == nil {
                let handle = try FileHandle(forUpdating: URL(fileURLWithPath: file))
                let first = try handle.read(upToCount: 1)?.first ?? 0
                try handle.seek(toOffset: 0)
                try handle.write(contentsOf: [first ^ 1])
                try handle.close()
            }
        case .losesObjects:
            try store?.tell("delete recordings")
            for file in try await objects().keys where store == nil { _ = unlink(file) }
        case .dies, .records: break
        }
    }
}
