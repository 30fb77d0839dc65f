import EvidenceModel
import LocatedYAML
import MediaIndex
import SyncEngine

/// Reads `capture-agent.yaml`. What this version does not do is an error where leaving it undone could lose or expose a
/// recording, and a note where it only makes the agent less comfortable.
struct ConfigurationReader {
    private let folder: RawPath
    private let fileName: String
    private var notes: [String] = []

    /// - Parameters:
    ///   - file: path of the file; relative paths in it are below its folder.
    ///   - environment: `CAPTURE_AGENT_…` variables replace single values.
    static func read(
        file: RawPath, text: String, environment: [String: String]
    ) throws(YAMLError) -> AgentConfiguration {
        let yaml = try YAMLFile(name: file.display, text: text, overrides: environment, prefix: "CAPTURE_AGENT")
        var reader = ConfigurationReader(folder: file.parent, fileName: file.display)
        return try yaml.read { (top) throws(YAMLError) in try reader.configuration(&top) }
    }

    private init(folder: RawPath, fileName: String) {
        self.folder = folder
        self.fileName = fileName
    }

    private mutating func configuration(_ top: inout YAMLMapping) throws(YAMLError) -> AgentConfiguration {
        let station = try top.required("station").mapping(Self.station)
        let stateDirectory = try path(top.required("state_directory"))
        let sourcesValue = try top.required("sources")
        let sources = try sourcesValue.list { (value) throws(YAMLError) in
            try value.mapping { (source) throws(YAMLError) in try self.source(&source) }
        }
        try Self.requireUnique(sources.map(\.name), sourcesValue)
        let targetsValue = try top.required("targets")
        let targets = try targetsValue.list { (value) throws(YAMLError) in
            try value.mapping { (target) throws(YAMLError) in try self.target(&target) }
        }
        try Self.requireUnique(targets.map(\.name), targetsValue)
        if targets.isEmpty { throw targetsValue.error("names no target: recordings would stay on this station alone") }
        let upload = try top.optional("upload").map { (value) throws(YAMLError) in
            try value.mapping { (upload) throws(YAMLError) in try Self.upload(&upload) }
        }
        let retention = try top.optional("retention").map { (value) throws(YAMLError) in
            try value.mapping { (retention) throws(YAMLError) in
                Int(try retention.required("default_days").integer(in: 1...36_500))
            }
        }
        let keepFree = try top.optional("spool").map { (value) throws(YAMLError) in
            try value.mapping { (spool) throws(YAMLError) in
                try spool.required("keep_free_bytes").integer(in: 1 << 20...1 << 50)
            }
        }
        let verify = try top.optional("verify").map { (value) throws(YAMLError) in
            try value.mapping(Self.verify)
        }
        try noteLater(&top)
        return AgentConfiguration(
            file: fileName, station: station, stateDirectory: stateDirectory, keepFreeBytes: keepFree ?? 256 << 20,
            sources: sources,
            devicesFile: try optionalPath(top.optional("devices_file")),
            itemListFile: try optionalPath(top.optional("item_list_file")), targets: targets,
            retentionDays: retention ?? 180, notes: notes, upload: upload ?? AgentConfiguration.Upload(),
            verify: verify ?? CheckPace(periodSeconds: 30 * 86_400, samplePercent: 1))
    }

    private static func verify(_ verify: inout YAMLMapping) throws(YAMLError) -> CheckPace {
        let days = try verify.optional("period_days").map { (value) throws(YAMLError) in
            try value.number(in: 0.00001...3650)
        }
        let percent = try verify.optional("sample_percent").map { (value) throws(YAMLError) in
            try value.number(in: 0...100)
        }
        return CheckPace(periodSeconds: (days ?? 30) * 86_400, samplePercent: percent ?? 1)
    }

    private static func station(_ station: inout YAMLMapping) throws(YAMLError) -> AgentConfiguration.Station {
        let zoneValue = try station.required("time_zone")
        let zoneName = try zoneValue.string()
        guard let zone = StationZone(identifier: zoneName) else {
            throw zoneValue.error("\"\(zoneName)\" is no time zone this machine knows; an example: Asia/Shanghai")
        }
        return AgentConfiguration.Station(
            id: try identifier(station.required("id")), name: try station.required("name").string(),
            timeZone: zoneName, zone: zone)
    }

    private mutating func source(_ source: inout YAMLMapping) throws(YAMLError) -> AgentConfiguration.Source {
        let name = try Self.identifier(source.required("name"))
        let place: AgentConfiguration.Source.Place
        switch (source.optional("mounts_under"), source.optional("directory")) {
        case (let mounts?, nil): place = .mountsUnder(try path(mounts))
        case (nil, let directory?): place = .directory(try path(directory))
        case (nil, nil), (_?, _?): throw source.error("needs either \"mounts_under\" or \"directory\"")
        }
        let wipeValue = source.optional("wipe")
        let wipe = try wipeValue.map { (value) throws(YAMLError) in
            try value.choice(AgentConfiguration.Source.Wipe.self)
        }
        if let wipeValue, wipe == .afterReceipt, case .directory = place {
            throw wipeValue.error("is for devices (mounts_under): from a directory nothing is ever removed")
        }
        if let live = source.optional("live"), try live.boolean() {
            notes.append("source \(name): live: recordings are uploaded when they have settled, not while they grow")
        }
        return AgentConfiguration.Source(
            name: name, place: place,
            collect: try source.optional("collect").map { (value) throws(YAMLError) in
                try value.choice(AgentConfiguration.Source.Collect.self)
            } ?? .spool,
            settleSeconds: try source.optional("settle_seconds").map { (value) throws(YAMLError) in
                try value.number(in: 0.1...3600)
            } ?? 3,
            rescanSeconds: try source.optional("rescan_seconds").map { (value) throws(YAMLError) in
                try value.number(in: 1...3600)
            }, wipe: wipe ?? .never, beforeWipe: try Self.hook(source.optional("before_wipe"), wipe),
            afterWipe: try Self.hook(source.optional("after_wipe"), wipe))
    }

    private static func hook(
        _ value: YAMLValue?, _ wipe: AgentConfiguration.Source.Wipe?
    ) throws(YAMLError) -> AttachHook? {
        guard let value else { return nil }
        guard wipe == .afterReceipt else { throw value.error("is run only where wipe is after_receipt") }
        return try AttachHook(value, isBeforeMount: false)
    }

    private func target(_ target: inout YAMLMapping) throws(YAMLError) -> AgentConfiguration.Target {
        let name = try Self.identifier(target.required("name"))
        let s3 = target.optional("s3")
        let directory = target.optional("directory")
        let tus = target.optional("tus")
        let place: AgentConfiguration.Target.Place
        switch (s3, directory, tus) {
        case (let s3?, nil, nil): place = .s3(try s3.mapping(self.s3))
        case (nil, let directory?, nil):
            place = try directory.mapping { (value) throws(YAMLError) in
                .directory(try path(value.required("path")))
            }
        case (nil, nil, let tus?): place = .tus(try tus.mapping(self.tus))
        default: throw target.error("needs either \"s3\", \"directory\" or \"tus\"")
        }
        let requests = try target.optional("requests_at_once").map { (value) throws(YAMLError) in
            Int(try value.integer(in: 1...64))
        }
        return AgentConfiguration.Target(
            name: name, place: place, requestsAtOnce: requests ?? UploadDispatcher.requestsAtOnce,
            bandwidth: try BandwidthReader.timetable(target.optional("bandwidth")))
    }

    private func s3(_ s3: inout YAMLMapping) throws(YAMLError) -> AgentConfiguration.Target.S3 {
        let endpointValue = try s3.required("endpoint")
        let endpoint = try endpointValue.string()
        guard endpoint.wholeMatch(of: /https?:\/\/[^\/\s]+\/?/) != nil else {
            throw endpointValue.error("\"\(endpoint)\" is not http(s)://host[:port]")
        }
        let prefixValue = s3.optional("prefix")
        var prefix = try prefixValue.map { (value) throws(YAMLError) in try value.string() } ?? ""
        if let prefixValue, prefix.hasPrefix("/") || prefix.contains("//") {
            throw prefixValue.error("\"\(prefix)\" begins with a slash, or has two in a row")
        }
        if !prefix.isEmpty && !prefix.hasSuffix("/") { prefix += "/" }
        return AgentConfiguration.Target.S3(
            endpoint: endpoint, region: try s3.required("region").string(), bucket: try s3.required("bucket").string(),
            prefix: prefix,
            isPathStyle: try s3.optional("path_style").map { (value) throws(YAMLError) in try value.boolean() } ?? true,
            credentialsFile: try optionalPath(s3.optional("credentials_file")),
            caFile: try optionalPath(s3.optional("ca_file"))?.display,
            lockMode: try Self.lock(s3.optional("object_lock")),
            hasInstanceCredentials: try Self.hasInstanceCredentials(&s3))
    }

    private enum ObjectLockWord: String, CaseIterable { case none, governance, compliance }

    private static func lock(_ value: YAMLValue?) throws(YAMLError) -> S3Lock.Mode? {
        guard let value else { return nil }
        switch try value.choice(ObjectLockWord.self) {
        case .none: return nil
        case .governance: return .governance
        case .compliance: return .compliance
        }
    }

    private static func hasInstanceCredentials(_ s3: inout YAMLMapping) throws(YAMLError) -> Bool {
        let file = s3.optional("credentials_file")
        guard let value = s3.optional("instance_credentials"), try value.boolean() else { return false }
        if file != nil { throw value.error("and credentials_file name two places for one pair of keys") }
        return true
    }

    private func tus(_ tus: inout YAMLMapping) throws(YAMLError) -> AgentConfiguration.Target.Tus {
        let urlValue = try tus.required("url")
        let url = try urlValue.string()
        guard url.wholeMatch(of: /https?:\/\/[^\/\s]+\/[^\s]*/) != nil else {
            throw urlValue.error("\"\(url)\" is not http(s)://host[:port]/path")
        }
        return AgentConfiguration.Target.Tus(
            url: url, tokenFile: try optionalPath(tus.optional("token_file")),
            caFile: try optionalPath(tus.optional("ca_file"))?.display)
    }

    private static func upload(_ upload: inout YAMLMapping) throws(YAMLError) -> AgentConfiguration.Upload {
        var read = AgentConfiguration.Upload()
        if let hours = upload.optional("deadline_hours") { read.deadlineHours = try hours.number(in: 0.1...87_600) }
        read.bandwidth = try BandwidthReader.timetable(upload.optional("bandwidth"))
        read.ignoringLimits = try BandwidthReader.classes(upload.optional("ignore_limit_for"))
        if let profile = upload.optional("profile") {
            read.profile = try profile.choice(AgentConfiguration.Upload.Profile.self)
        }
        return read
    }

    private mutating func noteLater(_ top: inout YAMLMapping) throws(YAMLError) {
        if let console = top.optional("console") {
            notes.append("console: this version has none; use capture-agent status")
            try console.mapping { (console) throws(YAMLError) in
                for key in ["listen", "tls"] { _ = console.optional(key) }
            }
        }
        if let ledger = top.optional("ledger") {
            notes.append("ledger: this version signs and publishes no checkpoints")
            try ledger.mapping { (ledger) throws(YAMLError) in
                for key in ["origin", "key_file", "witness_urls"] { _ = ledger.optional(key) }
            }
        }
    }

    private static func identifier(_ value: YAMLValue) throws(YAMLError) -> String {
        let text = try value.string()
        guard text.wholeMatch(of: /[a-z0-9-]{1,63}/) != nil else {
            throw value.error("is \"\(text)\", expected 1 to 63 of a-z, 0-9 and -")
        }
        return text
    }

    private static func requireUnique(_ names: [String], _ value: YAMLValue) throws(YAMLError) {
        var seen: Set<String> = []
        for name in names where !seen.insert(name).inserted {
            throw value.error("the name \"\(name)\" stands twice")
        }
    }

    private func path(_ value: YAMLValue) throws(YAMLError) -> RawPath {
        let text = try value.string()
        if text.isEmpty { throw value.error("is empty, expected a path") }
        return text.hasPrefix("/") ? RawPath(text) : folder.appending(text)
    }

    private func optionalPath(_ value: YAMLValue?) throws(YAMLError) -> RawPath? {
        try value.map { (value) throws(YAMLError) in try path(value) }
    }
}
