import Collector
import ContentHash
import EvidenceModel
import FileAccess
import Foundation

/// Hashing of a file in the page cache: the agent's one reading, which hashes the whole and every part, against programs
/// that hash the whole.
struct HashingBenchmark {
    private let path: RawPath
    private let bytes: Int

    init(folder: String, sizes: Sizes) throws {
        path = RawPath(folder).appending("content")
        bytes = sizes.hashedBytes
        try Data(
            (0..<bytes / 8).lazy.map { UInt64($0) &* 0x9E37_79B9_7F4A_7C15 }.flatMap { word in
                (0..<8).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) }
            }
        ).write(to: URL(filePath: path.display))
    }

    private struct Costs {
        var reader: [Cost] = []
        var single: [Cost] = []
        var openssl: [Cost] = []
        var sha256sum: [Cost] = []
    }

    func run() throws -> [Result] {
        defer { try? FileManager.default.removeItem(atPath: path.display) }
        var costs = Costs()
        // They take turns, so that a busy moment of the machine meets all of them.
        for _ in 0..<Sizes.runs {
            try warm()
            costs.reader.append(try Measure.cost { try readOnce() })
            try warm()
            costs.single.append(try Measure.cost { try hashOnce() })
            try warm()
            costs.openssl.append(try child("openssl", ["dgst", "-sha256", path.display]))
            try warm()
            costs.sha256sum.append(try child("sha256sum", [path.display]))
        }
        return [
            result("SHA-256 of a file, whole and parts in one reading (ContentReader)", costs.reader, costs),
            result("SHA-256 of a file, whole only (SHA256Hasher)", costs.single, costs),
            result("openssl dgst -sha256", costs.openssl, nil),
            result("sha256sum", costs.sha256sum, nil),
        ]
    }

    private func result(_ subject: String, _ own: [Cost], _ all: Costs?) -> Result {
        let wall = Measure.median(own.map(\.wallSeconds))
        let mebibytes = Double(bytes) / Double(1 << 20)
        let perGibibyte = Measure.median(own.map(\.processorSeconds)) / mebibytes * 1024
        let peers = all.map { [("openssl dgst", $0.openssl), ("sha256sum", $0.sha256sum)] } ?? []
        return Result(
            subject: subject,
            amount: "\(Report.decimal(mebibytes / wall, 0)) MiB/s, \(Report.decimal(perGibibyte, 2)) CPU s/GiB",
            ratios: peers.map { (peer: $0.0, ratio: Measure.median($0.1.map(\.wallSeconds)) / wall) })
    }

    /// The agent's reader sends what it has read out of the page cache: it is put there again.
    private func warm() throws {
        let file = try OwnedDescriptor.open(absolute: path, flags: O_RDONLY)
        for offset in stride(from: 0, to: bytes, by: 8 << 20) {
            _ = try file.readBytes(ByteSpan(offset: Int64(offset), length: 8 << 20))
        }
    }

    private func readOnce() throws {
        let file = try OwnedDescriptor.open(absolute: path, flags: O_RDONLY)
        let stamp = try file.status().stamp
        let content = try ContentReader().read(file, stamp: stamp)
        precondition(content.size == Int64(bytes), "everything was read")
    }

    private func hashOnce() throws {
        let file = try OwnedDescriptor.open(absolute: path, flags: O_RDONLY)
        let hasher = SHA256Hasher()
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
        defer { buffer.deallocate() }
        for offset in stride(from: 0, to: bytes, by: buffer.count) {
            let count = try file.read(into: buffer, at: Int64(offset))
            hasher.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
        _ = hasher.finalize()
    }

    private func child(_ program: String, _ arguments: [String]) throws -> Cost {
        try Measure.cost(of: .childProcess) { _ = try Peer.output(of: program, arguments) }
    }
}

/// Another program that does the same.
enum Peer {
    /// What it prints; it must end with success.
    static func output(of program: String, _ arguments: [String]) throws -> String {
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [program] + arguments
        process.standardOutput = pipe
        try process.run()
        let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw PeerFailure(program: program) }
        return String(decoding: output, as: UTF8.self)
    }
}

/// A peer did not do its part.
struct PeerFailure: Error, CustomStringConvertible {
    var program: String

    var description: String { "\(program) failed; is it installed? Scripts/install-dependencies test" }
}
