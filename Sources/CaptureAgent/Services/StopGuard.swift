import Foundation
import Glibc
import Logging
import ServiceLifecycle

/// Ends the agent that was told to stop and cannot, because a device hangs inside a system call that nothing interrupts.
/// Whatever is durable is so at any moment (`docs/architecture.md`, After a crash): nothing is lost by not waiting.
struct StopGuard: Service {
    let result: OnceResult
    let logger: Logger

    /// The contract's ten seconds, less what the end itself takes.
    private static let patienceSeconds = 8.0

    func run() async throws {
        let (result, logger) = (result, logger)
        let (ending, end) = AsyncStream.makeStream(of: Never.self)
        await withTaskCancellationOrGracefulShutdownHandler {
            for await _ in ending {}
        } onCancelOrGracefulShutdown: {
            end.finish()
        }
        Thread.detachNewThread {
            Thread.sleep(forTimeInterval: Self.patienceSeconds)
            logger.warning("a device does not let go: the agent ends without it, and goes on at the next start")
            _exit(result.verdict == .needsAttention ? CommandFailure.Code.attention.rawValue : EXIT_SUCCESS)
        }
    }
}
