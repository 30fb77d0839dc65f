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
    /// What the worker said of itself.
    let hello: ProbeHello

    /// What a worker answers: facts, and a JPEG where one was asked for and could be made.
    struct Answer: Sendable {
        var reply: ProbeReply
        var picture: [UInt8]?
    }

    /// Starts a worker and waits until it says that it has started.
    static func start(
        _ executable: RawPath, timeoutMilliseconds: Int32, in nursery: ProcessNursery, unreaped: UnreapedChildren,
        interruption: Interruption
    ) throws(MediaProbeError) -> WorkerConnection {
        var newborn: Newborn
        do throws(FileAccessError) {
            newborn = try Newborn.start(executable, in: nursery, unreaped: unreaped)
        } catch {
            throw MediaProbeError(
                code: .workerUnavailable,
                sentence: "Recordings cannot be looked into: \(executable.display) cannot be started. Install"
                    + " capture-probe beside capture-agent, of the same release.", cause: error)
        }
        guard let number = newborn.process.number, interruption.works(number) else { throw .stopped }
        do throws(WorkerFault) {
            let hello = try hello(on: newborn.channel, timeoutMilliseconds, interruption)
            return WorkerConnection(process: newborn.process, channel: newborn.channel, hello: hello)
        } catch {
            var cause = error
            if case .died = cause, let how = newborn.process.end() { cause = .died(how.description) }
            throw MediaProbeError(
                code: .workerUnavailable,
                sentence: "Recordings cannot be looked into: \(executable.display) was started but did not say that it"
                    + " is ready. It must be capture-probe of the same release, with its libraries installed.",
                cause: cause)
        }
    }

    private static func hello(
        on channel: borrowing DescriptorChannel, _ timeoutMilliseconds: Int32, _ interruption: Interruption
    ) throws(WorkerFault) -> ProbeHello {
        // It may be killed from outside until it has answered, and is reaped only afterwards.
        defer { interruption.rests() }
        let hello = try decode(ProbeHello.self, receive(on: channel, timeoutMilliseconds))
        if hello.version != ProbeProtocol.version { throw .garbled("protocol version \(hello.version)") }
        return hello
    }

    /// Sends the question with the file, waits for the answer and checks it.
    ///
    /// - Parameters:
    ///   - file: number of a descriptor that stays open until this returns; the worker gets a duplicate.
    ///   - timeoutMilliseconds: for each message.
    /// - Throws: after anything but `.notHanded` the worker is of no more use.
    borrowing func ask(
        _ request: ProbeRequest, file: Int32, timeoutMilliseconds: Int32
    ) throws(WorkerFault) -> Answer {
        try send(request, file)
        let reply = try Self.decode(ProbeReply.self, Self.receive(on: channel, timeoutMilliseconds))
        if let flaw = reply.flaw(askedSequence: request.sequence) { throw .garbled(flaw) }
        guard let count = reply.pictureBytes else { return Answer(reply: reply) }
        guard request.task == .picture else { throw .garbled("a picture that nobody asked for") }
        let picture = try Self.receive(on: channel, timeoutMilliseconds)
        // SOI, ISO/IEC 10918-1, B.1.1.3: a program that shows the picture is told no other kind of file.
        guard picture.count == count, picture.starts(with: [0xFF, 0xD8, 0xFF]) else {
            throw .garbled("a picture that is none")
        }
        return Answer(reply: reply, picture: picture)
    }

    /// Its process id, until it is ended.
    var number: pid_t? { process.number }

    /// Its memory now, bytes.
    var bytes: Int { process.bytes }

    /// Ends and reaps the process; how it ended.
    mutating func end() -> String? { process.end()?.description }

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

    private static func receive(
        on channel: borrowing DescriptorChannel, _ timeoutMilliseconds: Int32
    ) throws(WorkerFault) -> [UInt8] {
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

    private static func decode<Message: Decodable>(
        _ kind: Message.Type, _ bytes: [UInt8]
    ) throws(WorkerFault) -> Message {
        do { return try JSONDecoder().decode(kind, from: Data(bytes)) } catch { throw .garbled("no \(kind)") }
    }
}
