import Glibc
import NIOCore

/// Who is at the other end of a Unix socket, as the kernel says (unix(7), SO_PEERCRED): the effective user when
/// connect(2) was called.
enum PeerUser {
    /// struct ucred of <bits/socket.h>, which the Glibc module leaves out.
    private struct Credentials: Sendable {
        var process: Int32 = 0
        var user: UInt32 = 0
        var group: UInt32 = 0
    }

    /// `user:<login name>`, or `user:<number>` where the number has no name.
    static func name(of channel: any Channel) async throws -> String {
        guard let provider = channel as? any SocketOptionProvider else { throw ChannelError.operationUnsupported }
        let credentials: Credentials = try await provider.unsafeGetSocketOption(
            level: .socket, name: NIOBSDSocket.Option(rawValue: SO_PEERCRED)
        ).get()
        return label(of: credentials.user)
    }

    static func label(of user: uid_t) -> String {
        var buffer = [CChar](repeating: 0, count: 16 << 10)
        var entry = passwd()
        var found: UnsafeMutablePointer<passwd>?
        guard getpwuid_r(user, &entry, &buffer, buffer.count, &found) == 0, found != nil, let name = entry.pw_name
        else {
            return "user:\(user)"
        }
        return "user:\(String(cString: name))"
    }
}

/// The user who runs this process, named like a peer of the socket.
package var ownUserLabel: String { PeerUser.label(of: geteuid()) }
