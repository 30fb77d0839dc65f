import EvidenceModel
import SyncEngine

/// The configuration as it is understood: defaults filled in, paths resolved. Keys of credentials are in files of their
/// own or in the environment, and are not part of it.
struct ConfigurationReport: Encodable {
    /// In order, path of the key and value.
    private let values: [(key: String, value: String)]

    init(_ configuration: AgentConfiguration) {
        var values: [(key: String, value: String)] = [
            ("station.id", configuration.station.id), ("station.name", configuration.station.name),
            ("station.time_zone", configuration.station.timeZone),
            ("state_directory", configuration.stateDirectory.display),
        ]
        for (index, source) in configuration.sources.enumerated() {
            values += Self.lines(source).map { ("sources.\(index).\($0.key)", $0.value) }
        }
        if let path = configuration.devicesFile { values.append(("devices_file", path.display)) }
        if let path = configuration.itemListFile { values.append(("item_list_file", path.display)) }
        for (index, target) in configuration.targets.enumerated() {
            values += Self.lines(target).map { ("targets.\(index).\($0.key)", $0.value) }
        }
        values.append(("spool.keep_free_bytes", String(configuration.keepFreeBytes)))
        values.append(("upload.deadline_hours", String(configuration.deadlineHours)))
        values.append(("retention.default_days", String(configuration.retentionDays)))
        values.append(("verify.period_days", String(configuration.verify.periodSeconds / 86_400)))
        values.append(("verify.sample_percent", String(configuration.verify.samplePercent)))
        self.values = values
    }

    private static func lines(_ source: AgentConfiguration.Source) -> [(key: String, value: String)] {
        let place: (key: String, value: String) =
            switch source.place {
            case .mountsUnder(let path): ("mounts_under", path.display)
            case .directory(let path): ("directory", path.display)
            }
        return [
            ("name", source.name), place, ("collect", source.collect.rawValue),
            ("settle_seconds", String(source.settleSeconds)),
            ("rescan_seconds", source.rescanSeconds.map { String($0) } ?? "(as the file system needs)"),
            ("wipe", source.wipe.rawValue),
        ]
    }

    private static func lines(_ target: AgentConfiguration.Target) -> [(key: String, value: String)] {
        switch target.place {
        case .directory(let path): return [("name", target.name), ("directory.path", path.display)]
        case .tus(let tus):
            return [
                ("name", target.name), ("tus.url", tus.url), ("tus.token_file", tus.tokenFile?.display ?? "(none)"),
                ("tus.ca_file", tus.caFile ?? "(system)"),
            ]
        case .s3(let s3):
            return [
                ("name", target.name), ("s3.endpoint", s3.endpoint), ("s3.region", s3.region), ("s3.bucket", s3.bucket),
                ("s3.prefix", s3.prefix), ("s3.path_style", String(s3.isPathStyle)),
                ("s3.credentials_file", s3.credentialsFile?.display ?? "(environment)"),
                ("s3.ca_file", s3.caFile ?? "(system)"),
                ("s3.object_lock", s3.lockMode?.rawValue ?? "none"),
                ("s3.instance_credentials", String(s3.hasInstanceCredentials)),
            ]
        }
    }

    var text: String { values.map { "\($0.key): \(Text.printable($0.value))" }.joined(separator: "\n") }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(Dictionary(uniqueKeysWithValues: values.map { ($0.key, $0.value) }))
    }
}
