import EvidenceModel

/// Whose recordings are looked into next: of each owner one after the other, of all owners at once, so that a device that
/// hangs keeps nobody else's recordings from being described. Decides; the catalogue is the queue itself.
struct DescribeQueue {
    /// One owner's turn.
    struct Turn: Sendable {
        var owner: String
        var recordings: [Recording]
    }

    /// Recordings that are being looked into, by owner.
    private var running: [String: Set<RecordingID>] = [:]
    /// Those that could not be described now: they are left until it is time to try again.
    private var left: Set<RecordingID> = []

    /// So many recordings of the catalogue are known to this queue already.
    var known: Int { left.count + running.values.reduce(0) { $0 + $1.count } }

    /// - Parameter found: recordings that are not described, in the order in which they should be.
    /// - Returns: the turns that begin now.
    mutating func found(_ recordings: [Recording]) -> [Turn] {
        var turns: [Turn] = []
        var places: [String: Int] = [:]
        for recording in recordings where !left.contains(recording.id) {
            let owner = Self.owner(of: recording)
            if running[owner] != nil { continue }
            if let place = places[owner] {
                turns[place].recordings.append(recording)
            } else {
                places[owner] = turns.count
                turns.append(Turn(owner: owner, recordings: [recording]))
            }
        }
        for turn in turns { running[turn.owner] = Set(turn.recordings.map(\.id)) }
        return turns
    }

    /// A turn is over; `failed` could not be described.
    mutating func ended(_ owner: String, failed: [RecordingID]) {
        running[owner] = nil
        left.formUnion(failed)
    }

    /// What failed may be tried again.
    mutating func retryDue() {
        left = []
    }

    /// Who could hang: the device or folder that the bytes lie on, or the device they were copied from.
    static func owner(of recording: Recording) -> String {
        switch recording.place {
        case .direct(let root, _, _): "at \(root.display)"
        case .spool: "from \(recording.source) \(recording.device ?? "")"
        }
    }
}
