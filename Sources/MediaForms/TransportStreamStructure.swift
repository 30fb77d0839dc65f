/// What the packets of an MPEG-2 transport stream say of its bytes (ISO/IEC 13818-1, 2.4.3.2): nothing in it tells how
/// long it was meant to be, only whether packet follows packet.
///
/// Reads the first 64 KiB, the last MiB, and a byte of each of at most 1,100 packets between.
package struct TransportStreamStructure: Sendable, Hashable {
    /// 188; 192 with a time code before each (BDAV), 204 with check bytes behind each (DVB).
    package var packetBytes: Int
    /// Bytes of a last packet that is not whole.
    package var cutBytes: Int64
    /// Where the first packet of those looked at should begin, and does not.
    package var firstLostSync: Int64?

    package init(packetBytes: Int, cutBytes: Int64 = 0, firstLostSync: Int64? = nil) {
        self.packetBytes = packetBytes
        self.cutBytes = cutBytes
        self.firstLostSync = firstLostSync
    }

    private static let syncByte: UInt8 = 0x47
    private static let headLength: Int64 = 64 << 10
    private static let tailLength: Int64 = 1 << 20
    private static let samples: Int64 = 1024
    /// Packets that must be there for the file to be taken for a stream at all.
    private static let leastPackets = 3

    /// Nothing where the file does not begin with three packets of one of the lengths.
    package static func walk(_ source: ByteSource) -> TransportStreamStructure? {
        let head = source.bytes(at: 0, headLength)
        for (length, sync) in [(188, 0), (192, 4), (204, 0)] {
            let places = (0..<leastPackets).map { $0 * length + sync }
            guard places.allSatisfy({ $0 < head.count && head[$0] == syncByte }) else { continue }
            var found = TransportStreamStructure(
                packetBytes: length, cutBytes: source.size % Int64(length), firstLostSync: nil)
            found.firstLostSync = Packets(source: source, length: Int64(length), sync: Int64(sync)).firstLost(head)
            return found
        }
        return nil
    }

    private struct Packets {
        var source: ByteSource
        var length: Int64
        /// Where the sync byte stands in a packet.
        var sync: Int64

        func firstLost(_ head: [UInt8]) -> Int64? {
            let count = source.size / length
            let headCount = min(count, Int64(head.count) / length)
            if let lost = firstLost(in: head, from: 0, headCount) { return lost * length }
            let tailCount = min(count - headCount, tailLength / length)
            let between = headCount..<(count - tailCount)
            if let lost = firstLost(sampling: between) { return lost * length }
            let tail = source.bytes(at: between.upperBound * length, tailCount * length)
            return firstLost(in: tail, from: between.upperBound, tailCount).map { $0 * length }
        }

        /// - Parameter bytes: from packet `first` on, `count` of them.
        private func firstLost(in bytes: [UInt8], from first: Int64, _ count: Int64) -> Int64? {
            (0..<count).first { packet in
                bytes.big(Int(packet * length + sync), 1) != UInt64(syncByte)
            }.map { first + $0 }
        }

        /// Between the last sample in step and the first that is not, halving finds a packet at which step is lost.
        private func firstLost(sampling packets: Range<Int64>) -> Int64? {
            let step = max(1, Int64(packets.count) / samples)
            var good = packets.lowerBound - 1
            for packet in stride(from: packets.lowerBound, to: packets.upperBound, by: Int(step)) {
                guard !begins(packet) else {
                    good = packet
                    continue
                }
                var lost = packet
                while lost - good > 1 {
                    let middle = good + (lost - good) / 2
                    if begins(middle) { good = middle } else { lost = middle }
                }
                return lost
            }
            return nil
        }

        private func begins(_ packet: Int64) -> Bool {
            source.bytes(at: packet * length + sync, 1).first == syncByte
        }
    }
}
