/// One way in for bytes that nobody vouches for: what a fuzzer made, or what once made a parser fail.
///
/// The first byte names the parser, its highest bit whether the file goes on in zero bytes for gigabytes; the rest is
/// the input. Nothing may trap, nothing may go on without end, and what a parser says must be possible.
package enum FuzzEntry {
    package static func run(_ bytes: [UInt8]) {
        guard let first = bytes.first else { return }
        let parser = Parser.of(first)
        let input = Array(bytes.dropFirst())
        let clock = ContinuousClock()
        let taken = clock.measure { parser.run(input, isSparse: first & 0x80 != 0) }
        precondition(taken < .seconds(Self.mostSeconds), "\(parser) took \(taken)")
    }

    /// For at most 64 KiB of input, with sanitizers, on a busy machine.
    private static let mostSeconds = 8

    /// Numbers are kept: files of the corpus begin with them.
    package enum Parser: UInt8, CaseIterable, Sendable {
        case boxes = 0
        case riff, jpeg, png, bmp, matroska, transportStream, exif, sidecar, place, zeros, names, mounts, answers, signs

        /// Any byte names one.
        package static func of(_ byte: UInt8) -> Parser {
            Parser(rawValue: (byte & 0x7F) % UInt8(allCases.count)) ?? .boxes
        }
    }
}
