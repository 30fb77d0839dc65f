import ContentHash
package import EvidenceModel

/// Merkle tree hashing of RFC 6962, section 2.1, with SHA-256.
package enum MerkleHash {
    /// The head of a tree without leaves: SHA-256 of nothing.
    package static var empty: ContentDigest { .sha256(of: [UInt8]()) }

    /// SHA-256 of 0x00 and the entry.
    package static func leaf(_ entry: [UInt8]) -> ContentDigest { .sha256(of: [0] + entry) }

    /// SHA-256 of 0x01 and both children.
    package static func node(_ left: ContentDigest, _ right: ContentDigest) -> ContentDigest {
        .sha256(of: [1] + left.bytes + right.bytes)
    }
}

/// A growing tree of which only the right edge is kept: the heads of its complete subtrees, largest first, one for each
/// bit of the size. Adding a leaf and telling the head take time logarithmic in the size.
package struct TreeEdge: Sendable, Hashable {
    /// Leaves.
    package private(set) var size: Int64 = 0
    private var subtrees: [ContentDigest] = []

    package init() {}

    package mutating func append(leaf: ContentDigest) {
        var node = leaf
        // As many complete subtrees of equal size end here as the size has trailing ones.
        for _ in 0..<(~size).trailingZeroBitCount {
            node = MerkleHash.node(subtrees.removeLast(), node)
        }
        subtrees.append(node)
        size += 1
    }

    /// The tree's head (RFC 6962, section 2.1: MTH).
    package var head: ContentDigest {
        guard var node = subtrees.last else { return MerkleHash.empty }
        for left in subtrees.dropLast().reversed() { node = MerkleHash.node(left, node) }
        return node
    }
}
