import EvidenceModel
import FileAccess
import FoundationEssentials

/// The conversation with the agent: says that it has started, then answers one question after the other.
struct RequestLoop: ~Copyable {
    /// A request is a few numbers.
    private static let requestBytes = 4096
    /// A deep look at a day of recording.
    private static let longestMilliseconds = 13 * 3600 * 1000

    enum Fault: Error {
        case socket(FileAccessError)
        /// The agent speaks another version, or it is no agent.
        case notUnderstood
    }

    let channel: DescriptorChannel
    let protections: ProbeProtections

    /// Returns at the end of the connection.
    func run() throws(Fault) {
        try send(ProbeHello(library: FileProbe.libraryVersion, protections: protections))
        while let message = try receive() {
            guard let request = try? JSONDecoder().decode(ProbeRequest.self, from: Data(message.bytes)),
                request.version == ProbeProtocol.version,
                (1...Self.longestMilliseconds).contains(request.deadlineMilliseconds),
                (1...Self.longestMilliseconds).contains(request.processorMilliseconds),
                let file = message.takeDescriptor()
            else { throw .notUnderstood }
            let (reply, picture) = Self.answer(request, file)
            try send(reply)
            if let picture { try send(picture) }
        }
    }

    private static func answer(
        _ request: ProbeRequest, _ file: consuming OwnedDescriptor
    ) -> (ProbeReply, picture: [UInt8]?) {
        let deadline = Deadline.arm(
            milliseconds: request.deadlineMilliseconds, processorMilliseconds: request.processorMilliseconds)
        defer { deadline.disarm() }
        let result = FileProbe.look(at: file, task: request.task, isOver: { deadline.isOver() })
        let reply = ProbeReply(
            sequence: request.sequence, outcome: result.outcome, facts: result.facts,
            pictureBytes: result.picture?.count)
        return (reply, result.picture)
    }

    private func receive() throws(Fault) -> DescriptorChannel.Message? {
        do { return try channel.receive(capacity: Self.requestBytes) } catch { throw .socket(error) }
    }

    /// The bounds in `ProbeProtocol` keep every message shorter than one may be.
    private func send(_ message: some Encodable) throws(Fault) {
        let bytes: [UInt8]
        do { bytes = [UInt8](try JSONEncoder().encode(message)) } catch { throw .notUnderstood }
        try send(bytes)
    }

    private func send(_ bytes: [UInt8]) throws(Fault) {
        do { try channel.send(bytes) } catch { throw .socket(error) }
    }
}
