import EvidenceModel

/// Reads a file forwards in pieces of 256 KiB, up to a limit.
struct PieceReader {
    private let source: ByteSource
    /// No byte from here on is read.
    let limit: Int64
    private var start: Int64 = 0
    private var piece: [UInt8] = []

    private static let pieceLength: Int64 = 256 << 10

    init(_ source: ByteSource, limit: Int64) {
        self.source = source
        self.limit = min(limit, source.size)
    }

    /// The byte at `offset`; nothing at the end, at the limit, or where nothing can be read.
    mutating func byte(_ offset: Int64) -> UInt8? {
        guard load(offset) else { return nil }
        return piece[Int(offset - start)]
    }

    /// The first place from `offset` on where `byte` stands.
    mutating func find(_ byte: UInt8, from offset: Int64) -> Int64? {
        var place = offset
        while load(place) {
            if let index = piece[Int(place - start)...].firstIndex(of: byte) { return start + Int64(index) }
            place = start + Int64(piece.count)
        }
        return nil
    }

    /// `offset` lies in the piece that is held, if need be after reading it.
    private mutating func load(_ offset: Int64) -> Bool {
        guard offset >= 0, offset < limit else { return false }
        if offset < start || offset >= start + Int64(piece.count) {
            start = offset
            piece = source.bytes(at: offset, min(Self.pieceLength, limit - offset))
        }
        return !piece.isEmpty
    }
}
