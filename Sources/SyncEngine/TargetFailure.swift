/// A target did not do what it was asked.
package struct TargetFailure: Error, Sendable, Hashable {
    package enum Kind: Sendable, Hashable {
        /// No connection.
        case unreachable
        /// The server's certificate is not the right one.
        case certificate
        /// The connection broke on the way.
        case interrupted
        /// The target asks for patience; seconds, where it says how much.
        case throttled(afterSeconds: Double?)
        /// The target has a fault of its own, or gave an answer that is none.
        case serverFault
        /// The target refuses the station's clock.
        case clock
        /// The target refuses the station's credentials, or what they are allowed.
        case denied
        /// Bucket, region or directory are not what the configuration says.
        case misconfigured
        /// The target has no room.
        case full
        /// The target does not know the upload.
        case uploadUnknown
        /// The bytes that arrived are not those that were sent.
        case corruptedOnTheWay
        /// The target does not have the parts, or not in the form, that completion named.
        case partsDisagree
        /// The target will never take this request.
        case rejected
        /// The object is there, and its lock is not.
        case unlocked
        /// The recording's bytes cannot be read on the station now.
        case sourceUnavailable
        /// The recording's bytes on the station are not those that were collected.
        case sourceChanged
        /// What the target has under the key is not what it was given.
        case differs
        /// The station cannot keep its own journal.
        case stationFault
        /// The task was cancelled.
        case cancelled
    }

    package var kind: Kind
    /// What was tried, on what, what came: one sentence without a full stop.
    package var sentence: String
    /// The server's own code, where it gave one: `NoSuchBucket`, `503`.
    package var code: String

    package init(kind: Kind, sentence: String, code: String = "") {
        self.kind = kind
        self.sentence = sentence
        self.code = code
    }

    /// What the person on shift can do.
    package var hint: String {
        switch kind {
        case .unreachable: "check the network and the target's address; the queue goes on by itself"
        case .certificate: "check ca_file, or ask who runs the target for its certificate"
        case .interrupted, .serverFault, .throttled, .corruptedOnTheWay, .partsDisagree, .uploadUnknown:
            "nothing to do: it is tried again"
        case .clock: "set the station's clock (NTP)"
        case .denied: "check the access key and what it is allowed; a corrected credentials file is read by itself"
        case .misconfigured: "create the bucket or mount the directory, or correct the configuration"
        case .full: "make room at the target; the queue goes on by itself"
        case .rejected: "keep the recording on the station and ask who runs the target"
        case .unlocked: "the copy is there and can be deleted: ask who runs the target for the bucket's object lock"
        case .sourceUnavailable: "dock the device again, or make the source's directory available"
        case .sourceChanged: "check the disk of the station; collect the recording again from its device"
        case .differs: "keep the recording on the station and compare: capture-agent verify --deep"
        case .stationFault: "make room on the station's disk, or look at its health"
        case .cancelled: "start the agent again"
        }
    }
}

/// Waiting times: full jitter (Brooker, "Exponential Backoff And Jitter"), so that a thousand retries do not come at once.
package enum Backoff {
    /// Seconds to wait after the `attempt`th failure in a row, which counts from 1.
    ///
    /// - Parameter jitter: 0 to 1, drawn by the caller.
    package static func seconds(attempt: Int, jitter: Double, base: Double = 0.2, longest: Double = 60) -> Double {
        let ceiling = min(longest, base * Double(1 << min(max(attempt, 1), 30)))
        return ceiling * jitter
    }
}
