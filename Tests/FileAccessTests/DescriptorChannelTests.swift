import EvidenceModel
import FileAccess
import Foundation
import StationTesting
import Testing

private struct Absent: Error {}

/// The next message; throws where the connection ended.
private func message(
    on channel: borrowing DescriptorChannel, capacity: Int = 16
) throws -> DescriptorChannel.Message {
    guard let message = try channel.receive(capacity: capacity, timeoutMilliseconds: 5000) else { throw Absent() }
    return message
}

private func bytes(on channel: borrowing DescriptorChannel, capacity: Int = 16) throws -> [UInt8] {
    try message(on: channel, capacity: capacity).bytes
}

@Suite("Descriptor channel", .timeLimit(.minutes(1)))
struct DescriptorChannelTests {
    @Test func messagesStayWhole() throws {
        let pair = try DescriptorChannel.pair()
        let messages = [[1], [2, 3], [UInt8](repeating: 4, count: 60_000)]
        for message in messages { try pair.near.send(message) }
        for message in messages {
            let received = try bytes(on: pair.far, capacity: 65_536)
            #expect(received == message)
        }
    }

    @Test func aDescriptorArrivesAsADuplicateOfItsOwn() throws {
        let folder = try TemporaryDirectory()
        let path = try folder.file("clip", "clip")
        let pair = try DescriptorChannel.pair()
        do {
            let file = try OwnedDescriptor.open(absolute: path, flags: O_RDONLY)
            try pair.near.send([1], descriptor: file.number)
            try pair.near.send([2])
        }
        // The sender's is closed by now.
        let first = try message(on: pair.far)
        let bytes = first.bytes
        #expect(bytes == [1])
        guard let file = first.takeDescriptor() else { throw Absent() }
        #expect(try file.readBytes(ByteSpan(offset: 0, length: 10)) == Array("clip".utf8))
        #expect(fcntl(file.number, F_GETFD) & FD_CLOEXEC != 0)
        let descriptor = try message(on: pair.far).takeDescriptor()
        let isAbsent = descriptor == nil
        #expect(isAbsent)
    }

    @Test func aMessageThatIsTooLongIsRefusedAndTheNextOneReceived() throws {
        let pair = try DescriptorChannel.pair()
        try pair.near.send([1, 2, 3, 4], descriptor: 0)
        try pair.near.send([5, 6, 7])
        let error = #expect(throws: FileAccessError.self) {
            _ = try pair.far.receive(capacity: 3, timeoutMilliseconds: 5000)
        }
        #expect(error?.code == EMSGSIZE)
        #expect(try bytes(on: pair.far, capacity: 3) == [5, 6, 7])
    }

    @Test func nothingToReceiveEndsTheWait() throws {
        let pair = try DescriptorChannel.pair()
        let error = #expect(throws: FileAccessError.self) {
            _ = try pair.far.receive(capacity: 3, timeoutMilliseconds: 0)
        }
        #expect(error?.code == EAGAIN)
    }

    @Test func theOtherEndsCloseIsTheEnd() throws {
        StationProcess.ignoreBrokenPipesAndLeases()
        let near = try DescriptorChannel.pair().takeNear()
        #expect(throws: Absent.self) { _ = try message(on: near) }
        let error = #expect(throws: FileAccessError.self) { try near.send([1]) }
        #expect(error?.code == EPIPE)
    }

    /// A signal whose handler does nothing interrupts poll(2) again and again while the wait goes on.
    @Test func aSignalDoesNotEndTheWait() throws {
        let pair = try DescriptorChannel.pair()
        signal(SIGUSR2) { _ in }
        // The threads that tests run on block signals.
        var signals = sigset_t()
        var before = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGUSR2)
        pthread_sigmask(SIG_UNBLOCK, &signals, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        let waiting = pthread_self()
        // proc(5): `<process>/task/<thread>`.
        let status = "/proc/\(try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/thread-self"))/stat"
        let number = dup(pair.near.number)
        let sender = Thread {
            for _ in 0..<300 {
                // S: it waits, and can be interrupted.
                while (try? String(contentsOfFile: status, encoding: .utf8))?.contains(") S ") == false {
                    sched_yield()
                }
                pthread_kill(waiting, SIGUSR2)
            }
            var byte: UInt8 = 9
            write(number, &byte, 1)
            close(number)
        }
        sender.start()
        #expect(try bytes(on: pair.far) == [9])
    }
}
