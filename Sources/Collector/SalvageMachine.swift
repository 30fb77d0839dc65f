package import EvidenceModel

/// Which bytes of a broken file are read next, and which are given up.
///
///     blocks of 1 MiB, from the first to the last; behind failures in a row ever more is jumped over
///       ──▶ what was jumped over up to a block that was read, backwards from there to the next failure
///       ──▶ the rest of what was jumped over, block by block
///       ──▶ blocks that failed, in pieces of 64 KiB ──▶ those that failed, in pieces of 4 KiB, twice each
///
/// What is easy comes first. A read that fails can take a card many seconds, so `mostFailures` bounds what is made in the
/// dark: the last two steps end with it, and from then on the first jumps as far as it may at each failure. What it may
/// jump is bounded too, so that good bytes behind any number of bad ones are found: whatever failed before, bytes in a
/// row that can be read are found where they are 16 MiB or more; in a file of more than 14 GiB, a 1,024th of it and two
/// blocks. Fewer than 3,600 reads fail in all.
///
/// Invariants, asserted by `check`: every byte is read, given up or still to be tried, and none is two of these.
package struct SalvageMachine: Sendable {
    /// Bytes of a piece, from the first look to the last.
    package static let pieceBytes: [Int64] = [1 << 20, 64 << 10, 4 << 10]

    private static let blockBytes = pieceBytes[0]
    /// With the block before and the one behind it, 16 MiB.
    private static let usualLongestJump = 14 * blockBytes
    /// Jumps of full length that lead through a whole file.
    private static let mostLongJumps: Int64 = 1024

    private enum Pass: Sendable {
        case probing, backwards, untried
        /// Index in `pieceBytes`.
        case pieces(level: Int, isSecondTry: Bool)
    }

    private struct Piece: Sendable {
        var span: ByteSpan
        var pass: Pass
    }

    private let size: Int64
    private let longestJumpBytes: Int64
    /// Blocks from here on have been neither tried nor jumped over.
    private var firstUnprobed: Int64 = 0
    private var failuresInRow = 0
    /// Whole blocks that were jumped over, up to one that was read.
    private var jumpedToGood: [ByteSpan] = []
    /// Whole blocks that were jumped over, and those that backward reading left of such.
    private var jumped: [ByteSpan] = []
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
        let share = bytes / Self.mostLongJumps / Self.blockBytes * Self.blockBytes + Self.blockBytes
        longestJumpBytes = max(Self.usualLongestJump, share)
        failuresLeft = mostFailures
        advance()
    }

    /// The bytes to read now; nothing when all is done.
    package var next: ByteSpan? { current?.span }

    /// Bytes that could not be read, ascending; those that touch are one span.
    package var unreadable: [ByteSpan] { ByteSpan.joined(givenUp, most: .max) }

    /// `next` was read.
    package mutating func pieceRead() {
        guard let piece = current else { return }
        readBytes += piece.span.length
        if case .probing = piece.pass {
            failuresInRow = 0
            if let last = jumped.last, last.end == piece.span.offset { jumpedToGood.append(jumped.removeLast()) }
        }
        advance()
    }

    /// `next` could not be read.
    package mutating func pieceFailed() {
        guard let piece = current else { return }
        failuresLeft = max(0, failuresLeft - 1)
        switch piece.pass {
        case .probing:
            failedBlocks.append(piece.span)
            failuresInRow += 1
            jump()
        case .backwards:
            failedBlocks.append(piece.span)
            if let rest = jumpedToGood.popLast() { jumped.append(rest) }
        case .untried: failedBlocks.append(piece.span)
        case .pieces(Self.pieceBytes.count - 1, true): givenUp.append(piece.span)
        case .pieces(let level, _) where level == Self.pieceBytes.count - 1:
            pieces.append(Piece(span: piece.span, pass: .pieces(level: level, isSecondTry: true)))
        case .pieces(let level, _): split(piece.span, level + 1)
        }
        advance()
    }

    /// The first failure may be a single bad place; behind more of them one block is jumped over, then two, four … The
    /// last block is not jumped over: from there it goes backwards.
    private mutating func jump() {
        let grown = failuresInRow < 2 ? 0 : Self.blockBytes << min(failuresInRow - 2, 32)
        let bytes = failuresLeft > 0 ? min(grown, longestJumpBytes) : longestJumpBytes
        let lastBlock = (size - 1) / Self.blockBytes * Self.blockBytes
        let target = min(firstUnprobed + bytes, lastBlock)
        guard target > firstUnprobed else { return }
        jumped.append(ByteSpan(offset: firstUnprobed, length: target - firstUnprobed))
        firstUnprobed = target
    }

    private mutating func advance() {
        current = nil
        current = nextUnprobed() ?? nextBackwards()
        if current == nil, failuresLeft > 0 { current = nextUntried() ?? nextPiece() }
        if current == nil { giveUp() }
    }

    private mutating func nextUnprobed() -> Piece? {
        guard firstUnprobed < size else { return nil }
        let span = ByteSpan(offset: firstUnprobed, length: min(Self.blockBytes, size - firstUnprobed))
        firstUnprobed = span.end
        return Piece(span: span, pass: .probing)
    }

    private mutating func nextBackwards() -> Piece? {
        while let span = jumpedToGood.popLast() {
            guard span.length > 0 else { continue }
            jumpedToGood.append(ByteSpan(offset: span.offset, length: span.length - Self.blockBytes))
            return Piece(
                span: ByteSpan(offset: span.end - Self.blockBytes, length: Self.blockBytes), pass: .backwards)
        }
        return nil
    }

    private mutating func nextUntried() -> Piece? {
        while let span = jumped.popLast() {
            guard span.length > 0 else { continue }
            jumped.append(ByteSpan(offset: span.offset + Self.blockBytes, length: span.length - Self.blockBytes))
            return Piece(span: ByteSpan(offset: span.offset, length: Self.blockBytes), pass: .untried)
        }
        return nil
    }

    private mutating func nextPiece() -> Piece? {
        if pieces.isEmpty, nextFailed < failedBlocks.count {
            split(failedBlocks[nextFailed], 1)
            nextFailed += 1
        }
        return pieces.popLast()
    }

    private mutating func split(_ span: ByteSpan, _ level: Int) {
        let starts = stride(from: span.offset, to: span.end, by: Int(Self.pieceBytes[level]))
        pieces += starts.reversed().map { start in
            Piece(
                span: ByteSpan(offset: start, length: min(Self.pieceBytes[level], span.end - start)),
                pass: .pieces(level: level, isSecondTry: false))
        }
    }

    /// All that has not been read.
    private var left: [ByteSpan] {
        let unprobed = ByteSpan(offset: firstUnprobed, length: size - firstUnprobed)
        return (current.map { [$0.span] } ?? []) + pieces.map(\.span) + failedBlocks[nextFailed...] + jumpedToGood
            + jumped + [unprobed]
    }

    private mutating func giveUp() {
        givenUp += left
        (firstUnprobed, nextFailed, pieces, jumpedToGood, jumped) = (size, failedBlocks.count, [], [], [])
    }

    /// What is broken among the invariants; empty when all hold.
    package func check() -> [String] {
        let bytes = (left + givenUp).reduce(readBytes) { $0 + $1.length }
        let joined = ByteSpan.joined(left + givenUp, most: .max).reduce(readBytes) { $0 + $1.length }
        return bytes == size && joined == size ? [] : ["\(bytes) and \(joined) of \(size) bytes have a place"]
    }
}
