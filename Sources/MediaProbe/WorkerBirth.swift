import EvidenceModel
import FileAccess

/// A worker that was just started, and the agent's end of the socket to it.
struct Newborn: ~Copyable {
    var process: ChildProcess
    let channel: DescriptorChannel

    /// Starts `executable` with the other end as descriptor 3 and no environment; waits until it runs, or cannot.
    static func start(
        _ executable: RawPath, in nursery: ProcessNursery, unreaped: UnreapedChildren
    ) throws(FileAccessError) -> Newborn {
        let pair = try DescriptorChannel.pair()
        let order = ProcessOrder(command: [executable], descriptorNumbers: [ProbeProtocol.socketNumber])
        let process = try nursery.start(order, handing: pair.far.number, unreaped: unreaped)
        return Newborn(process: process, channel: pair.takeNear())
    }
}
