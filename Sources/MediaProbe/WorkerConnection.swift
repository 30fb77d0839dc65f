import EvidenceModel
import FileAccess
import FoundationEssentials
import Glibc

/// Owner of a started worker: its process, and the agent's end of the socket between the two. Everything here may wait
/// as long as the worker does, up to the given time.
struct WorkerConnection: ~Copyable, Sendable {
    // The process is ended first, then the socket closed: in the order they stand here.
    private var process: ChildProcess
    private let channel: DescriptorChannel
    private let timeoutMilliseconds: Int32

    /// Starts a worker and waits until it says that it has started.
    static func start(
        _ executable: RawPath, timeoutMilliseconds: Int32, unreaped: UnreapedChildren
    ) throws(MediaProbeError) -> WorkerConnection {
        var connection: WorkerConnection
        do throws(FileAccessError) {
            let pair = try DescriptorChannel.pair()
            let process = try ChildProcess(executable: executable, socket: pair.far.number, unreaped: unreaped)
            // The worker's end is closed here with the pair, so that the connection ends when the worker does.
            connection = WorkerConnection(
                process: process, channel: pair.takeNear(), timeoutMilliseconds: timeoutMilliseconds)
        } catch {
            throw MediaProbeError(
                code: .workerUnavailable,
                sentence: "Recordings cannot be looked into: \(executable.display) cannot be started. Install"
                    + " capture-probe beside capture-agent, of the same release.", cause: error)
        }
        try connection.awaitHello(executable)
        return connection
    }

    private mutating func awaitHello(_ executable: RawPath) throws(MediaProbeError) {
        var cause: any Error
        do {
            let hello = try decode(ProbeHello.self, receive())
            if hello.version == ProbeProtocol.version { return }
            cause = WorkerFault.garbled("protocol version \(hello.version)")
        } catch {
            cause = error
        }
        if case WorkerFault.died = cause, let how = end() { cause = WorkerFault.died(how) }
        throw MediaProbeError(
            code: .workerUnavailable,
            sentence: "Recordings cannot be looked into: \(executable.display) was started but did not say that it is"
                + " ready. It must be capture-probe of the same release, with its libraries installed.", cause: cause)
    }

    /// Sends the question with the file, waits for the answer and checks it.
    ///
    /// - Parameter file: number of a descriptor that stays open until this returns; the worker gets a duplicate.
    /// - Throws: after anything but `.notHanded` the worker is of no more use.
    borrowing func ask(_ request: ProbeRequest, file: Int32) throws(WorkerFault) -> ProbeReply {
        try send(request, file)
        let reply = try decode(ProbeReply.self, receive())
        if let flaw = reply.flaw(askedSequence: request.sequence) { throw .garbled(flaw) }
        return reply
    }

    /// Ends and reaps the process; how it ended.
    mutating func end() -> String? { process.end() }

    private borrowing func send(_ request: ProbeRequest, _ file: Int32) throws(WorkerFault) {
        let bytes: [UInt8]
        do { bytes = [UInt8](try JSONEncoder().encode(request)) } catch { throw .garbled("\(error)") }
        do throws(FileAccessError) {
            try channel.send(bytes, descriptor: file)
        } catch {
            switch error.code {
            case EPIPE, ECONNRESET, ENOTCONN: throw .gone
            default: throw .notHanded(error)
            }
        }
    }

    private borrowing func receive() throws(WorkerFault) -> [UInt8] {
        do throws(FileAccessError) {
            let message = try channel.receive(
                capacity: ProbeProtocol.messageBytes, timeoutMilliseconds: timeoutMilliseconds)
            if let message { return message.bytes }
        } catch {
            switch error.code {
            case EAGAIN: throw .hung
            case EMSGSIZE: throw .garbled("a message of more than \(ProbeProtocol.messageBytes) bytes")
            default: break
            }
        }
        throw .died("end of the connection")
    }

    private borrowing func decode<Message: Decodable>(
        _ kind: Message.Type, _ bytes: [UInt8]
    ) throws(WorkerFault) -> Message {
        do { return try JSONDecoder().decode(kind, from: Data(bytes)) } catch { throw .garbled("no \(kind)") }
    }
}
