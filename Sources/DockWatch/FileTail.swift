import EvidenceModel
package import FileAccess

/// How a file ends: a recorder that makes its file at full size and fills it leaves zero bytes behind what it wrote, and
/// neither size nor, over a network, times tell that it goes on.
package enum FileTail: Sendable, Hashable {
    /// There are bytes other than zero in the last 64 KiB, or the file is empty.
    case written
    /// The last 64 KiB, or all of a smaller file, are zero bytes. Data seem to end at this offset.
    case zeros(dataEnd: Int64)

    /// Bytes at the end that decide whether a file looks preallocated.
    static let tailBytes: Int64 = 64 << 10
    /// Bytes of one probe, and how many there are in each step.
    private static let probeBytes: Int64 = 4 << 10
    private static let probesPerStep: Int64 = 4

    /// Reads at most 64 KiB, and 16 KiB for each halving of the file: half a megabyte of any.
    ///
    /// The end of the data is looked for by halves, as if there were one: zero bytes amid the data may lead to an earlier
    /// place. It is told from look to look whether that place moves, nothing else. What the kernel has cached is given up
    /// first, as far as it lets (posix_fadvise(2)): a cached page would stand still by itself.
    package static func read(_ file: borrowing OwnedDescriptor) throws(FileAccessError) -> FileTail {
        let size = try file.status().stamp.size
        guard size > 0 else { return .written }
        file.adviseDone(ByteSpan(offset: 0, length: size))
        let tail = max(0, size - tailBytes)
        guard try isZero(file, tail, tailBytes) else { return .written }
        var (data, zeros) = (Int64(0), tail)
        while data < zeros {
            let middle = data + (zeros - data) / 2 / probeBytes * probeBytes
            if let end = try lastData(file, from: middle, to: zeros) { data = end } else { zeros = middle }
        }
        return .zeros(dataEnd: min(data, size))
    }

    /// The end of the last probe between the two offsets that has data; nothing where all are zero.
    private static func lastData(
        _ file: borrowing OwnedDescriptor, from start: Int64, to end: Int64
    ) throws(FileAccessError) -> Int64? {
        let step = max(probeBytes, (end - start) / probesPerStep / probeBytes * probeBytes)
        var last: Int64?
        for offset in stride(from: start, to: end, by: Int64.Stride(step)).prefix(Int(probesPerStep)) {
            if try !isZero(file, offset, min(probeBytes, end - offset)) {
                last = offset + min(probeBytes, end - offset)
            }
        }
        return last
    }

    private static func isZero(
        _ file: borrowing OwnedDescriptor, _ offset: Int64, _ length: Int64
    ) throws(FileAccessError) -> Bool {
        try file.readBytes(ByteSpan(offset: offset, length: length)).allSatisfy { $0 == 0 }
    }
}
