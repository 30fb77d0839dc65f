import StationTesting
import Testing

@testable import ContentHash

@Suite("CRC-64/NVME")
struct CRC64NVMETests {
    private func sum(_ bytes: some Collection<UInt8>) -> UInt64 {
        Array(bytes).withUnsafeBytes { CRC64NVME.of($0) }
    }

    /// The check value of the catalogue of CRCs, and those of the NVM Command Set Specification (4 KiB).
    @Test(
        arguments: [
            (Array("123456789".utf8), 0xae8b_1486_0a79_9888), ([], 0),
            ([UInt8](repeating: 0, count: 4096), 0x6482_D367_EB22_B64E),
            ([UInt8](repeating: 0xFF, count: 4096), 0xC0DD_BA73_02EC_A3AC),
        ] as [([UInt8], UInt64)])
    func published(_ bytes: [UInt8], _ expected: UInt64) {
        #expect(sum(bytes) == expected)
    }

    /// With the processor's help and without, of every length around its steps and from every place.
    @Test func bothWaysAgree() {
        let bytes = SampleRecording(seed: 7, size: 1400).bytes
        for count in [0, 1, 7, 8, 63, 64, 65, 127, 128, 255, 256, 257, 319, 320, 383, 384, 385, 1023, 1024, 1399] {
            for start in [0, 1] {
                let piece = Array(bytes[start..<start + count])
                let plain = piece.withUnsafeBytes { CRC64NVME.ofTables($0) }
                #expect(sum(piece) == plain, "\(count) bytes from \(start)")
            }
        }
    }

    @Test func sumsOfPiecesMakeTheSumOfAll() {
        let bytes = SampleRecording(seed: 8, size: 5000).bytes
        for cut in [0, 1, 64, 1000, 4999, 5000] {
            let (first, second) = (bytes[..<cut], bytes[cut...])
            #expect(
                CRC64NVME.combined(sum(first), sum(second), length: Int64(second.count)) == sum(bytes), "cut at \(cut)")
        }
        // As long as the largest object there is.
        let zeros = CRC64NVME.combined(sum(bytes), 0, length: 5 << 40)
        #expect(CRC64NVME.combined(CRC64NVME.combined(sum(bytes), 0, length: 2 << 40), 0, length: 3 << 40) == zeros)
    }
}
