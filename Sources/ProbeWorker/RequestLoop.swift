import EvidenceModel
import FileAccess
import FoundationEssentials

/// The conversation with the agent: says that it has started, then answers one question after the other.
struct RequestLoop: ~Copyable {
    /// A request is a few numbers.
    private static let requestBytes = 4096
    private static let longestMilliseconds = 10 * 60 * 1000

    enum Fault: Error {
        case socket(FileAccessError)
        /// The agent speaks another version, or it is no agent.
        case notUnderstood
    }

    let channel: DescriptorChannel

    /// Returns at the end of the connection.
    func run() throws(Fault) {
        try send(ProbeHello(library: FileProbe.libraryVersion))
        while let message = try receive() {
            guard let request = try? JSONDecoder().decode(ProbeRequest.self, from: Data(message.bytes)),
                request.version == ProbeProtocol.version,
                (1...Self.longestMilliseconds).contains(request.deadlineMilliseconds),
                let file = message.takeDescriptor()
            else { throw .notUnderstood }
            try send(Self.answer(request, file))
        }
    }

    private static func answer(_ request: ProbeRequest, _ file: consuming OwnedDescriptor) -> ProbeReply {
        let deadline = Deadline.arm(milliseconds: request.deadlineMilliseconds)
        defer { deadline.disarm() }
        let (outcome, facts) = FileProbe.look(at: file, isOver: { deadline.isOver })
        return ProbeReply(sequence: request.sequence, outcome: outcome, facts: facts)
    }

    private func receive() throws(Fault) -> DescriptorChannel.Message? {
        do { return try channel.receive(capacity: Self.requestBytes) } catch { throw .socket(error) }
    }

    /// The bounds in `ProbeProtocol` keep every message shorter than one may be.
    private func send(_ message: some Encodable) throws(Fault) {
        let bytes: [UInt8]
        do { bytes = [UInt8](try JSONEncoder().encode(message)) } catch { throw .notUnderstood }
        do { try channel.send(bytes) } catch { throw .socket(error) }
    }
}
