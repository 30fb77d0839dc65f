package import EvidenceModel

/// Which bytes of a broken file are read next, and which are given up.
///
///     blocks of 1 MiB ──▶ those that failed, in pieces of 64 KiB ──▶ those that failed, in pieces of 4 KiB, twice each
///
/// What is easy comes first: no failing block is tried again before every block was tried once. A read that fails can
/// take a card many seconds, so that at most `mostFailures` are made; what has not been read by then is given up.
///
/// Invariants, asserted by `check`: every byte is read, given up or still to be tried, and none is two of these.
package struct SalvageMachine: Sendable {
    /// Bytes of a piece, from the first look to the last.
    package static let pieceBytes: [Int64] = [1 << 20, 64 << 10, 4 << 10]

    private struct Piece: Sendable {
        var span: ByteSpan
        /// Index in `pieceBytes`.
        var level: Int
        var isSecondTry = false
    }

    private let size: Int64
    /// Blocks from here on have not been tried.
    private var firstUntried: Int64 = 0
    /// Blocks that failed, to be tried in pieces; those before `nextFailed` were.
    private var failedBlocks: [ByteSpan] = []
    private var nextFailed = 0
    /// Pieces of one block, the next one last.
    private var pieces: [Piece] = []
    private var failuresLeft: Int
    private var givenUp: [ByteSpan] = []
    private var current: Piece?

    package private(set) var readBytes: Int64 = 0

    /// - Parameter mostFailures: 1,024 unless a test says otherwise.
    package init(bytes: Int64, mostFailures: Int = 1024) {
        size = bytes
        failuresLeft = mostFailures
        advance()
    }

    /// The bytes to read now; nothing when all is done.
    package var next: ByteSpan? { current?.span }

    /// Bytes that could not be read, ascending; those that touch are one span.
    package var unreadable: [ByteSpan] { ByteSpan.joined(givenUp, most: .max) }

    /// `next` was read.
    package mutating func pieceRead() {
        if let current { readBytes += current.span.length }
        advance()
    }

    /// `next` could not be read.
    package mutating func pieceFailed() {
        guard let piece = current else { return }
        failuresLeft -= 1
        if failuresLeft <= 0 { return giveUp() }
        switch (piece.level, piece.isSecondTry) {
        case (0, _): failedBlocks.append(piece.span)
        case (Self.pieceBytes.count - 1, true): givenUp.append(piece.span)
        case (Self.pieceBytes.count - 1, false):
            pieces.append(Piece(span: piece.span, level: piece.level, isSecondTry: true))
        case (let level, _): split(piece.span, level + 1)
        }
        advance()
    }

    private mutating func advance() {
        current = nil
        if firstUntried < size {
            let span = ByteSpan(offset: firstUntried, length: min(Self.pieceBytes[0], size - firstUntried))
            firstUntried = span.end
            current = Piece(span: span, level: 0)
            return
        }
        if pieces.isEmpty, nextFailed < failedBlocks.count {
            split(failedBlocks[nextFailed], 1)
            nextFailed += 1
        }
        current = pieces.popLast()
    }

    private mutating func split(_ span: ByteSpan, _ level: Int) {
        let starts = stride(from: span.offset, to: span.end, by: Int(Self.pieceBytes[level]))
        pieces += starts.reversed().map { start in
            Piece(span: ByteSpan(offset: start, length: min(Self.pieceBytes[level], span.end - start)), level: level)
        }
    }

    /// All that has not been read.
    private var left: [ByteSpan] {
        let untried = ByteSpan(offset: firstUntried, length: size - firstUntried)
        return (current.map { [$0.span] } ?? []) + pieces.map(\.span) + failedBlocks[nextFailed...] + [untried]
    }

    private mutating func giveUp() {
        givenUp += left
        (firstUntried, nextFailed, pieces, current) = (size, failedBlocks.count, [], nil)
    }

    /// What is broken among the invariants; empty when all hold.
    package func check() -> [String] {
        let bytes = (left + givenUp).reduce(readBytes) { $0 + $1.length }
        let joined = ByteSpan.joined(left + givenUp, most: .max).reduce(readBytes) { $0 + $1.length }
        return bytes == size && joined == size ? [] : ["\(bytes) and \(joined) of \(size) bytes have a place"]
    }
}
