import ContentHash
import EvidenceModel
import Foundation
import Synchronization

/// What a store has shown when it was tried out.
final class S3Behaviour: Sendable {
    private struct State {
        var checksBytes: Bool?
        var isAsked = false
    }

    private let state = Mutex(State())

    var checksBytes: Bool? { state.withLock(\.checksBytes) }

    /// Whether the caller is the one to try it out now.
    func begin() -> Bool {
        state.withLock { state in
            guard state.checksBytes == nil, !state.isAsked else { return false }
            state.isAsked = true
            return true
        }
    }

    /// - Parameter checksBytes: none where the store gave no answer to that: it is asked again.
    func end(checksBytes: Bool?) {
        state.withLock { $0 = State(checksBytes: checksBytes) }
    }
}

extension S3Target {
    /// Sends an object with the digest of other bytes, under a key of its own. Only a store that refuses it for that
    /// reason checks `x-amz-content-sha256`; one that takes it says so by that, and the object is removed. Asked once for
    /// each start; who asks meanwhile is told no, which is always safe.
    package func checksBytes() async -> Bool {
        if let known = behaviour.checksBytes { return known }
        guard behaviour.begin() else { return false }
        // Its bytes are no recording's.
        let answer = await UploadMeter.$current.withValue(nil) { await tryWrongBytes() }
        behaviour.end(checksBytes: answer)
        return answer ?? false
    }

    private func tryWrongBytes() async -> Bool? {
        let key = ".capture-probe/\(UUID().uuidString.lowercased())"
        let query = Query(
            method: "PUT", key: key, body: .bytes(Array("these bytes".utf8)), payload: .sha256(of: "other bytes".utf8),
            tried: "PUT of wrong bytes as a trial")
        do throws(TargetFailure) {
            _ = try await ask(query)
        } catch {
            return error.kind == .corruptedOnTheWay ? true : nil
        }
        // Where removing fails, a few bytes stay that nobody asks for.
        _ = try? await ask(
            Query(method: "DELETE", key: key, tried: "DELETE of the trial"), accepting: [200, 204, 404])
        return false
    }
}
