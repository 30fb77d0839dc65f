import DockWatch
import EvidenceModel
import MediaIndex
@testable import SyncEngine

extension FuzzEntry.Parser {
    /// What the sample configuration, and people who write their own, look for in names.
    private static let patterns: [NamedPattern] = [
        #"^(?<device>[A-Za-z0-9]{3,16})_(?<officer>\d{6})_(?<time>\d{14})"#,
        #"^(?<time>\d{4}_?\d{4}_?\d{6})_(?:\d+)?[A-Z]?\.(?i:mp4|mov|ts)$"#,
        #"(?<device>DEV\d+)/.*?(?<time>\d{4}-\d\d-\d\d[ _]\d\d\.\d\d\.\d\d)"#,
        #"(?<time>[\d_]{14,})"#, #"^(?<device>DASH[A-Za-z0-9_-]*)$"#, #"(?<officer>\d+)$"#,
    ].compactMap { try? NamedPattern($0) }

    /// Longer names than a path may have are none.
    private static let longestName = 1024

    /// - Parameter input: a name.
    static func names(_ input: [UInt8]) {
        precondition(patterns.count == 6)
        let name = RawPath(bytes: Array(input.prefix(longestName))).display
        for pattern in patterns {
            let found = pattern.groups(["device", "officer", "time"], in: name)
            precondition(found.map { $0.values.allSatisfy(name.contains) } ?? true)
        }
    }

    /// - Parameter input: the text of /proc/self/mountinfo.
    static func mounts(_ input: [UInt8]) {
        let table = MountTable.parse(input)
        let lines = input.split(separator: UInt8(ascii: "\n")).count
        precondition(table.entries.count + table.malformedLines == lines)
    }

    /// - Parameter input: the body of a store's answer.
    static func answers(_ input: [UInt8]) {
        let failure = S3Failures.failure(HTTPResponse(status: 503, body: input), tried: "PUT part 3", endpoint: "store")
        precondition(!failure.sentence.isEmpty)
        guard let root = S3Messages.parse(input) else { return }
        if let page = S3Messages.parts(root) { precondition(page.parts.count <= root.children("Part").count) }
        for name in ["UploadId", "ETag", "Code"] { precondition(root.text(name)?.isEmpty != true) }
        _ = S3Messages.completeBody(root.children("Part").compactMap { $0.text("ETag") })
    }
}
