import EvidenceModel

/// Whose recordings are looked into next, and when again: of each owner one after the other, of all owners at once, so that a device that
/// hangs keeps nobody else's recordings from being described. Decides; the catalogue is the queue itself.
struct DescribeQueue {
    /// One owner's turn.
    struct Turn: Sendable {
        var owner: String
        var recordings: [Recording]
        /// Those of them whose next look is believed whatever it comes to.
        var last: Set<RecordingID> = []
    }

    /// How a turn ended for the recordings that are not described by it.
    struct Remainder: Sendable {
        /// They cannot be opened, or there is no worker: tried until it works.
        var failed: [RecordingID] = []
        /// The look was hindered by something that may pass.
        var hindered: [RecordingID] = []
    }

    /// A look that was hindered so often is believed: then it is the file.
    private static let looks = 3
    /// Retries that pass between two looks, the first and the second time.
    private static let pauses = [1, 12]

    /// Recordings that are being looked into, by owner.
    private var running: [String: Set<RecordingID>] = [:]
    /// Those that could not be described now: they are left until it is time to try again.
    private var left: Set<RecordingID> = []
    /// How often a look was hindered, and after how many retries it is time for the next.
    private var hindered: [RecordingID: (looks: Int, pause: Int)] = [:]

    /// Owners whose recordings are being looked into.
    var busyOwners: Set<String> { Set(running.keys) }

    /// So many recordings of the catalogue are known to this queue already.
    var known: Int { left.count + hindered.count + running.values.reduce(0) { $0 + $1.count } }

    /// - Parameter found: recordings that are not described, in the order in which they should be.
    /// - Returns: the turns that begin now.
    mutating func found(_ recordings: [Recording]) -> [Turn] {
        var turns: [Turn] = []
        var places: [String: Int] = [:]
        for recording in recordings where !left.contains(recording.id) && (hindered[recording.id]?.pause ?? 0) == 0 {
            let owner = Self.owner(of: recording)
            if running[owner] != nil { continue }
            if let place = places[owner] {
                turns[place].recordings.append(recording)
            } else {
                places[owner] = turns.count
                turns.append(Turn(owner: owner, recordings: [recording]))
            }
        }
        for (place, turn) in turns.enumerated() {
            let ids = Set(turn.recordings.map(\.id))
            running[turn.owner] = ids
            turns[place].last = ids.filter { (hindered[$0]?.looks ?? 0) + 1 >= Self.looks }
        }
        return turns
    }

    /// A turn is over.
    mutating func ended(_ owner: String, _ remainder: Remainder) {
        for id in running.removeValue(forKey: owner) ?? [] where !remainder.hindered.contains(id) { hindered[id] = nil }
        left.formUnion(remainder.failed)
        for id in remainder.hindered {
            let looks = (hindered[id]?.looks ?? 0) + 1
            hindered[id] = (looks, Self.pauses[min(looks, Self.pauses.count) - 1])
        }
    }

    /// What failed may be tried again, what was hindered after its pause.
    mutating func retryDue() {
        left = []
        for (id, state) in hindered where state.pause > 0 { hindered[id] = (state.looks, state.pause - 1) }
    }

    /// Who could hang: the device or folder that the bytes lie on, or the device they were copied from. As the catalogue
    /// calls them (`Catalogue.undescribed`).
    static func owner(of recording: Recording) -> String {
        switch recording.place {
        case .direct(let root, _, _): "at \(root.display)"
        case .spool, .targets: "from \(recording.source) \(recording.device ?? "")"
        }
    }
}
