import ContentHash
import CustodyLedger
import EvidenceModel
import StationTesting
import Testing

/// RFC 6962, section 2.1, as it is written there: recursive, and without a kept edge.
func recursiveHead(_ entries: ArraySlice<[UInt8]>) -> [UInt8] {
    if entries.isEmpty { return ContentDigest.sha256(of: [UInt8]()).bytes }
    if entries.count == 1 { return ContentDigest.sha256(of: [0] + entries[entries.startIndex]).bytes }
    var split = 1
    while split * 2 < entries.count { split *= 2 }
    let middle = entries.startIndex + split
    return ContentDigest.sha256(of: [1] + recursiveHead(entries[..<middle]) + recursiveHead(entries[middle...])).bytes
}

@Suite("Merkle tree")
struct MerkleTreeTests {
    /// The inputs and heads that Certificate Transparency's own tests use.
    private static let leaves = [
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    ]
    private static let heads = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ]

    @Test func headsAreThoseOfCertificateTransparency() throws {
        var edge = TreeEdge()
        #expect(edge.head.hex == Self.heads[0])
        for (index, leaf) in Self.leaves.enumerated() {
            edge.append(leaf: MerkleHash.leaf(try #require(Hexadecimal.decode(leaf))))
            #expect(edge.size == Int64(index + 1))
            #expect(edge.head.hex == Self.heads[index + 1])
        }
    }

    @Test func headsAreThoseOfTheRecursiveDefinition() {
        var random = SeededRandom(seed: 7)
        var entries: [[UInt8]] = []
        var edge = TreeEdge()
        for _ in 0..<300 {
            #expect(edge.head.bytes == recursiveHead(entries[...]))
            let count = Int.random(in: 0...40, using: &random)
            entries.append((0..<count).map { _ in UInt8.random(in: 0...255, using: &random) })
            edge.append(leaf: MerkleHash.leaf(entries[entries.count - 1]))
        }
        #expect(edge.size == 300)
    }
}
