import EvidenceModel
import FileAccess
import Glibc

/// The process that looks into recordings for the agent.
package enum Worker {
    /// Gives up what it does not need, answers the agent at descriptor 3 until that ends the connection, and returns;
    /// ends the process with a sentence and a code of sysexits.h where it cannot.
    package static func serve() {
        guard isSocket(ProbeProtocol.socketNumber) else {
            leave(
                EX_USAGE,
                "capture-probe looks into recordings for capture-agent, which starts it by itself; it does nothing by hand."
            )
        }
        FileProbe.silenceLibrary()
        let protections: ProbeProtections
        do throws(Confinement.Failure) { protections = try Confinement.apply() } catch {
            leave(EX_OSERR, "capture-probe could not give up its rights: \(error.call) failed (errno \(errno)).")
        }
        // Descriptor 3 was made for this process and has no other owner in it.
        let socket = OwnedDescriptor(adopting: ProbeProtocol.socketNumber, path: RawPath("agent"))
        let loop = RequestLoop(channel: DescriptorChannel(adopting: socket), protections: protections)
        do throws(RequestLoop.Fault) {
            try loop.run()
        } catch {
            switch error {
            case .socket(let failure): leave(EX_IOERR, "capture-probe lost the agent: \(failure).")
            case .notUnderstood:
                leave(EX_PROTOCOL, "capture-probe did not understand the agent: are both of the same release?")
            }
        }
    }

    private static func isSocket(_ number: Int32) -> Bool {
        var kind: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(number, SOL_SOCKET, SO_TYPE, &kind, &length) == 0
            && kind == Int32(SOCK_SEQPACKET.rawValue)
    }

    private static func leave(_ code: Int32, _ sentence: String) -> Never {
        let line = Array((sentence + "\n").utf8)
        _ = write(STDERR_FILENO, line, line.count)
        exit(code)
    }
}
