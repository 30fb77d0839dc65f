package import EvidenceModel

/// What keeps an object from being deleted or replaced (S3 Object Lock, a retention period for each version).
package struct S3Lock: Sendable, Hashable {
    package enum Mode: String, Sendable, Hashable, CaseIterable {
        /// Some may lift it (`s3:BypassGovernanceRetention`).
        case governance
        /// Nobody may.
        case compliance

        /// As S3 writes it.
        var word: String { rawValue.uppercased() }
    }

    package var mode: Mode
    /// Days from the moment an object is stored.
    package var days: Int

    package init(mode: Mode, days: Int) {
        self.mode = mode
        self.days = days
    }

    /// Seconds that a lock may end earlier than one that is asked for now: it was asked for when the upload began.
    static let slackSeconds = 3600.0

    /// Until when what is stored at `time` is locked: whole seconds, as S3 has them.
    func until(_ time: WallTime) -> WallTime {
        let end = time.adding(seconds: Double(days) * 86_400 + 1)
        return WallTime(millisecondsSince1970: end.millisecondsSince1970 / 1000 * 1000)
    }

    /// Of PutObject and CreateMultipartUpload.
    func headers(at time: WallTime) -> [String: String] {
        [
            "x-amz-object-lock-mode": mode.word,
            "x-amz-object-lock-retain-until-date": until(time).rfc3339(),
        ]
    }

    /// The body of PutObjectRetention.
    func retention(at time: WallTime) -> [UInt8] {
        let open = "<Retention xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
        let date = until(time).rfc3339()
        return Array("\(open)<Mode>\(mode.word)</Mode><RetainUntilDate>\(date)</RetainUntilDate></Retention>".utf8)
    }

    /// Whether `found` holds as this one does, where it was asked for before `time`: as strict, and as long.
    func isKept(by found: ObjectLock?, at time: WallTime) -> Bool {
        guard let found else { return false }
        let isStrict = found.mode == mode.word || found.mode == Mode.compliance.word
        return isStrict && found.until.seconds(since: until(time)) >= -Self.slackSeconds
    }
}

/// The lock of one version of an object, as the store tells it.
package struct ObjectLock: Sendable, Hashable {
    /// In upper case: `GOVERNANCE`, `COMPLIANCE`.
    package var mode: String
    package var until: WallTime

    package init(mode: String, until: WallTime) {
        self.mode = mode
        self.until = until
    }
}
