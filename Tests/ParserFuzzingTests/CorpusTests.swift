import Foundation
import ParserFuzzing
import StationTesting
import Testing

/// Every input that is kept runs: files of each form, whole and cut, and what fuzzing once found.
@Suite struct CorpusTests {
    private static let folder = Repository.path("Tests/Fuzz/Corpus")
    private static let names = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()

    private static func bytes(_ name: String) throws -> [UInt8] {
        Array(try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)")))
    }

    @Test func hasEveryParser() throws {
        let parsers = try Self.names.compactMap { try Self.bytes($0).first.map(FuzzEntry.Parser.of) }
        #expect(Set(parsers) == Set(FuzzEntry.Parser.allCases))
    }

    @Test func isSmall() throws {
        let sizes = try Self.names.map { try Self.bytes($0).count }
        #expect(sizes.allSatisfy { $0 <= 16 << 10 })
        #expect(sizes.reduce(0, +) <= 1 << 20)
    }

    @Test(arguments: names) func runs(_ name: String) throws {
        FuzzEntry.run(try Self.bytes(name))
    }
}
