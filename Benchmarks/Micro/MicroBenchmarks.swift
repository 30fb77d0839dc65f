import Foundation

/// Measures single steps of the agent, each beside programs that do the same:
///
///     MicroBenchmarks [--quick] [--only hashing|catalogue|signing|probe] [--python FILE]
///
/// `--quick` does a twentieth of the work, to see whether everything runs. `--python` names an interpreter that has
/// botocore; without it the signatures have no peer.
@main
struct MicroBenchmarks {
    static func main() async throws {
        let arguments = CommandLine.arguments.dropFirst()
        let sizes = arguments.contains("--quick") ? Sizes.quick : Sizes.whole
        let (python, only) = (value(of: "--python", in: arguments), value(of: "--only", in: arguments))
        func isWanted(_ name: String) -> Bool { only == nil || only == name }
        let folder = FileManager.default.temporaryDirectory.appending(path: "micro-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        var results: [Result] = []
        if isWanted("hashing") { results += try HashingBenchmark(folder: folder.path, sizes: sizes).run() }
        if isWanted("catalogue") { results += try CatalogueBenchmark(folder: folder.path, sizes: sizes).run() }
        if isWanted("signing") { results += try SigningBenchmark(python: python, sizes: sizes).run() }
        if isWanted("probe") { results += try await ProbeBenchmark(folder: folder.path, sizes: sizes).run() }
        print(Report.table(results))
    }

    private static func value(of option: String, in arguments: ArraySlice<String>) -> String? {
        arguments.firstIndex(of: option).flatMap { place in
            place + 1 < arguments.endIndex ? arguments[place + 1] : nil
        }
    }
}

/// How much is done in each run.
struct Sizes: Sendable {
    static let runs = 5

    var hashedBytes: Int
    /// Added in each run, in transactions of 1,000; the queries see five times as many.
    var recordings: Int
    /// Added in each run, each in a durable transaction of its own.
    var lonelyRecordings: Int
    var queries: Int
    var signatures: Int
    var probedFiles: Int

    static let whole = Sizes(
        hashedBytes: 512 << 20, recordings: 20_000, lonelyRecordings: 200, queries: 500, signatures: 10_000,
        probedFiles: 500)
    static let quick = Sizes(
        hashedBytes: 24 << 20, recordings: 1_000, lonelyRecordings: 20, queries: 25, signatures: 500, probedFiles: 50)
}
