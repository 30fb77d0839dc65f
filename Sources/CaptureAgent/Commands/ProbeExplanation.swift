import ArgumentParser
import EvidenceModel
import FileAccess
import Foundation
import MediaIndex

/// The options of `probe` that say how a file's name, device and start are read.
struct ExplainOptions: ParsableArguments {
    @Flag(help: "Say what tells device, officer and start, and why.")
    var explain = false
    @Option(help: "With --explain: the device profiles; else the configuration's devices_file.")
    var devices: String?
    @Option(help: "With --explain: the label the volume would have.")
    var volumeLabel: String?
    @Option(help: "With --explain: the device's root; the files' paths below it count, and its marker files.")
    var root: String?
    @Option(help: "With --explain: the configuration, for devices_file and time zone.")
    var config: String?

    /// What the explanations of all files rest on.
    func ground() throws(CommandFailure) -> ExplanationGround {
        // Without a configuration the files can still be looked at; one that is there must be right.
        let isThere =
            config != nil || ProcessInfo.processInfo.environment["CAPTURE_AGENT_CONFIG"] != nil
            || FileManager.default.fileExists(atPath: StationFiles.defaultPath)
        let configuration = isThere ? try StationFiles.configuration(named: config) : nil
        let profiles: DeviceProfiles
        if let devices {
            profiles = try StationFiles.deviceProfiles(at: RawPath(devices))
        } else {
            profiles =
                try configuration.map { (found) throws(CommandFailure) in
                    try StationFiles.deviceProfiles(found)
                } ?? DeviceProfiles()
        }
        let place = root.map { RawPath(URL(fileURLWithPath: $0).path) }
        let signs = place.map { path in
            DeviceSignsReader.read(
                profiles.deviceFiles, on: WatchedRoot(source: "", kind: .directory, path: path, fileSystem: "")
            ).signs
        }
        return ExplanationGround(
            profiles: profiles,
            zone: configuration?.station.zone ?? StationZone(identifier: TimeZone.current.identifier)
                ?? .utc,
            volumeLabel: volumeLabel, root: place, signs: signs ?? DeviceSigns())
    }
}

struct ExplanationGround: Sendable {
    var profiles: DeviceProfiles
    var zone: StationZone
    var volumeLabel: String?
    var root: RawPath?
    var signs: DeviceSigns

    /// - Parameters:
    ///   - file: as it was named on the command line.
    ///   - now: taken for the time of collection.
    func explain(_ file: String, facts: MediaFacts, fileTime: WallTime, now: WallTime) -> ProbeExplanation {
        let reading = profiles.read(path: path(file), volumeLabel: volumeLabel, signs: signs)
        let clocks = profiles.clocks(of: reading.profile)
        let rule = EvidenceRule(clocks: clocks, station: zone)
        var evidence = rule.evidence(of: facts, fileTime: fileTime)
        if let found = reading.fields[.time], let time = reading.startedAt {
            evidence.insert(rule.named(found.text, time), at: 0)
        }
        let judged = StartRule(order: clocks.order, offset: nil, collectedAt: now).judge(evidence)
        return ProbeExplanation(file: file, reading: reading, judged: judged, zone: zone)
    }

    /// The path below `root`, or as it was given.
    private func path(_ file: String) -> RawPath {
        guard let root else { return RawPath(bytes: RawPath(file).bytes.drop { $0 == UInt8(ascii: "/") }) }
        let absolute = RawPath(URL(fileURLWithPath: file).path)
        guard absolute.isAtOrBelow(root) else { return absolute.lastComponent }
        return absolute.components.dropFirst(root.components.count).reduce(RawPath("")) { $0.appending($1) }
    }
}

/// What tells device, officer and start of one file, and what was believed.
struct ProbeExplanation: Encodable, Sendable {
    let file: String
    let reading: DeviceProfiles.Reading
    let judged: [StartRule.Judged]
    let zone: StationZone

    private var chosen: StartRule.Judged? { judged.first { $0.verdict == .chosen } }

    private enum CodingKeys: String, CodingKey {
        case file, profile, fields, evidence
        case startedAt = "started_at"
        case startedAtBasis = "started_at_basis"
    }

    private struct Field: Encodable {
        var field: String
        var value: String
        var pattern: String
        var of: String
    }

    private struct Evidence: Encodable {
        var basis: String
        var original: String
        var readAs: String
        var at: String
        var verdict: String

        private enum CodingKeys: String, CodingKey {
            case basis, original, at, verdict
            case readAs = "read_as"
        }
    }

    private var fields: [Field] {
        DeviceProfile.Field.allCases.compactMap { field in
            reading.fields[field].map {
                Field(field: field.rawValue, value: $0.text, pattern: $0.pattern, of: $0.subject.description)
            }
        }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(file, forKey: .file)
        try container.encode(reading.profile, forKey: .profile)
        try container.encode(fields, forKey: .fields)
        let evidence = judged.map { piece in
            Evidence(
                basis: piece.evidence.basis.rawValue, original: piece.evidence.original, readAs: piece.evidence.readAs,
                at: zone.text(piece.evidence.at), verdict: piece.verdict.rawValue)
        }
        try container.encode(evidence, forKey: .evidence)
        try container.encode(chosen.map { zone.text($0.start) }, forKey: .startedAt)
        try container.encode(chosen?.evidence.basis.startBasis ?? .unknown, forKey: .startedAtBasis)
    }

    /// Lines for people.
    var text: String {
        var lines = [file, "  profile \(reading.profile ?? "none: no profile knows such a file")"]
        lines += fields.map { field in
            let source = "profile \(reading.profile ?? ""), pattern \(field.pattern), of \(field.of)"
            return "  \(field.field) \(field.value): \(source)"
        }
        lines += judged.map { piece in
            let evidence = piece.evidence
            return "  \(evidence.basis.rawValue) \"\(evidence.original)\" \(evidence.readAs): "
                + "\(zone.text(evidence.at)) — \(piece.verdict.sentence)"
        }
        lines.append("  started \(chosen.map { zone.text($0.start) } ?? "unknown: nothing plausible tells it")")
        return lines.map(Text.printable).joined(separator: "\n")
    }
}

extension StartRule.Verdict {
    /// For people.
    fileprivate var sentence: String {
        switch self {
        case .chosen: "chosen: the first that is plausible"
        case .later: "plausible, but the profile's order puts another first"
        case .notInOrder: "not asked: the profile's order does not have it"
        case .tooEarly: "not plausible: before 2010, as clocks show whose battery was empty"
        case .afterCollection: "not plausible: more than a day after collection"
        }
    }
}
