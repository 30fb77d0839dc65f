/// What reading packets to the end of a file came to.
struct PacketWalk: Equatable {
    struct Stream: Equatable {
        var packets = 0
        /// Sum of what the packets say they last.
        var seconds: Double = 0
        /// The latest end of a packet, from the beginning of the file's clock.
        var endSeconds: Double?
    }

    /// As many as the container has, in its order.
    var streams: [Stream]
    /// The end of the file was reached: nothing stopped the reading before.
    var isWhole = false

    /// The latest end of a packet of any stream, from the beginning of the file's clock.
    var endSeconds: Double? { streams.compactMap(\.endSeconds).max() }

    /// Reads from where the demuxer stands.
    static func toEnd(_ demuxer: borrowing Demuxer) -> PacketWalk {
        var walk = PacketWalk(streams: Array(repeating: Stream(), count: demuxer.streamCount))
        while let packet = demuxer.nextPacket() {
            guard packet.stream < walk.streams.count else { continue }
            let time = demuxer.time(of: packet)
            walk.streams[packet.stream].packets += 1
            walk.streams[packet.stream].seconds += time.durationSeconds
            if let seconds = time.seconds {
                let end = seconds + time.durationSeconds
                walk.streams[packet.stream].endSeconds = max(walk.streams[packet.stream].endSeconds ?? end, end)
            }
        }
        walk.isWhole = demuxer.source.isUnhindered
        return walk
    }
}
