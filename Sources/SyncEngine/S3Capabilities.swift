package import EvidenceModel

/// What an S3 store does with wrong and with repeated requests, as it was seen to do.
package struct S3Capabilities: Sendable, Hashable, Codable {
    /// How a copy can be proved.
    package enum Level: Int, Sendable, Hashable, Comparable {
        /// By nothing but reading it back.
        case l0
        /// By the MD5 that the store itself has computed.
        case l1
        /// By each request: the store keeps bytes with the signed SHA-256, or none.
        case l2
        /// And by the object as a whole: the store holds it against the station's CRC-64/NVME when it is made.
        case l3

        package var name: String { "L\(rawValue)" }

        package static func < (left: Level, right: Level) -> Bool { left.rawValue < right.rawValue }
    }

    /// Bytes that are not those of `x-amz-content-sha256`.
    package var refusesWrongSHA256: Bool
    /// Bytes that are not those of `Content-MD5`.
    package var refusesWrongMD5: Bool
    /// An object, or a part, with another `x-amz-checksum-crc64nvme`; the right one it takes.
    package var refusesWrongCRC64: Bool
    /// A completion with another `x-amz-checksum-crc64nvme` for the whole object; the right one it takes.
    package var refusesWrongObjectCRC64: Bool
    /// The ETag of an object is the MD5 of its bytes.
    package var namesByMD5: Bool
    /// A second object under a key, with `If-None-Match: *`.
    package var refusesSecondObject: Bool
    /// A part that is sent again takes the place of the first, and is listed so.
    package var replacesParts: Bool
    /// ListParts goes on where a page ended.
    package var pagesParts: Bool
    /// Its answers have a `Date`.
    package var tellsTime: Bool
    /// The bucket keeps object locks, or does not tell whether it does; false also where nobody asked.
    package var keepsLocks: Bool
    /// One of the trials ended in a fault of the store's own, and was counted against it.
    package var isDoubtful: Bool

    package init(
        refusesWrongSHA256: Bool, refusesWrongMD5: Bool, refusesWrongCRC64: Bool, refusesWrongObjectCRC64: Bool,
        namesByMD5: Bool, refusesSecondObject: Bool, replacesParts: Bool, pagesParts: Bool, tellsTime: Bool,
        keepsLocks: Bool, isDoubtful: Bool
    ) {
        self.refusesWrongSHA256 = refusesWrongSHA256
        self.refusesWrongMD5 = refusesWrongMD5
        self.refusesWrongCRC64 = refusesWrongCRC64
        self.refusesWrongObjectCRC64 = refusesWrongObjectCRC64
        self.namesByMD5 = namesByMD5
        self.refusesSecondObject = refusesSecondObject
        self.replacesParts = replacesParts
        self.pagesParts = pagesParts
        self.tellsTime = tellsTime
        self.keepsLocks = keepsLocks
        self.isDoubtful = isDoubtful
    }

    package var level: Level {
        if refusesWrongSHA256 { return refusesWrongCRC64 && refusesWrongObjectCRC64 ? .l3 : .l2 }
        return namesByMD5 ? .l1 : .l0
    }

    /// The level, and what was seen, for people and programs.
    package var words: [String] {
        let seen: [(Bool, String)] = [
            (refusesWrongSHA256, "refuses_wrong_sha256"), (refusesWrongMD5, "refuses_wrong_md5"),
            (refusesWrongCRC64, "refuses_wrong_crc64nvme"),
            (refusesWrongObjectCRC64, "refuses_wrong_object_crc64nvme"), (namesByMD5, "names_by_md5"),
            (refusesSecondObject, "refuses_second_object"), (replacesParts, "replaces_parts"),
            (pagesParts, "pages_parts"), (tellsTime, "tells_time"), (keepsLocks, "keeps_locks"),
        ]
        return [level.name] + seen.filter(\.0).map(\.1)
    }

    /// Seconds after which it is tried out again: a day, and soon where there is doubt.
    package var goodForSeconds: Double { isDoubtful ? 600 : 86_400 }
}

/// What a store is known to do, and since when.
package struct S3KnownCapabilities: Sendable, Hashable {
    package var capabilities: S3Capabilities
    package var triedAt: WallTime

    package init(capabilities: S3Capabilities, triedAt: WallTime) {
        self.capabilities = capabilities
        self.triedAt = triedAt
    }

    /// Not from a clock that has fallen back since either.
    func isFresh(at time: WallTime) -> Bool {
        (0..<capabilities.goodForSeconds).contains(time.seconds(since: triedAt))
    }
}

/// Keeps what is known of stores from one start to the next.
package protocol CapabilityMemory: Sendable {
    /// Nothing where nothing is known.
    func recall(target: String) async -> S3KnownCapabilities?
    func remember(_ known: S3KnownCapabilities, target: String) async
}

/// A store's answers to the trials of `S3Target.tryOut`.
struct S3TrialAnswers: Sendable, Hashable {
    enum Answer: Sendable, Hashable {
        case taken
        case refused(TargetFailure.Kind, code: String)
        /// Not asked, since another answer has settled it.
        case unasked
    }

    var wrongSHA256 = Answer.unasked
    var wrongMD5 = Answer.unasked
    var rightCRC64 = Answer.unasked
    var wrongCRC64 = Answer.unasked
    var wrongObjectCRC64 = Answer.unasked
    var rightObjectCRC64 = Answer.unasked
    var secondObject = Answer.unasked
    /// A part sent again with other bytes.
    var partAgain = Answer.unasked
    /// The first page of parts has the second bytes.
    var listsPartAgain = false
    /// The first page had one part and said that there is more, and the second page had the other.
    var listsByPages = false
    var namesByMD5 = false
    var hasDate = false
    var keepsLocks = false

    var capabilities: S3Capabilities {
        S3Capabilities(
            refusesWrongSHA256: wrongSHA256.isForTheBytes, refusesWrongMD5: wrongMD5.isForTheBytes,
            refusesWrongCRC64: rightCRC64 == .taken && wrongCRC64.isForTheBytes,
            refusesWrongObjectCRC64: rightObjectCRC64 == .taken && wrongObjectCRC64.isForTheBytes,
            namesByMD5: namesByMD5, refusesSecondObject: secondObject.code == "PreconditionFailed",
            replacesParts: partAgain == .taken && listsPartAgain, pagesParts: listsByPages, tellsTime: hasDate,
            keepsLocks: keepsLocks, isDoubtful: all.contains { $0.isFault })
    }

    private var all: [Answer] {
        [wrongSHA256, wrongMD5, rightCRC64, wrongCRC64, wrongObjectCRC64, rightObjectCRC64, secondObject, partAgain]
    }
}

extension S3TrialAnswers.Answer {
    var code: String {
        if case .refused(_, let code) = self { code } else { "" }
    }

    /// Refused because of the bytes. `InvalidRequest` is what some say of a checksum that does not fit; it counts only
    /// beside a right one that was taken.
    var isForTheBytes: Bool {
        switch self {
        case .refused(.corruptedOnTheWay, _): true
        case .refused(_, let code): ["InvalidRequest", "SignatureDoesNotMatch"].contains(code)
        case .taken, .unasked: false
        }
    }

    /// The store's own fault, or an upload that somebody else has given up, says nothing about what it does on other days.
    var isFault: Bool {
        switch self {
        case .refused(.serverFault, let code): code != "PreconditionFailed" && code != "412"
        case .refused(.uploadUnknown, _): true
        case .refused, .taken, .unasked: false
        }
    }
}
